"""Maps of as many images as a large dataset has: seconds and trustworthiness of each method and of scikit-learn's t-SNE.

    python -m benchmarks.projection IMAGES [--counts 3289 10000 33000] [--ways tsne scikit-learn umap pca] [--repeat 1]

IMAGES is a folder of photos in folders named by class; there are as many features as asked for, made from theirs
(benchmarks/features.py). All ways start from the same features and do the PCA to 50 dimensions themselves, one after the other.
Seconds by the wall, and of the processor, which tell a busy machine from a slow method: compare both. Trustworthiness (Venna,
Kaski, 2001; 1 at best) with 15 neighbours: of the same 5,000 images in each map, among these 5,000.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.manifold import TSNE, trustworthiness

from benchmarks.features import enlarged, of_photos
from hai_core.projection import PCA_DIMENSIONS, project, reduce

WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tsne": lambda features: project(features, "tsne"),
    "scikit-learn": lambda features: TSNE(init="pca", random_state=0).fit_transform(reduce(features, PCA_DIMENSIONS, 0)),
    "umap": lambda features: project(features, "umap"),
    "pca": lambda features: project(features, "pca"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[33_000])
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--repeat", type=int, default=1)
    arguments = parser.parse_args()
    photos = of_photos(arguments.images)
    for count in arguments.counts:
        features, _ = enlarged(*photos, count)
        some = np.random.default_rng(0).permutation(count)[:5000]
        wall: dict[str, list[float]] = {way: [] for way in arguments.ways}
        for _ in range(arguments.repeat):
            for way in arguments.ways:
                began, processor = time.perf_counter(), time.process_time()
                points = WAYS[way](features)
                wall[way].append(time.perf_counter() - began)
                used = time.process_time() - processor
                trust = trustworthiness(features[some], points[some], n_neighbors=15)
                print(f"{count} images  {way:12s} {wall[way][-1]:7.1f} s  processor {used:7.1f} s  "
                      f"trustworthiness {trust:.4f}", flush=True)
        if {"tsne", "scikit-learn"} <= set(wall):
            print(f"{count} images  ours / scikit-learn: {np.median(wall['tsne']) / np.median(wall['scikit-learn']):.2f}")


if __name__ == "__main__":
    main()
