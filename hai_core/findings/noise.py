"""Images whose label is probably wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.findings.out_of_fold import OutOfFold
from hai_core.probabilities import SMALLEST, softmax

LOOK_ALIKE = 0.5  # share of wrong labels that go to classes that look like the true one; the others go anywhere
FEWEST, MOST = 0.001, 0.5  # what the share of wrong labels is taken to be at least and at most
FEW = 2  # teachers at which the classifier's word and the share of wrong labels count the same
PRECISION = 0.8  # expected, of the flagged labels: how many of them are wrong

BLOCK = 4096  # images looked at together
TOP = 5  # likeliest classes that are kept of an image
COLUMNS = ["path", "label", "suggested_label", "score", "self_confidence", "loss", "flagged",
           *(f"class_{rank}" for rank in range(1, TOP + 1)), *(f"p_{rank}" for rank in range(1, TOP + 1))]

Floats = npt.NDArray[np.float64]


def noise(images: pd.DataFrame, judged: OutOfFold) -> pd.DataFrame:
    """COLUMNS for each of `images` (path, label), the most doubtful label first.

    `self_confidence` is p(label) out of fold, `loss` its negative logarithm (nats), `suggested_label` the likeliest class.
    `score`, 0 surely wrong .. 1 surely right, is the chance that the label is right in the mixture that `fit` explains.
    `flagged`: the longest list of lowest scores of which 80 % are expected to be wrong (mean of 1 - score). In a clean set the
    share of wrong labels comes out near 0, and next to nothing is flagged.
    `class_1` .. `class_5` (categorical) and `p_1` .. `p_5` (float32): the likeliest classes out of fold with their
    probabilities, the likeliest first; where there are fewer classes the last ones are missing and 0.

    A class that the classifier knew from n images counts n^2 / (n^2 + 4), the share of wrong labels the rest: classes of one to
    three images are not blamed for being rare. An image without a label has suggested_label, score 1, no self_confidence and no
    loss. An image of no class at all (a text card) has a low self-confidence and stands among the doubtful. Fails where a class
    consists mostly of wrong labels, and on copies of one wrong label that are not known to be copies.

    Source: the transition matrix of Patrini et al., "Making Deep Neural Networks Robust to Label Noise" (CVPR 2017), with two
    parameters instead of a free matrix.
    """
    p, rows = judged.probabilities, np.arange(len(images))
    known = judged.codes >= 0
    own = np.where(known, p[rows, judged.codes], np.nan)
    fitted = fit(judged)
    trust = judged.teachers**2 / (judged.teachers**2 + FEW**2)
    score = np.where(known, trust * fitted.right + (1 - trust) * (1 - fitted.share), 1.0)
    table = images[["path", "label"]].assign(
        suggested_label=pd.Series(np.array(judged.classes, dtype=object)[p.argmax(axis=1)], index=images.index, dtype="str"),
        score=score, self_confidence=own, loss=-np.log(np.maximum(own, SMALLEST)), **_likeliest(p, judged.classes))
    table = table.sort_values(["score", "path"], kind="stable", ignore_index=True)
    expected = (1 - table["score"]).cumsum() / np.arange(1, len(table) + 1)
    return table.assign(flagged=np.arange(len(table)) < int((expected >= PRECISION).sum()))[COLUMNS]


def _likeliest(p: Floats, classes: list[str]) -> dict[str, Any]:
    """The columns class_1 .. class_5 and p_1 .. p_5 of probabilities (N, K)."""
    kept = min(TOP, len(classes))
    codes, chances = np.full((len(p), TOP), -1), np.zeros((len(p), TOP), np.float32)
    for start in range(0, len(p), BLOCK):
        part = p[start:start + BLOCK]
        first = np.argsort(-part, axis=1, kind="stable")[:, :kept]
        codes[start:start + BLOCK, :kept] = first
        chances[start:start + BLOCK, :kept] = np.take_along_axis(part, first, axis=1)
    names = pd.CategoricalDtype(classes)
    return ({f"class_{rank + 1}": pd.Categorical.from_codes(codes[:, rank], dtype=names) for rank in range(TOP)}
            | {f"p_{rank + 1}": chances[:, rank] for rank in range(TOP)})


@dataclass(frozen=True)
class Fitted:
    """`right` (N,): the chance that the label is right, of no meaning without a label. `share`: of labels that are wrong."""

    right: Floats
    share: float


def fit(judged: OutOfFold) -> Fitted:
    """The mixture of right and wrong labels that makes the given labels likeliest.

        P(label g | image) = (1 - s) p_g + s sum_k p_k t(k -> g)        right = (1 - s) p_g / P(label g | image)

    p is the classifier's answer with its sharpness fitted anew, s the share of wrong labels, and t(k -> g) where an image of
    class k goes by mistake: half of them to any other class alike, half in proportion to what the classifier says of images it
    takes for k. Sharpness and s are fitted together (maximum likelihood): a classifier alone is calibrated to the labels as
    they are, wrong ones included, and is never sure that a label is wrong.
    """
    from scipy.optimize import minimize_scalar

    fair = np.flatnonzero((judged.codes >= 0) & (judged.teachers > 0))
    if not len(fair):
        return Fitted(np.ones(len(judged.codes)), FEWEST)
    logits = np.log(np.maximum(judged.probabilities, SMALLEST))

    def sharpened(log_t: float) -> tuple[Floats, Floats, float]:
        own, by_mistake = _likelihoods(softmax(logits, float(np.exp(log_t))), judged.codes)
        return own, by_mistake, _share(own[fair], by_mistake[fair])

    def loss(log_t: float) -> float:
        own, by_mistake, share = sharpened(log_t)
        return -float(np.log((1 - share) * own[fair] + share * by_mistake[fair] + SMALLEST).mean())

    best = minimize_scalar(loss, bounds=(np.log(0.3), np.log(1.5)), method="bounded", options={"xatol": 0.01})
    own, by_mistake, share = sharpened(float(best.x))
    right = (1 - share) * own + SMALLEST
    return Fitted(right / (right + share * by_mistake), share)


def _likelihoods(p: Floats, codes: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """(N,) each: of the label when it is right, and when it was given by mistake."""
    k = p.shape[1]
    goes = np.zeros((k, k))
    np.add.at(goes, p.argmax(axis=1), p)
    np.fill_diagonal(goes, 0)
    goes /= np.maximum(goes.sum(axis=1, keepdims=True), SMALLEST)
    goes = LOOK_ALIKE * goes + (1 - LOOK_ALIKE) * (1 - np.eye(k)) / (k - 1)
    own, by_mistake = np.empty(len(p)), np.empty(len(p))
    for start in range(0, len(p), BLOCK):
        part = slice(start, start + BLOCK)
        own[part] = p[part][np.arange(len(codes[part])), codes[part]]
        by_mistake[part] = (p[part] * goes[:, codes[part]].T).sum(axis=1)
    return own, by_mistake


def _share(own: Floats, by_mistake: Floats) -> float:
    """The s that maximises sum log((1 - s) own + s by_mistake), which is concave in s."""
    from scipy.optimize import brentq

    def slope(share: float) -> float:
        return float(((by_mistake - own) / ((1 - share) * own + share * by_mistake + SMALLEST)).sum())

    if slope(FEWEST) <= 0:
        return FEWEST
    return MOST if slope(MOST) >= 0 else float(brentq(slope, FEWEST, MOST, xtol=1e-5))
