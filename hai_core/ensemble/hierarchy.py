"""Series and class: how sure of the series and how sure of the class within it are put right one by one.

    p(class) = p(series) p(class | series)

A model may be too sure which facelift a car is and rightly sure of its line. With a temperature for each factor this is the
nested logit model (McFadden, "Modelling the choice of residential location", 1978); it is pooled with the probabilities as they
were, p(class) ** a (p(series) p(class | series)) ** b, exponents by log loss. `series` (K,) is the number of each class's
series, 0 .. S - 1; a class without one is alone in a series of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hai_core.ensemble.weights import optimised
from hai_core.probabilities import Floats, Labels, logarithm, softmax, temperature

_NEVER = -1e6  # logit of a place that no class takes


@dataclass(frozen=True)
class Hierarchy:
    """Temperatures of p(series) and of p(class | series), and the `exponents` of p(class) and of their product in the pool."""

    series: tuple[int, ...]
    series_temperature: float
    class_temperature: float
    exponents: tuple[float, float]

    def __call__(self, probabilities: Floats) -> npt.NDArray[np.float64]:
        """Probabilities (N, K) -> (N, K)."""
        flat, whole = self.exponents
        return softmax(flat * logarithm(probabilities) + whole * logarithm(self.product(probabilities)))

    def product(self, probabilities: Floats) -> npt.NDArray[np.float64]:
        """p(series) p(class | series), each at its temperature, (N, K)."""
        series, members = np.array(self.series), _members(self.series)
        of_series = _summed(probabilities, members)
        within = np.exp((logarithm(probabilities) - logarithm(of_series)[:, series]) / self.class_temperature)
        within /= _summed(within, members)[:, series]
        return np.asarray(within * softmax(logarithm(of_series), self.series_temperature)[:, series])


def numbered(classes: Sequence[str], series: Mapping[str, str]) -> npt.NDArray[np.intp]:
    """(K,) number of each class's series; a class without one is the series of its own name."""
    names = [series.get(name) or name for name in classes]
    return np.unique(names, return_inverse=True)[1].astype(np.intp)


def fit(probabilities: Floats, labels: Labels, series: npt.NDArray[np.intp]) -> Hierarchy:
    """Both temperatures by log loss, which falls apart into one sum for each; then the exponents (`weights.optimised`)."""
    members = _members(series)
    of_series = _summed(probabilities, members)
    several = np.flatnonzero(np.bincount(series)[series[labels]] > 1)
    columns = members[series[labels[several]]]  # (n, M): the classes that share the image's series
    logits = np.where(columns >= 0, logarithm(np.take_along_axis(probabilities[several], np.maximum(columns, 0), 1)), _NEVER)
    place = (columns == labels[several, None]).argmax(axis=1)
    whole = Hierarchy(tuple(map(int, series)), temperature(logarithm(of_series), series[labels]),
                      temperature(logits, place) if len(several) else 1.0, (0.0, 1.0))
    flat, product = optimised(np.stack([logarithm(probabilities), logarithm(whole.product(probabilities))]), labels)
    return replace(whole, exponents=(float(flat), float(product)))


def _members(series: Sequence[int] | npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """(S, M) the classes of each series, -1 beyond its last."""
    numbers = np.asarray(series)
    classes = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    table = np.full((len(classes), max(map(len, classes))), -1, dtype=np.intp)
    for row, columns in zip(table, classes, strict=True):
        row[:len(columns)] = columns
    return table


def _summed(values: Floats, members: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Sums (N, S) over the classes of each series."""
    total = np.zeros((len(values), len(members)))
    for columns in members.T:
        there = columns >= 0
        total[:, there] += values[:, columns[there]]
    return total
