"""What each part of an ensemble adds: the log loss without it, and the difference that it makes, with an interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hai_core.ensemble import combine
from hai_core.ensemble.combine import Comparison, Series
from hai_core.probabilities import Floats, Labels, losses

RESAMPLES, CONFIDENCE = 1000, 0.95


def gain(without: npt.NDArray[np.float64], having: npt.NDArray[np.float64], seed: int = 0) -> dict[str, float]:
    """How much lower the mean of the losses `having` (N,) is than that of `without` (N,), image by image, in nats.

    Keys: gain (above 0: it helps), low and high: its 95 % interval by bootstrap over the images (percentiles, Efron 1979).
    """
    from scipy.stats import bootstrap

    difference = without - having
    found = bootstrap((difference,), np.mean, n_resamples=RESAMPLES, batch=max(1, 2**22 // len(difference)),
                      confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(seed))
    low, high = found.confidence_interval
    return {"gain": float(difference.mean()), "low": float(low), "high": float(high)}


def effects(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], recipes: Sequence[str], compared: Comparison,
            before: Floats, alone: Sequence[npt.NDArray[np.float64]], series: Series | None = None,
            one_view: Floats | None = None) -> list[dict[str, Any]]:
    """A row for each part: part, name, used (whether the ensemble has it), log_loss (without it), gain, low, high.

    Parts: `recipe` (the one of that name), `recipes` (all of them, over the best one alone, which is named), `views` (over the
    plain one; `one_view` (R, N, K) are its logits), `temperature` (over none: `before` (N, K) are the probabilities), `groups`,
    `weights` (over equal ones) and `hierarchy`. All are cross-fitted under the plan that ships, so are the losses of each
    recipe `alone` (R arrays (N,)); what is left out is left out of the fit as well. Training adds `members`, on the holdout.
    """
    having = compared.losses[compared.chosen]
    rows = []
    for part, name, without in _without(logits, labels, folds, recipes, compared, before, alone, series, one_view):
        rows.append({"part": part, "name": name, "used": True, "log_loss": float(without.mean()), **gain(without, having)})
    return rows + _of_plans(compared)


def _without(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], recipes: Sequence[str], compared: Comparison,
             before: Floats, alone: Sequence[npt.NDArray[np.float64]], series: Series | None,
             one_view: Floats | None) -> Iterator[tuple[str, str, npt.NDArray[np.float64]]]:
    """(part, name, losses (N,) without it)."""
    plan = compared.plan

    def fitted(some: Floats) -> npt.NDArray[np.float64]:
        return losses(combine.cross_fitted(some, labels, folds, plan, series), labels)

    if len(recipes) > 1:
        best = int(np.argmin([one.mean() for one in alone]))
        yield "recipes", recipes[best], alone[best]
        for i, name in enumerate(recipes):
            yield "recipe", name, alone[1 - i] if len(recipes) == 2 else fitted(np.delete(logits, i, axis=0))
    if one_view is not None:
        yield "views", "", fitted(one_view)
    yield "temperature", "", losses(before, labels)
    if plan.calibration == "groups":
        plain = combine.cross_fitted(logits, labels, folds, replace(plan, calibration="temperature"), series)
        yield "groups", "", losses(plain, labels)


def _of_plans(compared: Comparison) -> list[dict[str, Any]]:
    """What the hierarchy and the fitted weights add to the plan that ships, or would add to it, where both were compared."""
    rows = []
    for part, plain in (("weights", replace(compared.plan, weights="uniform")),
                        ("hierarchy", replace(compared.plan, hierarchy="none"))):
        others = [plan for plan in compared.plans if getattr(plan, part) != getattr(plain, part)
                  and asdict(plan) | {part: ""} == asdict(plain) | {part: ""}]
        if others and plain in compared.plans:
            without = compared.losses[compared.plans.index(plain)]
            having = min((compared.losses[compared.plans.index(plan)] for plan in others), key=lambda one: float(one.mean()))
            rows.append({"part": part, "name": "", "used": compared.plan != plain, "log_loss": float(without.mean()),
                         **gain(without, having)})
    return rows
