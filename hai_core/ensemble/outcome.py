"""What out-of-fold logits say about an ensemble: its combination, its figures and its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.ensemble import combine
from hai_core.ensemble.calibrate import ece, ece_by_chance, reliability
from hai_core.ensemble.combine import PLAIN, Combination, Comparison, Plan, Series
from hai_core.ensemble.effects import effects, gain
from hai_core.ensemble.evaluate import ranks
from hai_core.ensemble.weights import Way, inverse_loss_weights
from hai_core.probabilities import Floats, Labels, log_loss, losses, softmax


@dataclass(frozen=True)
class Outcome:
    """`probabilities` (N, K) are out of fold, with the plan chosen and fitted on the other folds; so are `metrics`."""

    combination: Combination
    plan: Plan
    probabilities: npt.NDArray[np.float32]
    metrics: dict[str, Any]
    recipes: list[dict[str, Any]]  # recipe, weight, temperature, log_loss, accuracy
    reliability: pd.DataFrame  # see `calibrate.reliability`; the columns ..._before are of untempered probabilities
    plans: list[dict[str, Any]]  # weights, calibration, hierarchy, chosen, log_loss, and gain over it of the chosen, low, high
    effects: list[dict[str, Any]]  # see `effects.effects`


def outcome(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], recipes: Sequence[str], *,
            plans: Sequence[Plan] = (PLAIN,), series: Series | None = None, one_view: Floats | None = None) -> Outcome:
    """From out-of-fold logits (R, N, K), labels (N,) and folds (N,), of the recipes named; `one_view` (R, N, K) are the plain
    view's logits, where the others are a mean of several views.

    metrics: log_loss, accuracy, top5, ece (out of fold, cross-fitted, and where there are several plans their choice is, too);
    log_loss_in_sample (all fitted on the same images); ece_before (no temperatures) and ece_by_chance; n; log_loss_one_view.
    """
    compared = combine.compare(logits, labels, folds, plans, series)
    combination = combine.fit(logits, labels, compared.plan, series)
    probabilities = compared.answers.astype(np.float32)
    before = Combination((1.0,) * len(recipes), combination.weights, 1.0)(logits)
    metrics = scores(probabilities, labels) | {
        "log_loss_in_sample": log_loss(combination(logits), labels),
        "ece": ece(probabilities, labels), "ece_by_chance": ece_by_chance(probabilities), "ece_before": ece(before, labels)}
    table, alone = _of_recipes(logits, labels, folds, recipes, combination, compared.plan, series)
    added = effects(logits, labels, folds, recipes, compared, before, alone, series, one_view)
    if one_view is not None:
        metrics["log_loss_one_view"] = next(row["log_loss"] for row in added if row["part"] == "views")
    bins = reliability(probabilities, labels).join(
        reliability(before, labels)[["images", "confidence", "accuracy"]].add_suffix("_before"))
    return Outcome(combination, compared.plan, probabilities, metrics, table, bins, _of_plans(compared), added)


def scores(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """log_loss, accuracy, top5 and n; equal probabilities rank by training images, here those of `labels`."""
    place = ranks(probabilities, labels, np.bincount(labels, minlength=probabilities.shape[1]).tolist())
    return {"log_loss": log_loss(probabilities, labels), "accuracy": float((place == 0).mean()),
            "top5": float((place < 5).mean()), "n": len(labels)}


def member_weights(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], combination: Combination,
                   way: Way = "inverse_log_loss") -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log loss of every member on its fold, at its recipe's temperature, and its weight in the ensemble: both (R, folds).

    A recipe's weight is dealt to its members evenly, or by 1 / log loss where recipes are weighed so.
    """
    count = int(folds.max()) + 1
    of_members = np.array([[log_loss(softmax(z[folds == fold], t), labels[folds == fold]) for fold in range(count)]
                           for z, t in zip(logits, combination.temperatures, strict=True)])
    dealt = [inverse_loss_weights(row if way == "inverse_log_loss" else np.ones(count)) for row in of_members]
    return of_members, np.array(combination.weights)[:, None] * np.stack(dealt)


def _of_recipes(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], recipes: Sequence[str], combination: Combination,
                plan: Plan, series: Series | None) -> tuple[list[dict[str, Any]], list[npt.NDArray[np.float64]]]:
    """The table of recipes, and the losses (N,) of each alone."""
    table, alone = [], []
    for i, name in enumerate(recipes):
        answers = combine.cross_fitted(logits[i:i + 1], labels, folds, plan, series)
        found = scores(answers, labels)
        alone.append(losses(answers, labels))
        table.append({"recipe": name, "weight": combination.weights[i], "temperature": combination.temperatures[i],
                      "log_loss": found["log_loss"], "accuracy": found["accuracy"]})
    return table, alone


def _of_plans(compared: Comparison) -> list[dict[str, Any]]:
    having = compared.losses[compared.chosen]
    return [asdict(plan) | {"chosen": plan == compared.plan, "log_loss": float(row.mean()), **gain(row, having)}
            for plan, row in zip(compared.plans, compared.losses, strict=True)]
