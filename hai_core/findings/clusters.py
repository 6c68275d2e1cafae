"""Groups of images that look alike, whatever their labels say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hai_core.neighbors import normalize
from hai_core.projection import PCA_DIMENSIONS, reduce
from hai_core.workspace import InputError

FULL = 12_000  # images up to which Ward sees every one: its memory grows with the square, 0.6 GB here
CENTROIDS = 4_000  # mini-clusters that Ward sees instead beyond


def cluster(features: npt.NDArray[np.float32], *, count: int | None = None, distance: float | None = None,
            seed: int = 0) -> npt.NDArray[np.int64]:
    """Cluster of each image (N,), numbered from 0 by falling size, of features (N, D).

    Method: agglomerative clustering with Ward's criterion (1963) on 50 principal components of the L2-normalised features;
    beyond 12,000 images the components are first put into 4,000 mini-clusters by mini-batch k-means and their centroids
    are clustered. `count` clusters, or cut where merging costs more than `distance` (the rise of within-cluster distance;
    higher gives fewer clusters). Raises InputError unless exactly one of the two is given and possible.
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
        return _by_size(_ward(points, count, distance))
    from sklearn.cluster import MiniBatchKMeans

    small = MiniBatchKMeans(max(CENTROIDS, count or 0), random_state=seed, batch_size=4096, n_init=1).fit(points)
    return _by_size(_ward(small.cluster_centers_, count, distance)[small.labels_])


def _ward(points: npt.NDArray[np.float32], count: int | None, distance: float | None) -> npt.NDArray[np.int64]:
    from sklearn.cluster import AgglomerativeClustering

    return np.asarray(AgglomerativeClustering(n_clusters=count, distance_threshold=distance).fit(points).labels_, np.int64)


def _by_size(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The same clusters, the largest numbered 0; of equal ones, the one seen first."""
    _, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    number = np.empty(len(sizes), np.int64)
    number[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return number[inverse]
