"""Groups of images that look alike, whatever their labels say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hai_core.neighbors import normalize
from hai_core.projection import PCA_DIMENSIONS, reduce
from hai_core.workspace import InputError

FULL = 50_000  # images up to which Ward sees every one: its time grows with the square, half a minute here
MINI = 25_000  # mini-clusters that Ward sees instead beyond


def cluster(features: npt.NDArray[np.float32], *, count: int | None = None, distance: float | None = None,
            seed: int = 0) -> npt.NDArray[np.int64]:
    """Cluster of each image (N,), numbered from 0 by falling size, of features (N, D): `tree`, cut once.

    Raises InputError unless exactly one of `count` and `distance` is given and possible.
    """
    check(len(features), count, distance)
    return tree(features, seed, count or 0).cut(count=count, distance=distance)


def check(images: int, count: int | None, distance: float | None) -> None:
    """Raises InputError unless exactly one of the two is given and possible."""
    if (count is None) == (distance is None):
        raise InputError("clusters are made by --clusters or by --distance, one of the two")
    if count is not None and not 1 <= count <= max(images, 1):
        raise InputError(f"--clusters {count}: there are {images} images")
    if distance is not None and distance <= 0:
        raise InputError(f"--distance {distance} is not above 0")


@dataclass(frozen=True)
class Tree:
    """A hierarchy of N images, to be cut at any height at once.

    `leaf` (N,): the leaf, 0 .. M - 1, in which each image is. `pairs` (M - 1, 2) of leaves, and `heights` (M - 1,), rising:
    what each merge costs (`ward.merges`).
    """

    leaf: npt.NDArray[np.int32]
    pairs: npt.NDArray[np.int32]
    heights: npt.NDArray[np.float32]

    def cut(self, *, count: int | None = None, distance: float | None = None) -> npt.NDArray[np.int64]:
        """Cluster of each image (N,), numbered from 0 by falling size: `count` of them, or cut where merging costs `distance`.

        For two images that is their distance, for larger clusters it grows with their size; higher gives fewer clusters, and no
        cut is finer than the leaves.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        leaves = len(self.pairs) + 1
        i, j = self.pairs[:leaves - self.count(distance) if distance is not None else leaves - (count or 1)].T
        merged = coo_array((np.ones(len(i)), (i, j)), shape=(leaves, leaves))
        return _by_size(connected_components(merged, directed=False)[1][self.leaf])

    def count(self, distance: float) -> int:
        """How many clusters a cut at `distance` gives."""
        return len(self.pairs) + 1 - int(np.searchsorted(self.heights, np.float32(distance)))


def tree(features: npt.NDArray[np.float32], seed: int = 0, at_least: int = 0) -> Tree:
    """Agglomerative clustering with Ward's criterion (1963) on 50 principal components of the L2-normalised features (N, D).

    Beyond 50,000 images, neighbours are first merged into 25,000 mini-clusters (or `at_least` so many), by the same criterion
    among each image's 10 nearest; each then counts as many times as it has images, so that heights stay what they are
    (benchmarks/clusters.py shows how far both agree).
    """
    from hai_core.findings.ward import merges

    if len(features) < 2:
        return Tree(np.zeros(len(features), np.int32), np.empty((0, 2), np.int32), np.empty(0, np.float32))
    points = reduce(normalize(features), PCA_DIMENSIONS, seed)
    leaf, weights = np.arange(len(points)), np.ones(len(points))
    if len(points) > FULL:
        leaf = _mini(points, max(MINI, at_least))
        weights = np.bincount(leaf).astype(np.float64)
        points = np.stack([np.bincount(leaf, column) / weights for column in points.T], axis=1).astype(np.float32)
    pairs, heights = merges(points, weights)
    return Tree(leaf.astype(np.int32), pairs.astype(np.int32), heights.astype(np.float32))


def _mini(points: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Mini-cluster of each point: Ward's lowest merges among nearest neighbours, in scikit-learn's heap."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.neighbors import kneighbors_graph

    near = kneighbors_graph(points, min(10, len(points) - 1))
    part = connected_components(near, directed=False)[1]
    first = np.unique(part, return_index=True)[1]
    first = first[np.argsort(points[first, 0], kind="stable")]
    # One edge between neighbours joins sets that are apart (scikit-learn would compare all their points); they merge last.
    chain = coo_array((np.ones(len(first) - 1), (first[:-1], first[1:])), shape=near.shape)
    return np.asarray(AgglomerativeClustering(count, connectivity=near + chain).fit(points).labels_, np.int64)


def _by_size(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The same clusters, the largest numbered 0; of equal ones, the one seen first."""
    if not len(labels):
        return labels.astype(np.int64)
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return number[inverse]
