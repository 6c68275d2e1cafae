"""What a classifier on frozen features says of each image, having learned from neither it nor a copy of it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd
import xxhash

from hai_core import __version__, progress
from hai_core import probabilities as softmaxes
from hai_core.members import folds
from hai_core.workspace import InputError, canonical_json, write_atomic

FOLDS, REPEATS = 5, 3
SHRINKAGE = 0.3  # of the covariance; 0.1 and 0.5 do no better
BLOCK = 4096  # images whitened at a time

Features = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class OutOfFold:
    """`probabilities` (N, K) over `classes` (K names, sorted); `codes` (N,) the label's column, -1 for none.

    `teachers` (N,): how many images of its label the classifiers that judged an image had learned from, on average.
    """

    probabilities: npt.NDArray[np.float64]
    codes: Codes
    classes: list[str]
    teachers: npt.NDArray[np.float64]


def out_of_fold(features: Features, labels: pd.Series, groups: Codes, usable: npt.NDArray[np.bool_], *,
                seed: int = 0) -> OutOfFold:
    """Nearest class mean in whitened space: p(k) ~ exp(cos(x, mean_k) / T), T fitted to all labels at once.

    Every image is judged three times, over 5 folds that are dealt anew each time, and the cosines are averaged.

    Whitening (`members.whiten`) is learned with the means from the other folds. In closed form, so that a fold takes seconds;
    and a class mean hardly moves for a few wrong labels, to which logistic regression bends.

    `features` (N, D), `labels` (N,) with '' for none, `groups` (N,) duplicate groups (-1: none), `usable` (N,): may be learned
    from. An image that is not learned from (excluded, or without a label) is judged by its copies' fold, or by the mean of all.
    Raises InputError unless there are two classes and two images that are no copies of each other.
    """
    names = labels.to_numpy(object)
    classes = sorted(set(names) - {""})
    codes = np.array([{name: code for code, name in enumerate(classes)}.get(name, -1) for name in names], np.int64)
    learned = np.flatnonzero(usable & (codes >= 0))
    if len(np.unique(codes[learned])) < 2:
        raise InputError("labels can be judged only where images of at least two classes are left")
    units = int((groups[learned] < 0).sum()) + len(set(groups[learned].tolist()) - {-1})
    if units < 2:
        raise InputError("labels can be judged only where at least two images are no copies of each other")
    count = min(FOLDS, units)
    dimensions, features = features.shape[1], _in_their_span(features)
    logits, teachers = np.zeros((len(names), len(classes)), np.float32), np.zeros(len(names))
    with progress.track("Judging labels", REPEATS * count, "folds") as bar:
        for repeat in range(REPEATS):
            fold = np.full(len(names), -1)
            fold[learned] = folds.assign(codes[learned], groups[learned], count, seed + repeat)
            fold = _with_copies(fold, groups)
            for number in range(count):
                train, judged = learned[fold[learned] != number], (fold == number) | (fold < 0)
                share = np.where(fold[judged] < 0, 1 / count, 1.0).astype(np.float32) / REPEATS
                cosines = _cosines(features[train], codes[train], features[judged], len(classes), dimensions)
                logits[judged] += share[:, None] * cosines
                own = fold == number
                teachers[own] += np.bincount(codes[train], minlength=len(classes))[codes[own]] / REPEATS
                bar.advance()
    fair = learned[teachers[learned] > 0]
    temperature = softmaxes.temperature(logits[fair], codes[fair]) if len(fair) else 1.0
    return OutOfFold(softmaxes.softmax(logits, temperature), codes, classes, teachers)


def remembered(file: Path, features: Features, labels: pd.Series, groups: Codes, usable: npt.NDArray[np.bool_], *,
               seed: int = 0) -> OutOfFold:
    """`out_of_fold`, whose last answer is kept in `file`: several detectors ask the same question one after the other."""
    question = xxhash.xxh3_128(canonical_json([__version__, FOLDS, REPEATS, SHRINKAGE, seed, features.shape,
                                               labels.tolist()]).encode())
    for part in (features, groups, usable):
        question.update(np.ascontiguousarray(part).data)
    if (known := _answer(file, question.hexdigest())) is not None:
        return known
    judged = out_of_fold(features, labels, groups, usable, seed=seed)
    kept, content = judged.probabilities.astype(np.float32), io.BytesIO()
    np.savez(content, question=question.hexdigest(), probabilities=kept, codes=judged.codes, classes=np.array(judged.classes),
             teachers=judged.teachers)
    write_atomic(file, content.getvalue())
    return replace(judged, probabilities=kept.astype(np.float64))


def _answer(file: Path, question: str) -> OutOfFold | None:
    """What `file` says, if it is about this question; None where it is missing, damaged or about another."""
    try:
        with np.load(file) as answer:
            if str(answer["question"]) == question:
                probabilities = answer["probabilities"].astype(np.float64)
                return OutOfFold(probabilities, answer["codes"], answer["classes"].tolist(), answer["teachers"])
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        pass
    return None


def _with_copies(fold: Codes, groups: Codes) -> Codes:
    """Images that are not learned from (-1) get the fold of their copies, where those have one."""
    known = pd.Series(fold)[(fold >= 0) & (groups >= 0)].groupby(groups[(fold >= 0) & (groups >= 0)]).first()
    return np.where(fold >= 0, fold, pd.Series(groups).map(known).fillna(-1).to_numpy(np.int64))


def _in_their_span(features: Features) -> Features:
    """Coordinates (N, at most N) of features (N, D) in the space they span: lengths and angles stay, D > N gets smaller."""
    if len(features) >= features.shape[1]:
        return features
    coordinates: Features = np.linalg.qr(features.T).R.T
    return np.ascontiguousarray(coordinates)


def _cosines(train: Features, codes: Codes, judged: Features, n_classes: int, dimensions: int) -> Features:
    """Of whitened `judged` (M, D) to the class means of whitened `train` (n, D): (M, K); -1 to a class without images."""
    import torch
    from torch.nn.functional import normalize

    from hai_core.members.whiten import within_classes

    x, y = torch.from_numpy(train), torch.from_numpy(codes)
    with torch.inference_mode():
        shrunk, _ = within_classes(x, y, SHRINKAGE, dimensions)
        factor, center = torch.linalg.cholesky(shrunk), x.mean(dim=0)

        def directions(part: torch.Tensor) -> torch.Tensor:
            return normalize(torch.linalg.solve_triangular(factor.T, part - center, upper=True, left=False))

        means = torch.zeros(n_classes, x.shape[1])
        for some, theirs in zip(torch.split(x, BLOCK), torch.split(y, BLOCK), strict=True):
            means.index_add_(0, theirs, directions(some))
        means = normalize(means)
        cosines = torch.cat([directions(some) @ means.T for some in torch.split(torch.from_numpy(judged), BLOCK)])
        cosines[:, torch.bincount(y, minlength=n_classes) == 0] = -1
    found: Features = cosines.numpy()
    return found
