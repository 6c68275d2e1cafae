"""Members -> one probability: a temperature and a weight for each recipe, and what puts the mixture right.

With p_r = softmax(z_r / T_r): p = softmax(sum_r w_r ln p_r / T), the logarithmic pool (Genest and Zidek, Statistical Science
1986); then, where the plan has them, a factor for each group of classes and the hierarchy of series. Runs of earlier versions
have the linear pool softmax(ln(sum_r w_r p_r) / T), whose loss is 0.016 higher on cars98. All of it is fitted on out-of-fold
logits, `logits` (R, N, K) for R recipes and N images; the figures reported for it come from `cross_fitted` and `compare`,
which never fit on the images they answer for. (Where fine-tuning stops early, which epoch ships was chosen on the fold itself.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hai_core.ensemble import hierarchy
from hai_core.ensemble.calibrate import sharpened, sharpness
from hai_core.ensemble.hierarchy import Hierarchy
from hai_core.ensemble.weights import WAYS, Way, inverse_loss_weights, optimised
from hai_core.probabilities import TEMPERATURES, Floats, Labels, log_loss, logarithm, losses, softmax, temperature

ENOUGH = 5000  # images that a plan is fitted on where it is only judged
PARTS = 5  # into which the folds are gathered, so that many folds do not mean many fits
Series = npt.NDArray[np.intp]  # (K,) number of each class's series


@dataclass(frozen=True)
class Plan:
    """A way to combine: how recipes are weighed, what is calibrated (see the configuration), and whether series have a say."""

    weights: Way = "inverse_log_loss"
    calibration: Literal["temperature", "groups"] = "temperature"
    hierarchy: Literal["none", "series"] = "none"


PLAIN = Plan()


@dataclass(frozen=True)
class Combination:
    """`temperatures` and `weights` (summing to 1), one for each recipe, the `temperature` of their pool and its kind; then
    a factor for each class (`sharpness`, see `calibrate.sharpened`) and the `hierarchy`, where the plan has them."""

    temperatures: tuple[float, ...]
    weights: tuple[float, ...]
    temperature: float
    pool: Literal["log", "linear"] = "log"
    sharpness: tuple[float, ...] | None = None
    hierarchy: Hierarchy | None = None

    def __call__(self, logits: Floats) -> npt.NDArray[np.float64]:
        """(R, N, K) logits -> (N, K) probabilities."""
        return self.mix(softmax(z, t) for z, t in zip(logits, self.temperatures, strict=True))

    def mix(self, recipes: Iterable[Floats]) -> npt.NDArray[np.float64]:
        """Probabilities (N, K) of the ensemble, from those of each recipe at its temperature, in order."""
        weighted = zip(self.weights, recipes, strict=True)
        if self.pool == "log":
            answers = softmax(np.asarray(sum(w * logarithm(p) for w, p in weighted)), self.temperature)
        else:
            answers = softmax(logarithm(np.asarray(sum(w * p for w, p in weighted))), self.temperature)
        if self.sharpness is not None:
            answers = sharpened(answers, self.sharpness)
        return answers if self.hierarchy is None else self.hierarchy(answers)

    def fields(self) -> dict[str, Any]:
        """What metrics.json holds beside its table of recipes."""
        return {"temperature": self.temperature, "pool": self.pool, "sharpness": self.sharpness,
                "hierarchy": self.hierarchy and asdict(self.hierarchy)}


def of_results(results: Mapping[str, Any]) -> Combination:
    """The combination in a run's metrics.json. Runs of earlier versions pool linearly, and that is all."""
    sharp, series = results.get("sharpness"), results.get("hierarchy")
    return Combination(
        tuple(recipe["temperature"] for recipe in results["recipes"]), tuple(recipe["weight"] for recipe in results["recipes"]),
        results["temperature"], results.get("pool", "linear"), sharp and tuple(sharp), series and _hierarchy(series))


def _hierarchy(fields: dict[str, Any]) -> Hierarchy:
    return Hierarchy(tuple(fields["series"]), fields["series_temperature"], fields["class_temperature"],
                     (fields["exponents"][0], fields["exponents"][1]))


def plans(weights: str, calibration: Literal["temperature", "groups"], series: str, recipes: int,
          of_classes: Series) -> tuple[Plan, ...]:
    """The plans that a configuration lets compete, the plainest first: `best` lets all ways of its kind in.

    One recipe has one way to be weighed, and without a series of two classes there is no hierarchy.
    """
    ways: Sequence[Way] = WAYS if weights == "best" else [way for way in WAYS if way == weights]
    levels = [level for level in ("none", "series") if series in (level, "best")]
    if len(np.unique(of_classes)) == len(of_classes):
        levels = ["none"]
    return tuple(Plan(way, calibration, level)  # type: ignore[arg-type]
                 for level, way in product(levels, ways if recipes > 1 else ways[:1]))


def fit(logits: Floats, labels: Labels, plan: Plan = PLAIN, series: Series | None = None) -> Combination:
    """Temperature of each recipe, weights, temperature of the pool, and what else the plan has, in this order.

    `series` is needed by the calibration of groups and by the hierarchy.
    """
    return next(combination for _, combination in fits(logits, labels, [plan], series))


def fits(logits: Floats, labels: Labels, plans: Sequence[Plan],
         series: Series | None = None) -> Iterator[tuple[Plan, Combination]]:
    """`fit` of several plans, which share what they have in common."""
    temperatures = tuple(temperature(z, labels) for z in logits)
    for way in dict.fromkeys(plan.weights for plan in plans):
        pooled = _pooled(logits, labels, temperatures, way)
        answers = pooled(logits)
        for plan in plans:
            if plan.weights == way:
                yield plan, _finished(pooled, answers, labels, plan, series)


def _pooled(logits: Floats, labels: Labels, temperatures: tuple[float, ...], way: Way) -> Combination:
    """Weights and the pool's temperature; the temperature of one recipe is already the best one."""
    count = len(temperatures)
    if count == 1:
        return Combination(temperatures, (1.0,), 1.0)
    if way == "optimised":
        sharp = optimised(logits, labels, temperatures)
        if sharp.sum() > 1 / TEMPERATURES[1]:  # else all of them are worse than chance
            return Combination(temperatures, tuple(map(float, sharp / sharp.sum())), float(1 / sharp.sum()))
    weights = np.full(count, 1 / count)
    if way == "inverse_log_loss":
        weights = inverse_loss_weights([log_loss(softmax(z, t), labels) for z, t in zip(logits, temperatures, strict=True)])
    plain = Combination(temperatures, tuple(map(float, weights)), 1.0)
    return replace(plain, temperature=temperature(logarithm(plain(logits)), labels))


def _finished(pooled: Combination, answers: Floats, labels: Labels, plan: Plan, series: Series | None) -> Combination:
    """`pooled`, whose probabilities are `answers`, with the groups' factors and the hierarchy that the plan asks for."""
    if plan.calibration == "groups":
        assert series is not None
        factors = sharpness(answers, labels, series)
        pooled, answers = replace(pooled, sharpness=tuple(map(float, factors))), sharpened(answers, factors)
    if plan.hierarchy == "series":
        assert series is not None
        pooled = replace(pooled, hierarchy=hierarchy.fit(answers, labels, series))
    return pooled


def cross_fitted(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], plan: Plan = PLAIN,
                 series: Series | None = None) -> npt.NDArray[np.float64]:
    """Probabilities (N, K) of every image under the plan fitted on the images of all other folds.

    More than 5 folds are gathered into 5 parts, whole, and a part's images are answered for by what the other parts say.
    """
    answers = np.empty(logits.shape[1:], dtype=np.float64)
    parts = folds % PARTS
    for part in np.unique(parts):
        here = parts == part
        answers[here] = fit(logits[:, ~here], labels[~here], plan, series)(logits[:, here])
    return answers


@dataclass(frozen=True)
class Comparison:
    """How `plans` did: `losses` (P, N), cross-fitted, in nats; `chosen` is the number of the plan whose mean is least.

    `answers` (N, K) are those of a nested choice: for every image, the plan that the other parts would choose, fitted on
    them. So their loss pays for the choice, which the least of several means does not.
    """

    plans: tuple[Plan, ...]
    losses: npt.NDArray[np.float64]
    answers: npt.NDArray[np.float64]

    @property
    def chosen(self) -> int:
        return int(self.losses.mean(axis=1).argmin())

    @property
    def plan(self) -> Plan:
        return self.plans[self.chosen]


def compare(logits: Floats, labels: Labels, folds: npt.NDArray[np.int8], plans: Sequence[Plan],
            series: Series | None = None) -> Comparison:
    """Nested cross-validation of the plans over the folds (gathered as in `cross_fitted`); one plan is only cross-fitted."""
    parts = folds % PARTS
    judged = _judged(logits, labels, parts, plans, series) if len(plans) > 1 else {}
    answers = np.empty(logits.shape[1:], dtype=np.float64)
    found = np.empty((len(plans), len(labels)))
    for part in np.unique(parts):
        here = parts == part
        best = judged[part].argmin() if judged else 0
        for plan, combination in fits(logits[:, ~here], labels[~here], plans, series):
            there = combination(logits[:, here])
            found[plans.index(plan), here] = losses(there, labels[here])
            if plans.index(plan) == best:
                answers[here] = there
    return Comparison(tuple(plans), found, answers)


def _judged(logits: Floats, labels: Labels, parts: npt.NDArray[np.int8], plans: Sequence[Plan],
            series: Series | None) -> dict[int, npt.NDArray[np.float64]]:
    """Part -> summed losses (P,) of the plans on the images of the other parts, which cross-fit each other without it;
    of many images, evenly spaced ones are enough to fit on."""
    numbers = np.unique(parts)
    sums = {int(part): np.zeros(len(plans)) for part in numbers}
    few = len(numbers) == 2  # nobody is left to cross-fit: the other part judges what was fitted on it
    for a, b in zip(numbers, numbers, strict=True) if few else combinations(numbers, 2):
        rest = np.flatnonzero((parts != a) & (parts != b))
        some = rest[::-(-len(rest) // ENOUGH)]
        for plan, combination in fits(logits[:, some], labels[some], plans, series):
            for left_out, judge in {(a, b), (b, a)}:
                here = np.flatnonzero(parts == judge) if a != b else rest
                sums[int(left_out)][plans.index(plan)] += losses(combination(logits[:, here]), labels[here]).sum()
    return sums
