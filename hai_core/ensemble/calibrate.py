"""Make probabilities mean what they say: temperature scaling, and how far off they are.

Arrays: `logits` (N, K), `probabilities` (N, K) with rows summing to 1, `labels` (N,) column numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

SMALLEST = 1e-15  # probabilities are clipped to this before their logarithm is taken
TEMPERATURES = (0.02, 50.0)


def softmax(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """exp(z_k / T) / sum_j exp(z_j / T), row by row, in double precision."""
    return np.asarray(np.exp(log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)))


def losses(probabilities: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """-ln p of the given label for every image, in nats, shape (N,); probabilities clipped to 1e-15."""
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1.0)))


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean of `losses`: 0 is perfect, ln K is what knowing nothing scores."""
    return float(losses(probabilities, labels).mean())


def temperature(logits: Floats, labels: Labels) -> float:
    """The T that minimises the mean log loss of softmax(logits / T), between 0.02 and 50 (Guo et al., ICML 2017).

    Above 1 the logits were too sure of themselves. The loss is convex in 1/T, so the one minimum is found whatever the logits.
    It never changes which class comes first.
    """
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    given = z[np.arange(len(labels)), labels]

    def loss(log_t: float) -> float:
        scale = np.exp(-log_t)
        return float(np.mean(logsumexp(z * scale, axis=1) - given * scale))

    best = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(best.x))


def reliability(probabilities: Floats, labels: Labels, bins: int = 15) -> pd.DataFrame:
    """How often the first choice is right, by how sure it is: one row for each of `bins` equal-width bins of confidence.

    Columns: low, high (edges), images, confidence (mean, NaN in an empty bin), accuracy (share right, NaN in an empty bin).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)  # bins are (low, high]
    images = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=bins) / images
        share = np.bincount(place, weights=right, minlength=bins) / images
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images, "confidence": mean, "accuracy": share})


def ece(probabilities: Floats, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error: mean |confidence - accuracy| by bin of `reliability`, weighted by images; 0 is perfect."""
    table = reliability(probabilities, labels, bins)
    gap = (table.confidence - table.accuracy).abs().fillna(0)
    return float((gap * table.images).sum() / table.images.sum())
