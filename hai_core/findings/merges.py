"""Pairs of classes that may be one and the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.neighbors import normalize

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

PARTNERS = 5  # pairs proposed for each class
NEIGHBORS = 5
COLUMNS = ["class_a", "class_b", "score", "confusion_rate", "centroid_distance", "confusion", "joint", "overlap"]


def merges(probabilities: npt.NDArray[np.floating], features: npt.NDArray[np.float32], labels: Codes,
           classes: Sequence[str], keep_apart: frozenset[frozenset[str]] = frozenset()) -> pd.DataFrame:
    """COLUMNS, sorted by falling `score` (0 .. 1, higher: more likely the same class), for each class's most confused partners.

    `probabilities` (N, K) out of fold, `features` (N, D), `labels` (N,) codes into `classes`. Score: the mean of three signals,
    each 0 when the classes are told apart and 1 when a class split at random in two could not look more alike:

    - confusion: p_b / (p_a + p_b) averaged over a's images and the reverse over b's images, both added.
    - joint: share of off-diagonal counts among the four that cleanlab's confident joint (Northcutt, Jiang, Chuang, JAIR
      2021) has for the two classes, doubled.
    - overlap: share of the other class among the 5 nearest neighbours within the two classes, over that expected at random.

    `confusion_rate` is the plain mean probability of the other class, both ways averaged; `centroid_distance` the cosine
    distance of the classes' mean features. Pairs in `keep_apart` are left out. Assumes that the classifier had a chance to
    tell the classes apart: with bad features every small difference is lost and neighbours in a series rank high.
    """
    k = len(classes)
    sizes = np.bincount(labels, minlength=k)
    pairs = _candidates(probabilities, labels, sizes)
    pairs = [(a, b) for a, b in pairs if frozenset((classes[a], classes[b])) not in keep_apart]
    unit = normalize(features)
    centroids = normalize(np.stack([unit[labels == c].mean(0) if sizes[c] else unit[0] * 0 for c in range(k)]))
    joint = _confident_joint(probabilities, labels, sizes)
    rows = []
    for a, b in pairs:
        in_a, in_b = labels == a, labels == b
        confusion = _mixed(probabilities[in_a], a, b) + _mixed(probabilities[in_b], b, a)
        four = joint[np.ix_([a, b], [a, b])]
        off_diagonal = 2 * (four[0, 1] + four[1, 0]) / max(four.sum(), 1)
        shares = (min(confusion, 1.0), min(off_diagonal, 1.0), _overlap(unit[in_a], unit[in_b]))
        rate = (probabilities[in_a, b].mean() + probabilities[in_b, a].mean()) / 2
        distance = 1 - centroids[a] @ centroids[b]
        rows.append((classes[a], classes[b], float(np.mean(shares)), float(rate), float(distance), *shares))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(["score", "class_a", "class_b"], ascending=[False, True, True], kind="stable", ignore_index=True)


def _candidates(probabilities: npt.NDArray[np.floating], labels: Codes, sizes: Codes) -> list[tuple[int, int]]:
    """Pairs a < b in which one is among the other's PARTNERS most confused."""
    k = len(sizes)
    mean = np.zeros((k, k))
    np.add.at(mean, labels, probabilities)
    mean /= np.maximum(sizes, 1)[:, None]
    both = mean + mean.T
    np.fill_diagonal(both, -1)
    both[:, sizes == 0] = -1
    top = np.argsort(-both, axis=1, kind="stable")[:, :PARTNERS]
    found = {(min(a, b), max(a, b)) for a in range(k) if sizes[a] for b in top[a].tolist() if both[a, b] >= 0}
    return sorted(found)


def _mixed(probabilities: npt.NDArray[np.floating], own: int, other: int) -> float:
    return float(np.mean(probabilities[:, other] / np.maximum(probabilities[:, own] + probabilities[:, other], 1e-12)))


def _confident_joint(probabilities: npt.NDArray[np.floating], labels: Codes, sizes: Codes) -> Floats:
    """cleanlab's, with rows and columns of classes without images zero."""
    from cleanlab.count import compute_confident_joint

    present = np.flatnonzero(sizes)
    joint = np.zeros((len(sizes), len(sizes)))
    if len(present) > 1:
        codes = np.searchsorted(present, labels)
        joint[np.ix_(present, present)] = compute_confident_joint(codes, probabilities[:, present], calibrate=False)
    return joint


def _overlap(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """0: no neighbour in the other class; 1: as many as when dealt at random. `a` (n, D), `b` (m, D), rows of length 1."""
    both = np.concatenate([a, b])
    other = np.arange(len(both)) >= len(a)
    similarity = both @ both.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : min(NEIGHBORS, len(both) - 1)]
    crossed = (other[nearest] != other[:, None]).mean(axis=1)
    expected = np.where(other, len(a), len(b)) / max(len(both) - 1, 1)
    return float(min((crossed / expected).mean(), 1.0))
