"""What out-of-fold logits say about an ensemble: its combination, its figures and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.ensemble import combine
from hai_core.ensemble.calibrate import ece, reliability
from hai_core.ensemble.combine import Combination
from hai_core.ensemble.evaluate import ranks
from hai_core.probabilities import Floats, Labels, log_loss, softmax


@dataclass(frozen=True)
class Outcome:
    """`probabilities` (N, K) are out of fold, with weights and temperatures fitted on the other folds; so are `metrics`."""

    combination: Combination
    probabilities: npt.NDArray[np.float32]
    metrics: dict[str, Any]
    recipes: list[dict[str, Any]]  # recipe, weight, temperature, log_loss, accuracy
    reliability: pd.DataFrame


def outcome(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], recipes: Sequence[str]) -> Outcome:
    """From out-of-fold logits (R, N, K), labels (N,) and folds (N,), of the recipes named.

    metrics: log_loss, accuracy, top5, ece (out of fold, cross-fitted); log_loss_in_sample (weights and temperatures fitted on
    the same images); ece_before (no temperatures); n.
    """
    combination = combine.fit(logits, labels)
    probabilities = combine.cross_fitted(logits, labels, folds).astype(np.float32)
    untempered = Combination((1.0,) * len(recipes), combination.weights, 1.0)
    metrics = scores(probabilities, labels) | {
        "log_loss_in_sample": log_loss(combination(logits), labels),
        "ece": ece(probabilities, labels), "ece_before": ece(untempered(logits), labels)}
    return Outcome(combination, probabilities, metrics, _of_recipes(logits, labels, folds, recipes, combination, metrics),
                   reliability(probabilities, labels))


def scores(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """log_loss, accuracy, top5 and n; equal probabilities rank by training images, here those of `labels`."""
    place = ranks(probabilities, labels, np.bincount(labels, minlength=probabilities.shape[1]).tolist())
    return {"log_loss": log_loss(probabilities, labels), "accuracy": float((place == 0).mean()),
            "top5": float((place < 5).mean()), "n": len(labels)}


def member_weights(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8],
                   combination: Combination) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log loss of every member on its fold, at its recipe's temperature, and its weight in the ensemble: both (R, folds).

    A recipe's weight is dealt to its members by 1 / log loss.
    """
    count = int(folds.max()) + 1
    losses = np.array([[log_loss(softmax(z[folds == fold], t), labels[folds == fold]) for fold in range(count)]
                       for z, t in zip(logits, combination.temperatures, strict=True)])
    return losses, np.stack([weight * combine.inverse_loss_weights(row)
                             for weight, row in zip(combination.weights, losses, strict=True)])


def _of_recipes(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], recipes: Sequence[str],
                combination: Combination, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    table = []
    for i, name in enumerate(recipes):
        alone = metrics if len(recipes) == 1 else scores(combine.cross_fitted(logits[i:i + 1], labels, folds), labels)
        table.append({"recipe": name, "weight": combination.weights[i], "temperature": combination.temperatures[i],
                      "log_loss": alone["log_loss"], "accuracy": alone["accuracy"]})
    return table
