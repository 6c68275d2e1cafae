"""How much each recipe counts in the ensemble: three ways, from equal to fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hai_core.probabilities import BLOCK, SMALLEST, Floats, Labels

Way = Literal["uniform", "inverse_log_loss", "optimised"]
WAYS: tuple[Way, ...] = get_args(Way)
PRIOR = 30.0  # images' worth of pull towards equal weights


def inverse_loss_weights(losses: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Weights proportional to 1 / log loss, summing to 1: shape (R,) -> (R,)."""
    inverse = 1 / np.maximum(np.asarray(losses, dtype=np.float64), SMALLEST)
    return np.asarray(inverse / inverse.sum())


def optimised(logits: Floats, labels: Labels, temperatures: Sequence[float] | None = None,
              prior: float = PRIOR) -> npt.NDArray[np.float64]:
    """Exponents b >= 0 (R,) of least log loss of the logarithmic pool softmax(sum_r b_r z_r); z are the `logits` (R, N, K)
    over the `temperatures` (R,).

    Minimises mean_n (ln sum_k exp(sum_r b_r z_rnk) - sum_r b_r z_rn,label) + prior / (2 N) sum_r (b_r - mean b) ** 2, which is
    convex (Heskes, "Selecting weighting factors in logarithmic opinion pools", NIPS 1997); the second term keeps recipes that
    are hardly different at equal weights, and fades as images grow many. The sum of b is the pool's sharpness, 1 / T. A
    weighted mean of probabilities has no such optimum: its loss with a temperature is not convex, and without one the
    surest recipe wins, because averaging makes unsure.
    """
    from scipy.optimize import minimize

    count, images = len(logits), len(labels)
    scale = 1 / np.asarray(temperatures if temperatures is not None else np.ones(count), dtype=np.float64)
    given = scale * logits[:, np.arange(images), labels].mean(axis=1, dtype=np.float64)

    def loss(b: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        total, slope = 0.0, np.zeros(count)
        for start in range(0, images, BLOCK):
            block = logits[:, start:start + BLOCK] * scale[:, None, None]
            pooled = np.tensordot(b, block, 1)
            top = pooled.max(axis=1, keepdims=True)
            weight = np.exp(pooled - top)
            mass = weight.sum(axis=1, keepdims=True)
            total += float((np.log(mass) + top).sum())
            slope += np.einsum("rnk,nk->r", block, weight / mass)
        off = b - b.mean()
        return (total / images - float(b @ given) + prior / (2 * images) * float(off @ off),
                slope / images - given + prior / images * off)

    found = minimize(loss, np.full(count, 1 / count), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * count,
                     options={"ftol": 1e-12, "gtol": 1e-7})
    return np.asarray(found.x)
