"""Probabilities from logits, their log loss, and the temperature that fits them best.

Arrays: `logits` (N, K), `probabilities` (N, K) with rows summing to 1, `labels` (N,) column numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
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


def temperature(logits: Floats, labels: Labels, precision: float = 1e-4) -> float:
    """The T, between 0.02 and 50, that minimises the mean log loss of softmax(logits / T) (Guo et al., ICML 2017).

    Above 1 the logits were too sure of themselves. The loss is convex in 1/T, so the one minimum is found whatever the
    logits; `precision` is relative. Where nothing is better, 1. Dividing by T never changes which class comes first.
    """
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=1, keepdims=True)
    given = z[np.arange(len(labels)), labels]

    def loss(log_t: float) -> float:
        scale = np.exp(-log_t)
        return float(np.mean(logsumexp(z * scale, axis=1) - given * scale))

    best = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": precision})
    return 1.0 if loss(0.0) <= best.fun else float(np.exp(best.x))
