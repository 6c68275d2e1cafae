"""Features (N, D) -> a map (N, 2) on which images that look alike are near each other."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hai_core import progress
from hai_core.neighbors import cosine_neighbors
from hai_core.workers import cores
from hai_core.workspace import InputError

Method = Literal["tsne", "umap", "pca"]

PCA_DIMENSIONS = 50  # what t-SNE and UMAP see: removes noise, and most of the time they take
SECONDS = {  # of `project` on two cores: to start, for each image, for each pair; benchmarks/projection.py
    "tsne": (3.0, 9e-4, 2e-9),
    "umap": (20.0, 8e-4, 0.0),
    "pca": (0.5, 3e-5, 0.0),
}
THREADED = 2_000  # images from which t-SNE uses all cores


def project(features: npt.NDArray[np.float32], method: Method = "tsne", seed: int = 0) -> npt.NDArray[np.float32]:
    """Coordinates (N, 2) in the order of `features`; the same seed gives the same map.

    tsne (van der Maaten, Hinton, JMLR 2008; openTSNE: Policar, Strazar, Zupan, Journal of Statistical Software 2024): keeps
    neighbours together best. umap (McInnes, Healy, Melville, 2018): keeps more of the large-scale order. pca: two linear
    directions, at once. Distances between far groups mean nothing in the first two. Fewer than five images are always placed by
    PCA. How long each takes says `seconds`. Raises InputError for another method.
    """
    if method not in get_args(Method):
        raise InputError(f"there is no projection {method!r}; choose one of {', '.join(get_args(Method))}")
    if len(features) < 2:
        return np.zeros((len(features), 2), np.float32)
    progress.say(f"a map of {len(features):,} images by {method} takes about {seconds(method, len(features))} s")
    if len(features) < 5 or method == "pca":
        return _padded(reduce(features, 2, seed))
    reduced = reduce(features, PCA_DIMENSIONS, seed)
    if method == "tsne":
        return _tsne(reduced.astype(np.float64), seed)
    import umap

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seed needs one job, which is what we want
        mapper = umap.UMAP(n_neighbors=min(15, len(features) - 1), random_state=seed,
                           init="spectral" if len(features) > 20 else "random")
        return np.asarray(mapper.fit_transform(reduced), np.float32)


def _tsne(reduced: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float32]:
    """openTSNE with exact neighbours: they take 2 s for 33,000 images, and annoy's 10 s, which also depend on the threads.

    The learning rate stays at N / 12 (Belkina et al., Nature Communications 2019); openTSNE's own, N after early exaggeration,
    takes longer, and the map is less trustworthy. Repulsion is by Barnes and Hut's tree below 10,000 images, by FFT beyond,
    where that is faster (Linderman et al., Nature Methods 2019). The map does not depend on the number of threads; few images
    are placed sooner by one.
    """
    from openTSNE import TSNE

    start = "pca" if reduced[:, 0].std() > 0 else "random"  # images that are all the same have no components
    tsne = TSNE(perplexity=min(30.0, (len(reduced) - 1) / 3), neighbors="exact", initialization=start, random_state=seed,
                learning_rate=max(len(reduced) / 12, 200.0), n_jobs=cores() if len(reduced) >= THREADED else 1)
    return np.asarray(tsne.fit(reduced), np.float32)


def seconds(method: Method, count: int) -> int:
    """About how long `project` takes for `count` images, as benchmarks/projection.py saw it on two cores; rounded to say so."""
    start, each, pair = SECONDS[method]
    exactly = start + each * count + pair * count**2
    step = next(step for step, below in ((1, 10), (5, 60), (30, 600), (60, np.inf)) if exactly < below)
    return max(1, round(exactly / step) * step)


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
