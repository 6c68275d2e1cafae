"""Where an ensemble errs: which classes it takes for each other, how each class fares, and the images that cost most.

Arrays only: `labels` (N,) are column numbers of the given classes, `probabilities` (N, K) have rows that sum to 1 (out of
fold, so that no member saw the image), `classes` (K,) are names. Losses are in nats; rates and shares are 0 .. 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.special import entr

from hai_core.probabilities import Floats, Labels, losses

Counts = npt.NDArray[np.int64]


def matrix(labels: Labels, predicted: Labels, size: int) -> Counts:
    """(K, K) images by given label (row) and predicted class (column)."""
    return np.bincount(np.asarray(labels, np.int64) * size + predicted, minlength=size * size).reshape(size, size)


def leaf_order(counts: Counts) -> npt.NDArray[np.int64]:
    """Class numbers (K,) in an order in which classes that are taken for each other are neighbours.

    Average linkage on 1 - the larger of the two confusion rates, leaves in optimal order (Bar-Joseph et al., Bioinformatics
    2001, through SciPy). Takes up to K^3 steps: 0.1 s for 400 classes, 1.6 s for 1,000.
    """
    if len(counts) < 3:
        return np.arange(len(counts))
    rate = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distance = 1 - np.maximum(rate, rate.T)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), dtype=np.int64)


def as_table(counts: Counts, classes: Sequence[str]) -> pd.DataFrame:
    """A (K, K) matrix with its names: the column `label`, then a column for each predicted class."""
    named = pd.DataFrame(counts, columns=list(classes))
    return pd.concat([pd.DataFrame({"label": list(classes)}), named], axis=1)


@dataclass(frozen=True)
class Arranged:
    """A part of a (K, K) matrix: `counts` (M, M) of the classes `shown` (class numbers, in leaf order).

    Where `rest` (class numbers) is not empty, one more row and column, the last, add up all classes in it.
    """

    counts: Counts
    shown: npt.NDArray[np.int64]
    rest: npt.NDArray[np.int64]


def arranged(counts: Counts, limit: int) -> Arranged:
    """The `limit` classes with most errors of a (K, K) matrix in leaf order, all others added up."""
    shown = np.argsort(2 * np.diag(counts) - counts.sum(0) - counts.sum(1), kind="stable")[:limit]
    shown = shown[leaf_order(counts[np.ix_(shown, shown)])]
    return Arranged(added_up(counts, shown), shown, np.setdiff1d(np.arange(len(counts)), shown))


def added_up(counts: Counts, shown: npt.NDArray[np.int64]) -> Counts:
    """A (K, K) matrix of the classes `shown` (M,), in their order; a last row and column for all others, if there are any."""
    number = np.full(len(counts), len(shown))
    number[shown] = np.arange(len(shown))
    size = len(shown) + (len(shown) < len(counts))
    a, b = np.nonzero(counts)
    found = np.zeros((size, size), np.int64)
    np.add.at(found, (number[a], number[b]), counts[a, b])
    return found


def disagreement(recipes: Sequence[Floats]) -> npt.NDArray[np.float64]:
    """How differently R >= 2 recipes answer each image, (N,): 0 all say the same .. 1 each is sure of a class of its own.

    `recipes`: probabilities (N, K) of each. The Jensen-Shannon divergence H(mean_r p_r) - mean_r H(p_r) (Lin, IEEE Transactions
    on Information Theory 1991, eq. 5.1), all recipes weighing the same, divided by ln R, the most that it can be.
    """
    divergence = _entropy(np.mean(recipes, axis=0, dtype=np.float64)) - np.mean([_entropy(p) for p in recipes], axis=0)
    return np.asarray(np.clip(divergence / np.log(len(recipes)), 0.0, 1.0))


def _entropy(probabilities: Floats) -> npt.NDArray[np.float64]:
    return np.asarray(entr(np.asarray(probabilities, np.float64)).sum(axis=1))


def pairs(labels: Labels, probabilities: Floats, classes: Sequence[str]) -> pd.DataFrame:
    """Confused classes, the most frequent first; a row for each (label, predicted class) that occurs.

    Columns: class_a (the label), class_b (predicted), count (images), rate (of class_a's images), mass (mean probability of
    class_b over class_a's images), both (images confused either way round).
    """
    size = len(classes)
    counts = matrix(labels, probabilities.argmax(axis=1), size)
    np.fill_diagonal(counts, 0)
    a, b = np.nonzero(counts)
    images = np.bincount(labels, minlength=size)
    mass = pd.DataFrame(probabilities).groupby(np.asarray(labels)).sum().reindex(range(size), fill_value=0).to_numpy()
    names = np.array(classes, dtype=object)
    table = pd.DataFrame({"class_a": names[a], "class_b": names[b], "count": counts[a, b], "rate": counts[a, b] / images[a],
                          "mass": mass[a, b] / images[a], "both": counts[a, b] + counts[b, a]})
    return table.sort_values(["count", "mass"], ascending=False, kind="stable", ignore_index=True)


def per_class(labels: Labels, probabilities: Floats, classes: Sequence[str],
              series: Mapping[str, str] | None = None) -> pd.DataFrame:
    """How each class fares, the costliest first.

    Columns: class, series, images, precision (of the images predicted so, how many are; NaN when none was), recall (of its
    images, how many were predicted so; NaN without images), loss (mean over its images, NaN without), taken_for (the class
    that its images are predicted as most often when wrong, '' when never).
    """
    table = _report(labels, probabilities, classes)
    counts = matrix(labels, probabilities.argmax(axis=1), len(classes))
    np.fill_diagonal(counts, 0)
    names = np.array(classes, dtype=object)
    table.insert(1, "series", [(series or {}).get(name, "") for name in classes])
    table["taken_for"] = np.where(counts.any(axis=1), names[counts.argmax(axis=1)], "")
    return table.sort_values("loss", ascending=False, kind="stable", ignore_index=True)


def per_series(labels: Labels, probabilities: Floats, classes: Sequence[str], series: Mapping[str, str]) -> pd.DataFrame:
    """How each series fares, the costliest first; a class without a series counts as a series of its own.

    Columns: series, images, precision, recall, loss (of the series' summed probability), classes, and class_accuracy (of the
    images put into the right series, how many got the right class: what is confused within the series).
    """
    names = [series.get(name) or name for name in classes]
    numbers, unique = pd.factorize(np.array(names, dtype=object))
    summed = np.zeros((len(labels), len(unique)))
    for column, number in enumerate(numbers):
        summed[:, number] += probabilities[:, column]
    table = _report(numbers[labels], summed, list(unique)).rename(columns={"class": "series"})
    predicted = probabilities.argmax(axis=1)
    same = numbers[predicted] == numbers[labels]
    of_series = pd.Series(predicted[same] == np.asarray(labels)[same]).groupby(numbers[labels][same]).mean()
    table["classes"] = np.bincount(numbers, minlength=len(unique))
    table["class_accuracy"] = of_series.reindex(range(len(unique))).to_numpy(dtype=np.float64)
    return table.sort_values("loss", ascending=False, kind="stable", ignore_index=True)


def _report(labels: Labels, probabilities: Floats, names: Sequence[Any]) -> pd.DataFrame:
    size, predicted = len(names), probabilities.argmax(axis=1)
    images, answers = np.bincount(labels, minlength=size), np.bincount(predicted, minlength=size)
    hits = np.bincount(np.asarray(labels)[predicted == labels], minlength=size)
    cost = np.bincount(labels, weights=losses(probabilities, labels), minlength=size)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame({"class": list(names), "images": images, "precision": hits / answers, "recall": hits / images,
                             "loss": cost / images})
