"""Images whose label is probably wrong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.findings.out_of_fold import OutOfFold
from hai_core.probabilities import losses

COLUMNS = ["path", "label", "suggested_label", "score", "self_confidence", "loss", "flagged"]
FLAG_BELOW = 0.02


def noise(images: pd.DataFrame, judged: OutOfFold) -> pd.DataFrame:
    """COLUMNS: a row for each of `images` (columns path, label), the most doubtful label first.

    Method: `self_confidence` is the out-of-fold probability of the given label, `loss` its negative logarithm in nats
    (cleanlab's self-confidence score; Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021). `score`, 0 surely wrong ..
    1 surely right, is the probability of the given label against the likeliest other class, p / (p + p_other), so that an
    image of a class that is hard as a whole is not blamed for it. `suggested_label` is the likeliest other class. `flagged`:
    confident learning counts the image as of another class, the classifier prefers that one, and the score is below 0.02
    (about every second of them was wrong among photos of 98 car classes with one wrong label in twenty).

    Assumes that most labels of a class are right. An image without a label has score 0, a loss that is not a number, and
    the likeliest class as the suggestion. Where the classifier had no other image of the label to learn from, nothing is
    known: score 0.5, never flagged. Fails where a class looks like another as a whole: `merges` is for that.
    """
    if not len(images):
        return images.assign(suggested_label="", score=0.0, self_confidence=0.0, loss=0.0, flagged=False)[COLUMNS]
    p, codes, rows = judged.probabilities.astype(np.float64), judged.codes, np.arange(len(images))
    labelled, taught = codes >= 0, judged.teachers > 0
    others = p.copy()
    others[rows[labelled], codes[labelled]] = -1
    best = others.argmax(axis=1)
    given = np.where(labelled, p[rows, codes], 0.0)
    score = given / np.maximum(given + others[rows, best], 1e-12)
    known = labelled & taught
    flagged = np.zeros(len(images), dtype=bool)
    if known.any():
        flagged[known] = _confidently_wrong(p[known], codes[known])
    table = images[["path", "label"]].assign(
        suggested_label=pd.Series([judged.classes[code] for code in best], index=images.index, dtype="str"),
        score=np.where(labelled & ~taught, 0.5, score), self_confidence=given,
        loss=np.where(labelled, losses(p, codes), np.nan), flagged=flagged & (score < FLAG_BELOW))
    return table[COLUMNS].sort_values(["score", "path"], kind="stable", ignore_index=True)


def _confidently_wrong(p: npt.NDArray[np.float64], codes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Off the diagonal of the confident joint: some other class reaches the mean self-confidence of its own images."""
    classes, dense = np.unique(codes, return_inverse=True)
    own = p[:, classes]
    threshold = np.bincount(dense, weights=own[np.arange(len(own)), dense]) / np.bincount(dense)
    confident = np.where(own >= threshold, own, -1.0)
    at = confident.argmax(axis=1)
    return np.asarray((confident.max(axis=1) > 0) & (at != dense))
