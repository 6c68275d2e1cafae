"""Features (N, D) -> a map (N, 2) on which images that look alike are near each other."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hai_core.neighbors import cosine_neighbors
from hai_core.workspace import InputError

Method = Literal["tsne", "umap", "pca"]

PCA_DIMENSIONS = 50  # what t-SNE and UMAP see: removes noise, and most of the time they take


def project(features: npt.NDArray[np.float32], method: Method = "tsne", seed: int = 0) -> npt.NDArray[np.float32]:
    """Coordinates (N, 2) in the order of `features`; the same seed gives the same map.

    tsne (van der Maaten, Hinton, JMLR 2008; scikit-learn's Barnes-Hut): keeps neighbours together best. umap (McInnes, Healy,
    Melville, 2018): keeps more of the large-scale order. pca: two linear directions, at once. Distances between far
    groups mean nothing in the first two. Fewer than five images are always placed by PCA. Raises InputError for another method.
    """
    if method not in get_args(Method):
        raise InputError(f"there is no projection {method!r}; choose one of {', '.join(get_args(Method))}")
    if len(features) < 2:
        return np.zeros((len(features), 2), np.float32)
    if len(features) < 5 or method == "pca":
        return _padded(reduce(features, 2, seed))
    reduced = reduce(features, PCA_DIMENSIONS, seed)
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(features) - 1) / 3)
        return np.asarray(TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(reduced), np.float32)
    import umap

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seed needs one job, which is what we want
        mapper = umap.UMAP(n_neighbors=min(15, len(features) - 1), random_state=seed,
                           init="spectral" if len(features) > 20 else "random")
        return np.asarray(mapper.fit_transform(reduced), np.float32)


def place(features: npt.NDArray[np.float32], known: npt.NDArray[np.float32], points: npt.NDArray[np.float32]
          ) -> npt.NDArray[np.float32]:
    """Coordinates (M, 2) of new images `features` (M, D) on the map `points` (N, 2) of `known` (N, D), which does not move.

    Each stands at the median of its 10 nearest neighbours by cosine, as openTSNE starts new points.
    """
    nearest, _ = cosine_neighbors(known, 10, queries=features)
    placed: npt.NDArray[np.float32] = np.median(points[nearest], axis=1).astype(np.float32)
    return placed


def reduce(features: npt.NDArray[np.float32], dimensions: int, seed: int) -> npt.NDArray[np.float32]:
    """The first principal components (N, at most `dimensions`)."""
    from sklearn.decomposition import PCA

    most = min(dimensions, *features.shape)
    return np.asarray(PCA(most, random_state=seed).fit_transform(features), np.float32) if most else features


def _padded(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
