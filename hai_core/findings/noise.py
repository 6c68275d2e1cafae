"""Images whose label is probably wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hai_core.findings.out_of_fold import OutOfFold
from hai_core.probabilities import SMALLEST

WRONG = 0.05  # share of labels that are taken to be wrong before looking
FEW = 2  # teachers at which the classifier's word and that share count the same

COLUMNS = ["path", "label", "suggested_label", "score", "self_confidence", "loss", "flagged"]


def noise(images: pd.DataFrame, judged: OutOfFold) -> pd.DataFrame:
    """COLUMNS for each of `images` (path, label), the most doubtful label first.

    `self_confidence` is p(label) out of fold, `loss` its negative logarithm (nats), `suggested_label` the likeliest class.
    `score`, 0 surely wrong .. 1 surely right, is the chance that the label is right when 5 % are wrong and a wrong one is one
    of m classes that look alike:

        odds = p(label) / p(best other class) * m * 0.95 / 0.05,    m = exp(mean entropy of p)

    so it ranks by how far the label loses to one other class, not by how unsure the classifier is between several: an image
    that could be any of four model years is no suspect. `flagged`: score below 0.5. Scores are roughly calibrated where about
    5 % of labels are wrong (of flagged photos of car models, two in three were); in a clean set most flagged labels are right.

    A class that the classifier knew from n images counts n^2 / (n^2 + 4), the assumption the rest: classes of one to three
    images are not blamed for being rare. An image without a label has suggested_label, score 1, no self_confidence and no loss.
    Fails where a class consists mostly of wrong labels, and on copies of one wrong label that are not known to be copies.
    """
    p, rows = judged.probabilities, np.arange(len(images))
    known = judged.codes >= 0
    own = np.where(known, p[rows, judged.codes], np.nan)
    others = p.copy()
    others[rows[known], judged.codes[known]] = 0
    alike = np.exp(-(p * np.log(np.maximum(p, SMALLEST))).sum() / max(len(p), 1))
    odds = np.maximum(own, SMALLEST) / np.maximum(others.max(axis=1, initial=0), SMALLEST) * alike * (1 - WRONG) / WRONG
    trust = judged.teachers**2 / (judged.teachers**2 + FEW**2)
    score = np.where(known, trust * odds / (1 + odds) + (1 - trust) * (1 - WRONG), 1.0)
    table = images[["path", "label"]].assign(
        suggested_label=pd.Series(np.array(judged.classes, dtype=object)[p.argmax(axis=1)], index=images.index, dtype="str"),
        score=score, self_confidence=own, loss=-np.log(np.maximum(own, SMALLEST)), flagged=score < 0.5)
    return table.sort_values(["score", "path"], kind="stable", ignore_index=True)[COLUMNS]
