"""The tree of classes: which classes look alike, by the mean features of their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Classes:
    """What is known of K classes: `names`, how many `images` (K,) each has, and the `means` (K, D) of their features."""

    names: list[str]
    images: npt.NDArray[np.int64]
    means: npt.NDArray[np.float32]


def classes(features: npt.NDArray[np.float32], labels: Sequence[str] | npt.NDArray[np.object_]) -> Classes:
    """Classes in name order, of features (N, D), of length 1 each, and labels (N,); images without a label ('') are of none."""
    names, code = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    images = np.bincount(code, minlength=len(names))
    means = np.zeros((len(names), features.shape[1]), np.float32)
    order = np.argsort(code, kind="stable")
    for k, rows in enumerate(np.split(order, np.cumsum(images)[:-1]) if len(names) else []):
        means[k] = features[rows].mean(axis=0)
    named = names != ""
    return Classes(names[named].tolist(), images[named].astype(np.int64), means[named])


def class_tree(means: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Merges (K - 1, 4) of K classes as scipy's `linkage` gives them: average linkage on the cosine distances of their means.

    Heights are distances 0 (same direction) .. 2. Memory grows with K x K: 80 MB at 4,500 classes.
    """
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(means) < 2:
        return np.empty((0, 4))
    length = np.linalg.norm(means.astype(np.float64), axis=1, keepdims=True)
    unit = means / np.maximum(length, 1e-12)
    distance = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(distance, 0)
    return np.asarray(linkage(squareform(distance, checks=False), "average"))


def groups(tree: npt.NDArray[np.float64], distance: float) -> npt.NDArray[np.int64]:
    """Group of each class (K,) when everything that merges at `distance` or below is one, numbered from 0 in tree order."""
    from scipy.cluster.hierarchy import fcluster, leaves_list

    if not len(tree):
        return np.zeros(1, np.int64)
    found = fcluster(tree, distance, "distance")
    ordered = found[leaves_list(tree)]
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    place = {group: number for number, group in enumerate(dict.fromkeys(ordered.tolist()))}
    return np.array([place[int(found[i])] for i in first], np.int64)[inverse]
