"""Probabilities from logits, their log loss, and the temperature that fits them best.

Arrays: `logits` (N, K), `probabilities` (N, K) with rows summing to 1, `labels` (N,) column numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

SMALLEST = 1e-15  # probabilities are clipped to this before their logarithm is taken
TEMPERATURES = (0.02, 50.0)
BLOCK = 1024  # rows worked on at once, so that they stay in the processor's cache


def softmax(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """exp(z_k / T) / sum_j exp(z_j / T), row by row, in double precision."""
    answers = np.array(logits, dtype=np.float64)
    for start in range(0, len(answers), BLOCK):
        block = answers[start:start + BLOCK]
        block -= block.max(axis=1, keepdims=True)
        np.exp(block / temperature, out=block)
        block /= block.sum(axis=1, keepdims=True)
    return answers


def losses(probabilities: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """-ln p of the given label for every image, in nats, shape (N,); probabilities clipped to 1e-15."""
    given = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.asarray(-np.log(np.clip(given, SMALLEST, 1.0)))


def log_loss(probabilities: Floats, labels: Labels) -> float:
    """Mean of `losses`: 0 is perfect, ln K is what knowing nothing scores."""
    return float(losses(probabilities, labels).mean())


def logarithm(probabilities: Floats) -> Floats:
    """ln p, finite where p is 0."""
    return np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))


def temperature(logits: Floats, labels: Labels, precision: float = 1e-4) -> float:
    """The T, between 0.02 and 50, that minimises the mean log loss of softmax(logits / T) (Guo et al., ICML 2017).

    Above 1 the logits were too sure of themselves. The loss is convex in b = 1/T, with slope mean(sum_k p_k z_k - z_label),
    so its one root is the one minimum; `precision` is relative. 1 where nothing is better. Dividing by T never changes
    which class comes first.
    """
    z = np.asarray(logits)
    given = float(z[np.arange(len(labels)), labels].mean(dtype=np.float64))

    def slope(log_t: float) -> float:
        total = 0.0
        for start in range(0, len(z), BLOCK):
            block = z[start:start + BLOCK].astype(np.float64)
            weight = np.exp((block - block.max(axis=1, keepdims=True)) * np.exp(-log_t))
            total += float((np.einsum("nk,nk->n", weight, block) / weight.sum(axis=1)).sum())
        return total / len(z) - given

    from scipy.optimize import brentq

    cold, hot = np.log(TEMPERATURES)
    if abs(slope(0.0)) < 1e-12:
        return 1.0
    if slope(cold) <= 0:  # the sharper the better
        return TEMPERATURES[0]
    if slope(hot) >= 0:
        return TEMPERATURES[1]
    found = float(np.exp(brentq(slope, cold, hot, xtol=precision)))
    z = np.empty((0, 0))  # brentq leaves `slope` in a cycle, and what that sees with it
    return found
