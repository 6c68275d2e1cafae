"""What a run answered about images that it did not train on, ready to be asked about classes and images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import confusions
from hai_core.probabilities import losses


@dataclass(frozen=True)
class Answers:
    """Of the run `run`: `paths` (N,), `labels` (N,) as numbers of `classes` (K,), `probabilities` (N, K), rows summing to 1.

    `series`: class -> series. `disagreement` (N,): 0 where all recipes say the same .. 1 (see confusions.disagreement); None
    where it is not known.
    """

    run: str
    classes: list[str]
    series: dict[str, str]
    paths: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    disagreement: npt.NDArray[np.float64] | None = None

    @cached_property
    def predicted(self) -> npt.NDArray[np.int64]:
        """Number of the most probable class (N,)."""
        answer: npt.NDArray[np.int64] = self.probabilities.argmax(1)
        return answer

    @cached_property
    def losses(self) -> npt.NDArray[np.float64]:
        """Nats (N,)."""
        return losses(self.probabilities, self.labels)

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """(K, K) images by label (row) and predicted class (column)."""
        return confusions.matrix(self.labels, self.predicted, len(self.classes))

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Confused classes, the worst first."""
        return confusions.pairs(self.labels, self.probabilities, self.classes)

    @cached_property
    def by_class(self) -> pd.DataFrame:
        return confusions.per_class(self.labels, self.probabilities, self.classes, self.series)

    @property
    def tables(self) -> dict[str, Callable[[], pd.DataFrame]]:
        """What may be exported: name -> function that makes the table. `matrix` has a row and a column for each class."""
        made: dict[str, Callable[[], pd.DataFrame]] = {
            "matrix": lambda: confusions.as_table(self.counts, self.classes), "pairs": lambda: self.pairs,
            "classes": lambda: self.by_class}
        if self.series:
            made["series"] = lambda: self.by_series
        return made | {"images": lambda: self.about(self.worst())}

    @cached_property
    def by_series(self) -> pd.DataFrame:
        return confusions.per_series(self.labels, self.probabilities, self.classes, self.series)

    def rows(self, labels: Sequence[str], predicted: Sequence[str]) -> npt.NDArray[np.int64]:
        """Images whose label is among `labels` and predicted class among `predicted`, the least probable label first."""
        number = {name: i for i, name in enumerate(self.classes)}
        wanted = np.isin(self.labels, [number[name] for name in labels])
        wanted &= np.isin(self.predicted, [number[name] for name in predicted])
        return self.worst(np.flatnonzero(wanted))

    def worst(self, rows: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.int64]:
        """`rows` (all images without) in the order of what they cost: those whose own label got the least probability first."""
        given = self.probabilities[np.arange(len(self.labels)), self.labels]
        rows = np.arange(len(given)) if rows is None else rows
        return rows[np.argsort(given[rows], kind="stable")]

    def about(self, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        """`path`, `label`, `predicted`, the probabilities of both, `p_label` and `p_predicted`, and `loss` of the given images;
        `disagreement` where it is known."""
        names = np.array(self.classes, dtype=object)
        label, predicted = self.labels[rows], self.predicted[rows]
        table = pd.DataFrame({"path": self.paths[rows], "label": names[label], "predicted": names[predicted],
                              "p_label": self.probabilities[rows, label], "p_predicted": self.probabilities[rows, predicted],
                              "loss": self.losses[rows]})
        return table if self.disagreement is None else table.assign(disagreement=self.disagreement[rows])
