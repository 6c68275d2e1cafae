"""Properties that give the class away: what a classifier could learn instead of what the images show."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.records import OK

COLUMNS = ["property", "score", "accuracy", "chance", "overall", "classes"]
SHORTCUT, ERRORS = 0.7, 3  # a finding: a score below, and more than so many standard errors better than chance
FOLDS, FEWEST = 3, 3  # images of a class from which on it takes part
ENOUGH, TOLD = 12, 0.5  # a single class: at least so many images, and a score below this
NAMED = 4  # classes told by name
BIN, BINS = 8, 4000  # images with nearly the same value that are looked at together, and how many such bins at most
WORDS = {"brightness": "brightness", "contrast": "contrast", "sharpness": "sharpness", "colorfulness": "colourfulness",
         "pixels": "image size", "shape": "width / height", "bytes": "file size", "format": "file format"}

Codes = npt.NDArray[np.int64]


def shortcuts(catalog: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """COLUMNS, a row for each property, the worst first. `score`: 0 it tells the class for sure .. 1 no better than chance.

        score = 1 - (accuracy - chance) / (1 - chance)

    `accuracy`: of naming the commonest class among images of nearly the same value (bins of 8), over images that were not
    counted (3 folds); `chance`: share of the largest class. As in cleanlab's check of spurious correlations (Datalab,
    "spurious_correlations"), with one pass over the images in place of a model. `classes`, in name order: those of twelve
    images and more that the property sets apart from all others, by the same formula with the F1 score of the class for
    accuracy and that of always naming it for chance; below 0.5.

    `overall`: a score below 0.7 that is no luck. It or a class says that a classifier may learn how photos were taken or saved
    and not what they show, and is a warning about the set, no finding about an image; `sentences` says it in words. Assumes
    that classes should not differ in these properties: where they should (trucks are longer), a low score is no fault. Many
    copies of one image pass for a shortcut. Classes of fewer than three images are left out; empty with fewer than two left.
    """
    images = catalog[(catalog["status"] == OK) & (catalog["label"] != "")]
    images = images[images["label"].map(images["label"].value_counts()) >= FEWEST]
    labels, names = pd.factorize(images["label"], sort=True)
    if len(names) < 2:
        return pd.DataFrame(columns=COLUMNS)
    sizes = np.bincount(labels)
    chance = float(sizes.max() / len(labels))
    fold = _folds(labels, seed)
    rows = []
    for name, value in _values(images).items():
        told = _told(_bins(value), labels, fold)
        accuracy = float((told == labels).mean())
        score = min(1.0, 1 - (accuracy - chance) / (1 - chance))
        apart = (sizes >= ENOUGH) & (_class_scores(told, labels) < TOLD)
        classes = [str(label) for label, so in zip(names, apart, strict=True) if so]
        overall = score < SHORTCUT and accuracy - chance > ERRORS * math.sqrt(chance * (1 - chance) / len(labels))
        rows.append((name, score, accuracy, chance, overall, classes))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("score", kind="stable", ignore_index=True)


def sentences(table: pd.DataFrame) -> list[tuple[str, str]]:
    """What `shortcuts` found, in words: ("", about all classes) first, then (class, about it) for some; empty for nothing."""
    overall = table[table["overall"].astype(bool)]
    said = [("", f"the {WORDS[name]} alone tells the class of {accuracy:.0%} of the images, the largest class has {chance:.0%}")
            for name, accuracy, chance in zip(overall["property"], overall["accuracy"], overall["chance"], strict=True)]
    by_class: dict[str, list[str]] = {}
    for name, classes in zip(table["property"], table["classes"], strict=True):
        for label in classes:
            by_class.setdefault(label, []).append(WORDS[name])
    for label in sorted(by_class)[:NAMED]:
        *others, last = by_class[label]
        said.append((label, f"set apart by {', '.join(others)}{' or ' if others else ''}{last} alone"))
    if (more := len(by_class) - NAMED) > 0:
        said.append(("", f"{more:,} more {'class is' if more == 1 else 'classes are'} set apart by such a property alone"))
    return said


def _values(images: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    values = {name: images[name].to_numpy(np.float64) for name in ("brightness", "contrast", "sharpness", "colorfulness")}
    width, height = images["width"].to_numpy(np.float64), images["height"].to_numpy(np.float64)
    return values | {"pixels": width * height, "shape": width / height, "bytes": images["size"].to_numpy(np.float64),
                     "format": pd.factorize(images["format"], sort=True)[0].astype(np.float64)}


def _folds(labels: Codes, seed: int) -> Codes:
    """(N,): each class dealt out evenly, in an order drawn by `seed`."""
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    fold[order] = pd.Series(labels[order]).groupby(labels[order]).cumcount() % FOLDS
    return fold


def _bins(value: npt.NDArray[np.float64]) -> Codes:
    """(N,) bin numbers: each value its own where they are few, else neighbours in order, equal values together."""
    count = min(max(len(value) // BIN, 2), BINS)
    different, of = np.unique(value, return_inverse=True)
    if len(different) <= count:
        return of.astype(np.int64)
    edges = np.unique(np.quantile(value, np.arange(1, count) / count, method="higher"))
    return np.searchsorted(edges, value, side="right").astype(np.int64)


def _told(bins: Codes, labels: Codes, fold: Codes) -> Codes:
    """(N,): the commonest class of the image's bin in the other folds; of all images where the bin has none there."""
    k, told = int(labels.max()) + 1, np.empty(len(labels), np.int64)
    for number in range(FOLDS):
        rest = fold != number
        counts = np.bincount(bins[rest] * k + labels[rest], minlength=(int(bins.max()) + 1) * k).reshape(-1, k)
        winner = np.where(counts.any(axis=1), counts.argmax(axis=1), counts.sum(axis=0).argmax())
        told[~rest] = winner[bins[~rest]]
    return told


def _class_scores(told: Codes, labels: Codes) -> npt.NDArray[np.float64]:
    """(K,): 0 where exactly the class's images were called it .. 1 where that went no better than calling every image so."""
    k = int(labels.max()) + 1
    sizes, right = np.bincount(labels, minlength=k), np.bincount(labels[told == labels], minlength=k)
    f1 = 2 * right / (sizes + np.bincount(told, minlength=k))
    chance = 2 * sizes / (sizes + len(labels))
    scores: npt.NDArray[np.float64] = np.minimum(1 - (f1 - chance) / (1 - chance), 1.0)
    return scores
