"""Groups of images that look alike, whatever their labels say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hai_core.neighbors import normalize
from hai_core.projection import PCA_DIMENSIONS, reduce
from hai_core.workspace import InputError

FULL = 50_000  # images up to which Ward sees every one: its time grows with the square, half a minute here
MINI = 25_000  # mini-clusters that Ward sees instead beyond


def cluster(features: npt.NDArray[np.float32], *, count: int | None = None, distance: float | None = None,
            seed: int = 0) -> npt.NDArray[np.int64]:
    """Cluster of each image (N,), numbered from 0 by falling size, of features (N, D).

    Method: agglomerative clustering with Ward's criterion (1963) on 50 principal components of the L2-normalised features
    (`ward.merges`). Beyond 50,000 images, neighbours are first merged into 25,000 mini-clusters, by the same criterion among
    each image's 10 nearest; each then counts as many times as it has images, so that heights stay what they are
    (benchmarks/clusters.py shows how far both agree). `count` clusters, or cut where merging costs `distance` or more: for two
    images that is their distance, for larger clusters it grows with their size; higher gives fewer clusters, and no cut is
    finer than the mini-clusters. Raises InputError unless exactly one of the two is given and possible.
    """
    if (count is None) == (distance is None):
        raise InputError("clusters are made by --clusters or by --distance, one of the two")
    if count is not None and not 1 <= count <= max(len(features), 1):
        raise InputError(f"--clusters {count}: there are {len(features)} images")
    if distance is not None and distance <= 0:
        raise InputError(f"--distance {distance} is not above 0")
    if len(features) < 2:
        return np.zeros(len(features), np.int64)
    points = reduce(normalize(features), PCA_DIMENSIONS, seed)
    if len(points) <= FULL:
        return _by_size(_ward(points, np.ones(len(points)), count, distance))
    mini = _mini(points, max(MINI, count or 0))
    images = np.bincount(mini).astype(np.float64)
    means = np.stack([np.bincount(mini, column) for column in points.T], axis=1) / images[:, None]
    return _by_size(_ward(means.astype(np.float32), images, count, distance)[mini])


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


def _ward(points: npt.NDArray[np.float32], weights: npt.NDArray[np.float64], count: int | None, distance: float | None
          ) -> npt.NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from hai_core.findings.ward import merges

    pairs, height = merges(points, weights)
    below = np.searchsorted(height, distance) if distance is not None else len(points) - (count or 1)
    i, j = pairs[:below].T
    merged = coo_array((np.ones(len(i)), (i, j)), shape=(len(points), len(points)))
    return np.asarray(connected_components(merged, directed=False)[1], np.int64)


def _by_size(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The same clusters, the largest numbered 0; of equal ones, the one seen first."""
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return number[inverse]
