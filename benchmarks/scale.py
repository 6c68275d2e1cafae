"""Time and memory of judging labels for 33,000 images of 396 classes: what `find noise` and `find merges` do after embedding.

    python -m benchmarks.scale [--images 33000] [--classes 396] [--dimensions 1280 1280 1280]

Features are drawn: a class is a cloud around its centre whose directions differ in length as those of real features do (the
lengths fall with their rank), and one label in twenty is wrong. Prints seconds, the process's peak memory, and how well the
wrong labels are ranked, which only shows that the work was done.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from hai_core.findings.merges import merges
from hai_core.findings.noise import noise
from hai_core.findings.out_of_fold import out_of_fold
from hai_core.neighbors import normalize


def drawn(images: int, classes: int, dimensions: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Features side by side, each part of length 1, and the true classes."""
    generator = np.random.default_rng(0)
    truth = np.arange(images) % classes
    parts = []
    for width in dimensions:
        lengths = (np.arange(1, width + 1) ** -0.5).astype(np.float32)
        centers = generator.standard_normal((classes, width), dtype=np.float32) * lengths
        cloud = generator.standard_normal((images, width), dtype=np.float32) * lengths
        parts.append(normalize(0.25 * centers[truth] + cloud))
    return normalize(np.concatenate(parts, axis=1)), truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=33_000)
    parser.add_argument("--classes", type=int, default=396)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1280, 1280, 1280])
    arguments = parser.parse_args()
    features, truth = drawn(arguments.images, arguments.classes, arguments.dimensions)
    generator = np.random.default_rng(1)
    wrong = generator.random(len(truth)) < 0.05
    given = np.where(wrong, (truth + generator.integers(1, arguments.classes, len(truth))) % arguments.classes, truth)
    labels = pd.Series([f"c{code:03}" for code in given])
    names = pd.DataFrame({"path": [f"{row:07}.jpg" for row in range(len(labels))], "label": labels})
    began = time.perf_counter()
    judged = out_of_fold(features, labels, np.full(len(labels), -1), np.ones(len(labels), bool))
    answered = time.perf_counter()
    table = noise(names, judged)
    ranked = time.perf_counter()
    merges(judged.probabilities, features, judged.codes, judged.classes)
    done = time.perf_counter()
    auroc = roc_auc_score(wrong, 1 - table.set_index("path")["score"].loc[names["path"]])
    print(f"{len(labels):,} images, {arguments.classes} classes, {features.shape[1]} dimensions: classifier "
          f"{answered - began:.0f} s, noise {ranked - answered:.1f} s, merges {done - ranked:.1f} s; peak memory "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB; AUROC {auroc:.3f}")


if __name__ == "__main__":
    main()
