"""How far probabilities can be trusted: how often the first choice is right, by how sure it is; and what puts them right.

One temperature for all is `probabilities.temperature`; `sharpness` has a factor for each group of classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.probabilities import BLOCK, Floats, Labels, logarithm, softmax

PRIOR = 100.0  # images that speak for each group's factor being 1
FACTORS = (0.2, 5.0)


def reliability(probabilities: Floats, labels: Labels, bins: int = 15) -> pd.DataFrame:
    """One row for each of `bins` equal-width bins of confidence, the probability (0 .. 1) of the first choice.

    Columns: low, high (edges), images, confidence (mean, NaN in an empty bin), accuracy (share right, NaN in an empty bin).
    Calibrated probabilities have confidence = accuracy in every bin.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges, place = np.linspace(0, 1, bins + 1), _bin(confidence, bins)
    images = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=bins) / images
        share = np.bincount(place, weights=right, minlength=bins) / images
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images, "confidence": mean, "accuracy": share})


def ece(probabilities: Floats, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error: mean |confidence - accuracy| of `reliability`'s bins, weighted by images; 0 is perfect."""
    table = reliability(probabilities, labels, bins)
    gap = (table["confidence"] - table["accuracy"]).abs().fillna(0)
    return float((gap * table["images"]).sum() / table["images"].sum())


def ece_by_chance(probabilities: Floats, bins: int = 15) -> float:
    """What `ece` would be on average if these probabilities were calibrated: with few images, accuracy strays from confidence
    by chance. An error of about this much cannot be told from 0.

    Labels drawn from the probabilities put a bin's count of right answers around its sum of confidences c with variance
    sum c (1 - c), about normally, so its mean absolute error is sqrt(2 / pi) of the standard deviation.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    spread = np.sqrt(np.bincount(_bin(confidence, bins), confidence * (1 - confidence), bins).clip(0))
    return float(np.sqrt(2 / np.pi) * spread.sum() / len(confidence))


def sharpened(probabilities: Floats, factors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """p_k proportional to (K p_k) ** a_k, with `factors` a (K,): above 1 surer, below 1 less sure; (N, K) -> (N, K)."""
    return softmax(_over_chance(probabilities) * np.asarray(factors, dtype=np.float64))


def sharpness(probabilities: Floats, labels: Labels, groups: npt.NDArray[np.intp],
              prior: float = PRIOR) -> npt.NDArray[np.float64]:
    """The factors a (K,) of least log loss of `sharpened`, one for all classes of a group; `groups` (K,) are numbers
    0 .. G - 1.

    Vector scaling (Guo et al., ICML 2017, section 4.2) without its offsets, its factors shared within groups and drawn
    towards 1, the common temperature: minimises the mean log loss + prior / (2 N) sum_g (a_g - 1) ** 2, which is convex.
    `probabilities` (N, K) already have the common temperature. Factors stay between 0.2 and 5.
    """
    from scipy.optimize import minimize

    count, images = int(groups.max()) + 1, np.arange(len(labels))
    z = _over_chance(probabilities)
    given = np.bincount(groups[labels], z[images, labels], count) / len(z)  # slope of the label's part, constant

    def loss(a: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        total, slope = 0.0, np.zeros(z.shape[1])
        for start in range(0, len(z), BLOCK):
            block = z[start:start + BLOCK]
            scaled = block * a[groups]
            top = scaled.max(axis=1, keepdims=True)
            weight = np.exp(scaled - top)
            mass = weight.sum(axis=1, keepdims=True)
            total += float((np.log(mass) + top).sum())
            slope += np.einsum("nk,nk->k", weight / mass, block)
        value = total / len(z) - float(a @ given) + prior / (2 * len(z)) * float(((a - 1) ** 2).sum())
        return value, np.bincount(groups, slope, count) / len(z) - given + prior / len(z) * (a - 1)

    found = minimize(loss, np.ones(count), jac=True, method="L-BFGS-B", bounds=[FACTORS] * count,
                     options={"ftol": 1e-12, "gtol": 1e-7})
    return np.asarray(found.x[groups])


def _bin(confidence: Floats, bins: int) -> npt.NDArray[np.intp]:
    """The number of each confidence's bin; bins are (low, high]."""
    return np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1, 0, bins - 1)


def _over_chance(probabilities: Floats) -> Floats:
    """ln (K p): 0 for a class that is as probable as any."""
    return np.asarray(logarithm(probabilities) + np.log(probabilities.shape[1]))
