"""Clusters of as many images as a large dataset has: Ward on all of them beside mini-clusters, seconds and memory.

    python -m benchmarks.clusters IMAGES [--counts 12000 33000] [--clusters 98 396]

IMAGES is a folder of photos in folders named by class; there are as many features as asked for, made from theirs
(benchmarks/features.py). Agreement (adjusted Rand index and adjusted mutual information, 1 at best, 0 by chance) is with Ward
on all images. How much of it to expect shows `noise`: Ward on all of the same images again, with noise of 1 % of each feature.
Beside it the agreement with the photos' classes, which says whether one answer is worse than another or only different.
Mini-clusters are made of 2.75 and of 8 images on average: what 69,000 images and 200,000 get.
Each way runs in a process of its own; memory is the most that it used, features and libraries included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from benchmarks.features import enlarged, of_photos
from hai_core.findings import clusters

SIZES = (2.75, 8.0)


def measure(file: Path, counts: list[int], mini: int | None) -> tuple[list[np.ndarray], float, float, float]:
    """Clusters for each count; seconds by the wall and of the processor for the first, and GiB."""
    features = np.load(file)
    clusters.cluster(features[:500], count=5)  # compiles
    if mini is not None:
        clusters.FULL, clusters.MINI = 0, mini
    began, processor = time.perf_counter(), time.process_time()
    found = [clusters.cluster(features, count=counts[0])]
    wall, used = time.perf_counter() - began, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return found + [clusters.cluster(features, count=count) for count in counts[1:]], wall, used, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[12_000, 33_000])
    parser.add_argument("--clusters", type=int, nargs="+", default=[98, 396])
    arguments = parser.parse_args()
    photos, codes = of_photos(arguments.images)
    for count in arguments.counts:
        features, classes = enlarged(photos, codes, count)
        noise = [features * (1 + 0.01 * np.random.default_rng(seed).normal(size=features.shape)) for seed in (1, 2)]
        ways = {"all images": (features, None)} | {f"noise {seed}": (given.astype(np.float32), None) for seed, given in
                                                   enumerate(noise, 1)}
        ways |= {f"mini-clusters of {size:g}": (features, round(count / size)) for size in SIZES}
        full: list[np.ndarray] = []
        for name, (given, mini) in ways.items():
            with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as pool:
                np.save(Path(folder) / "features.npy", given)
                found, wall, used, memory = pool.apply(measure, (Path(folder) / "features.npy", arguments.clusters, mini))
            full = full or found
            print(f"{count} images  {name:21s} {wall:6.1f} s  processor {used:6.1f} s  {memory:.2f} GiB", flush=True)
            for wanted, mine, true in zip(arguments.clusters, found, full, strict=True):
                print(f"    {wanted} clusters: Rand {adjusted_rand_score(true, mine):.3f}, information "
                      f"{adjusted_mutual_info_score(true, mine):.3f}; classes {adjusted_mutual_info_score(classes, mine):.3f}",
                      flush=True)


if __name__ == "__main__":
    main()
