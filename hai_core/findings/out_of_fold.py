"""What a classifier on frozen features says of each image, having learned from neither it nor a copy of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import progress
from hai_core.members import folds
from hai_core.probabilities import softmax, temperature
from hai_core.workspace import InputError

FOLDS = 5
SHRINKAGE = 0.3  # 0.3 to 0.6 are alike on photos of 98 car classes; without whitening half as many wrong labels rank first


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
    """Whitened nearest class mean over 5 folds: linear discriminant analysis (`members.whiten`) with cosines, one temperature.

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
    similarity = np.zeros((len(names), len(classes)), np.float32)
    teachers = np.zeros(len(names), np.int64)
    with progress.track("Judging labels", n_folds, "folds") as bar:
        for number in range(n_folds):
            train = rows[fold[rows] != number]
            here, everywhere = fold == number, fold < 0
            similarity[here | everywhere] += _similarity(features, codes, train, len(classes), here | everywhere)
            counts = np.bincount(codes[train], minlength=len(classes))
            teachers[here] = counts[codes[here]]
            bar.advance()
    similarity[fold < 0] /= n_folds
    judged = rows[teachers[rows] > 0]
    sharpness = temperature(similarity[judged], codes[judged]) if len(judged) else 1.0
    return OutOfFold(softmax(similarity, sharpness).astype(np.float32), codes, classes, teachers)


def _similarity(features: npt.NDArray[np.float32], codes: npt.NDArray[np.int64], train: npt.NDArray[np.int64], n_classes: int,
                wanted: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Cosine to the class means of the training rows, after whitening learned from them; -1 where a class has none."""
    import torch
    from torch.nn.functional import normalize

    from hai_core.members.whiten import Whiten

    known, labels = torch.from_numpy(features[train]), torch.from_numpy(codes[train])
    whiten = Whiten(features.shape[1]).learn(known, labels, SHRINKAGE)
    means = torch.zeros(n_classes, features.shape[1]).index_add_(0, labels, normalize(whiten(known)))
    similarity = normalize(whiten(torch.from_numpy(features[wanted]))) @ normalize(means).T
    similarity[:, torch.bincount(labels, minlength=n_classes) == 0] = -1
    return similarity.numpy()


def _join_copies(fold: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Images that are not learned from (-1) get the fold of their copies, where those have one."""
    known = pd.Series(fold[fold >= 0]).groupby(groups[fold >= 0]).first()
    joined = pd.Series(groups).map(known[known.index >= 0]).fillna(-1).to_numpy(np.int64)
    return np.where(fold >= 0, fold, joined)
