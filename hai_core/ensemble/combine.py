"""Members -> one probability: a temperature and a weight for each recipe, and a temperature for the mixture.

p = softmax(ln(sum_r w_r softmax(z_r / T_r)) / T). All of it is fitted on out-of-fold logits, `logits` (R, N, K) for R recipes
and N images; the figures reported for it come from `cross_fitted`, which never fits on the images it answers for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hai_core.probabilities import SMALLEST, Floats, Labels, log_loss, softmax, temperature


@dataclass(frozen=True)
class Combination:
    """`temperatures` and `weights` (summing to 1), one for each recipe, and the mixture's `temperature`."""

    temperatures: tuple[float, ...]
    weights: tuple[float, ...]
    temperature: float

    def __call__(self, logits: Floats) -> npt.NDArray[np.float64]:
        """(R, N, K) logits -> (N, K) probabilities."""
        recipes = (softmax(z, t) for z, t in zip(logits, self.temperatures, strict=True))
        return self.mix(zip(self.weights, recipes, strict=True))

    def mix(self, weighted: Iterable[tuple[float, Floats]]) -> npt.NDArray[np.float64]:
        """Probabilities (N, K) of the mixture of (weight, probabilities (N, K)) pairs; weights sum to 1."""
        mixture = np.asarray(sum(weight * p for weight, p in weighted), dtype=np.float64)
        return mixture if self.temperature == 1 else softmax(_log(mixture), self.temperature)


def inverse_loss_weights(losses: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Weights proportional to 1 / log loss, summing to 1: shape (R,) -> (R,)."""
    inverse = 1 / np.maximum(np.asarray(losses, dtype=np.float64), SMALLEST)
    return np.asarray(inverse / inverse.sum())


def fit(logits: Floats, labels: Labels) -> Combination:
    """Temperature of each recipe, weights from the log losses after that, temperature of the weighted mixture."""
    temperatures = tuple(temperature(z, labels) for z in logits)
    calibrated = [softmax(z, t) for z, t in zip(logits, temperatures, strict=True)]
    if len(calibrated) == 1:  # its temperature is already the best one
        return Combination(temperatures, (1.0,), 1.0)
    weights = inverse_loss_weights([log_loss(p, labels) for p in calibrated])
    mixture = np.tensordot(weights, np.stack(calibrated), 1)
    return Combination(temperatures, tuple(map(float, weights)), temperature(_log(mixture), labels))


def cross_fitted(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """Probabilities (N, K) of every image under the combination fitted on the images of all other folds."""
    answers = np.empty(logits.shape[1:], dtype=np.float64)
    for fold in np.unique(folds):
        here = folds == fold
        answers[here] = fit(logits[:, ~here], labels[~here])(logits[:, here])
    return answers


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
