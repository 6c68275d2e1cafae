"""Multinomial logistic regression on frozen features: scikit-learn's objective, solved faster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """A fitted probe. `weight` (K, D), `bias` (K,); `converged` is False when it was stopped after too many steps."""

    weight: Floats
    bias: Floats
    steps: int
    converged: bool

    def probabilities(self, features: Floats) -> Floats:
        """(N, D) -> (N, K), rows summing to 1."""
        logits = features @ self.weight.T + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        shares: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return shares


def fit(features: Floats, labels: npt.NDArray[np.int64], n_classes: int, *, C: float = 100.0, tolerance: float = 1e-6,
        max_steps: int = 500, start: Probe | None = None) -> Probe:
    """Minimise |W|^2 / 2 + C * sum of cross-entropies over W (K, D) and a free intercept, as `LogisticRegression(C)` does.

    Features (N, D), labels (N,) in 0 .. K-1; a class without images keeps a vanishing probability. The objective is convex,
    so any start ends at the same solution: another fold's probe saves steps. Solved by full-batch L-BFGS on centred features
    (the intercept takes up the centre), until no entry of the mean loss's gradient exceeds `tolerance`: 1e-6 reaches
    scikit-learn's probabilities within 1e-3, and 1e-5 ranks images the same in a third fewer steps.
    """
    import torch
    from scipy.optimize import minimize

    center = features.mean(axis=0)
    n, d = features.shape
    x, y, rows = torch.from_numpy(features - center), torch.from_numpy(labels), torch.arange(n)

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        parameters = torch.from_numpy(flat.reshape(n_classes, d + 1)).float()
        weight, bias = parameters[:, :d], parameters[:, d]
        log_p = torch.log_softmax(torch.addmm(bias, x, weight.T), dim=1)
        value = -log_p[rows, y].sum(dtype=torch.float64) / n + (weight.double() ** 2).sum() / (2 * C * n)
        residual = log_p.exp_()
        residual[rows, y] -= 1
        gradient = torch.empty_like(parameters)
        gradient[:, :d] = torch.addmm(weight, residual.T, x, beta=1 / (C * n), alpha=1 / n)
        gradient[:, d] = residual.sum(0) / n
        return float(value), gradient.double().numpy().ravel()

    initial = np.zeros((n_classes, d + 1))
    initial[:, d] = _log_shares(labels, n_classes)
    if start is not None:
        initial[:, :d], initial[:, d] = start.weight, start.bias + start.weight @ center
    solved: Any = minimize(loss, initial.ravel(), jac=True, method="L-BFGS-B",
                           options={"maxiter": max_steps, "gtol": tolerance, "ftol": 1e-10, "maxcor": 10})
    parameters = solved.x.reshape(n_classes, d + 1).astype(np.float32)
    weight = np.ascontiguousarray(parameters[:, :d])
    return Probe(weight, parameters[:, d] - weight @ center, int(solved.nit), solved.nit < max_steps)


def _log_shares(labels: npt.NDArray[np.int64], n_classes: int) -> npt.NDArray[np.float64]:
    counts = np.bincount(labels, minlength=n_classes).astype(np.float64)
    """Of each class among the images, counting half an image more: where the intercepts start."""
    shares: npt.NDArray[np.float64] = np.log((counts + 0.5) / (counts.sum() + 0.5 * n_classes))
    return shares
