"""What a classifier on frozen features says of each image, having learned from neither it nor a copy of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import progress
from hai_core.members import folds, probe
from hai_core.workspace import InputError

FOLDS = 5
C = 100.0  # on features of length 1, best of a cross-validated grid on photos of 98 car classes


@dataclass(frozen=True)
class OutOfFold:
    """`probabilities` (N, K) over `classes` (K names, sorted); `codes` (N,) the label's column, -1 for none.

    `teachers` (N,): how many other images of its label the classifier that judged an image had learned from.
    """

    probabilities: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]
    classes: list[str]
    teachers: npt.NDArray[np.int64]


def out_of_fold(features: npt.NDArray[np.float32], labels: pd.Series, groups: npt.NDArray[np.int64],
                usable: npt.NDArray[np.bool_], *, seed: int = 0) -> OutOfFold:
    """Multinomial logistic regression (`members.probe`) over 5 folds.

    `features` (N, D) of length 1, `labels` (N,) with '' for none, `groups` (N,) duplicate groups (-1: none), `usable` (N,):
    may be learned from. An image that is not learned from (excluded, or without a label) is judged by the classifier of its
    copies' fold, or by the mean of all. Raises InputError for fewer than two classes.
    """
    names = labels.to_numpy(object)
    learned = usable & (names != "")
    classes = sorted(set(names[names != ""]))
    taught = np.unique(names[learned])
    if len(taught) < 2:
        raise InputError(f"labels can be judged where there are at least two classes; here is {len(taught)}")
    codes = np.array([{name: code for code, name in enumerate(classes)}.get(name, -1) for name in names], np.int64)
    rows = np.flatnonzero(learned)
    units = len(np.unique(groups[rows][groups[rows] >= 0])) + int((groups[rows] < 0).sum())
    n_folds = min(FOLDS, units)
    if n_folds < 2:
        raise InputError("labels can be judged where there are at least two images that are no copies of each other")
    fold = np.full(len(names), -1)
    fold[rows] = folds.assign(codes[rows], groups[rows], n_folds, seed)
    fold = _join_copies(fold, groups)
    probabilities = np.zeros((len(names), len(classes)), np.float32)
    teachers = np.zeros(len(names), np.int64)
    fitted: probe.Probe | None = None
    with progress.track("Judging labels", n_folds, "folds") as bar:
        for number in range(n_folds):
            train = rows[fold[rows] != number]
            fitted = probe.fit(features[train], codes[train], len(classes), C=C, tolerance=1e-5, start=fitted)
            here, everywhere = fold == number, fold < 0
            probabilities[here] = fitted.probabilities(features[here])
            probabilities[everywhere] += fitted.probabilities(features[everywhere]) / n_folds
            counts = np.bincount(codes[train], minlength=len(classes))
            teachers[here] = counts[codes[here]]
            bar.advance()
    return OutOfFold(probabilities, codes, classes, teachers)


def _join_copies(fold: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Images that are not learned from (-1) get the fold of their copies, where those have one."""
    known = pd.Series(fold[fold >= 0]).groupby(groups[fold >= 0]).first()
    joined = pd.Series(groups).map(known[known.index >= 0]).fillna(-1).to_numpy(np.int64)
    return np.where(fold >= 0, fold, joined)
