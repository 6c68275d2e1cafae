"""Pairs of classes that may be one and the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.names import similarity
from hai_core.neighbors import normalize

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

PARTNERS = 5  # pairs proposed for each class
NEIGHBORS = 5
COLUMNS = ["class_a", "class_b", "score", "confusion_rate", "centroid_distance", "confusion", "joint", "overlap",
           "images_a", "images_b", "taken_ab", "taken_ba", "confusion_ab", "confusion_ba", "spread_a", "spread_b",
           "spread_ratio", "name_similarity"]


def merges(probabilities: npt.NDArray[np.floating], features: npt.NDArray[np.float32], labels: Codes,
           classes: Sequence[str], keep_apart: frozenset[frozenset[str]] = frozenset()) -> pd.DataFrame:
    """COLUMNS, sorted by falling `score` (0 .. 1, higher: more likely the same class), for each class's most confused partners.

    `probabilities` (N, K) out of fold, `features` (N, D), `labels` (N,) codes into `classes`. Score: the mean of three signals,
    each 0 when the classes are told apart and 1 when a class split at random in two could not look more alike:

    - confusion: p_b / (p_a + p_b) averaged over a's images and the reverse over b's images, both added.
    - joint: share of off-diagonal counts among the four that cleanlab's confident joint (Northcutt, Jiang, Chuang, JAIR
      2021) has for the two classes, doubled.
    - overlap: share of the other class among the 5 nearest neighbours within the two classes, over that expected at random.

    Beside the score, for a person to judge by: `taken_ab` of a's `images_a` images have b as their likeliest class, which is
    the share `confusion_ab`, and `taken_ba` of b's `images_b` the reverse; `confusion_rate` is the plain mean probability of
    the other class, both ways averaged. `centroid_distance` is the cosine distance of the classes' mean features, `spread_a`
    and `spread_b` the mean distance of a class's images to its own mean, and `spread_ratio` the first over the mean of the
    other two: below 1, the centres are nearer to each other than an image usually is to its own. `name_similarity` (0 .. 1) is
    `names.similarity`; it is no part of the score, since what the photos show decides, not what someone called them.

    Pairs in `keep_apart` are left out. Assumes that the classifier had a chance to tell the classes apart: with bad features
    every small difference is lost and neighbours in a series rank high.
    """
    sizes = np.bincount(labels, minlength=len(classes))
    pairs = [(a, b) for a, b in _candidates(probabilities, labels, sizes)
             if frozenset((classes[a], classes[b])) not in keep_apart]
    unit = normalize(features)
    images = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])  # rows of each class
    centroids = normalize(np.stack([unit[own].mean(0) if len(own) else unit[0] * 0 for own in images]))
    spread = [float(1 - (unit[own] @ centre).mean()) if len(own) else 0.0
              for own, centre in zip(images, centroids, strict=True)]
    predicted = probabilities.argmax(axis=1)
    joint = _confident_joint(probabilities, labels, sizes)
    rows = []
    for a, b in pairs:
        of_a, of_b = probabilities[images[a]], probabilities[images[b]]
        confusion = _mixed(of_a, a, b) + _mixed(of_b, b, a)
        four = joint[np.ix_([a, b], [a, b])]
        off_diagonal = 2 * (four[0, 1] + four[1, 0]) / max(four.sum(), 1)
        shares = (min(confusion, 1.0), min(off_diagonal, 1.0), _overlap(unit[images[a]], unit[images[b]]))
        rate = (of_a[:, b].mean() + of_b[:, a].mean()) / 2
        distance = float(1 - centroids[a] @ centroids[b])
        taken = int((predicted[images[a]] == b).sum()), int((predicted[images[b]] == a).sum())
        rows.append((classes[a], classes[b], float(np.mean(shares)), float(rate), distance, *shares,
                     int(sizes[a]), int(sizes[b]), *taken, taken[0] / sizes[a], taken[1] / sizes[b],
                     spread[a], spread[b], distance / max((spread[a] + spread[b]) / 2, 1e-6),
                     similarity(classes[a], classes[b])))
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
