"""What a run answered about every image that a member did not train on, ready to be asked about classes and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hai_core import confusions, runs
from pages.ui import loaders


@dataclass(frozen=True)
class Answers:
    """Out-of-fold answers of a run: `paths` (N,), `labels` (N,) as numbers of `classes` (K,), `probabilities` (N, K)."""

    run: str  # its id
    classes: list[str]
    series: dict[str, str]
    paths: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]

    @cached_property
    def predicted(self) -> npt.NDArray[np.int64]:
        answer: npt.NDArray[np.int64] = self.probabilities.argmax(1)
        return answer

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

    @cached_property
    def by_series(self) -> pd.DataFrame:
        return confusions.per_series(self.labels, self.probabilities, self.classes, self.series)

    def rows(self, labels: Sequence[str], predicted: Sequence[str]) -> npt.NDArray[np.int64]:
        """Images whose label is among `labels` and predicted class among `predicted`, the least probable label first."""
        number = {name: i for i, name in enumerate(self.classes)}
        wanted = np.isin(self.labels, [number[name] for name in labels])
        wanted &= np.isin(self.predicted, [number[name] for name in predicted])
        rows = np.flatnonzero(wanted)
        return rows[np.argsort(self.probabilities[rows, self.labels[rows]], kind="stable")]

    def worst(self, count: int) -> npt.NDArray[np.int64]:
        """The images whose own label got the least probability."""
        given = self.probabilities[np.arange(len(self.labels)), self.labels]
        return np.argsort(given, kind="stable")[:count]

    def about(self, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        """`path`, `label`, `predicted` and the probabilities of both, `p_label` and `p_predicted`, of the given images."""
        names = np.array(self.classes, dtype=object)
        label, predicted = self.labels[rows], self.predicted[rows]
        return pd.DataFrame({"path": self.paths[rows], "label": names[label], "predicted": names[predicted],
                             "p_label": self.probabilities[rows, label], "p_predicted": self.probabilities[rows, predicted]})


def answers(path: str) -> Answers:
    """Of the finished run in the folder `path`."""
    return _answers(path, loaders.stamp(Path(path) / "oof.parquet"))


@st.cache_resource(max_entries=2, show_spinner=False)
def _answers(path: str, key: object) -> Answers:
    run = runs.load(path)
    return Answers(run.id, run.classes, run.manifest.series, run.oof["path"].to_numpy(object), run.labels, run.probabilities)
