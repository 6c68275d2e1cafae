"""Which classes a confusion matrix shows, and in which order: the most confused, those confused with each other together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hai_core.confusions import leaf_order
from pages.ui.text import count


@dataclass(frozen=True)
class Matrix:
    """`counts` (M, M) of given label (row) by predicted (column); `names` (M,) of its rows, the last one for `rest` if any."""

    counts: npt.NDArray[np.int64]
    names: list[str]
    rest: list[str]  # classes that the last row and column add up

    def classes_of(self, name: str) -> list[str]:
        """The classes that a row stands for."""
        return self.rest if self.rest and name == self.names[-1] else [name]


def arranged(counts: npt.NDArray[np.int64], names: Sequence[str], limit: int = 60) -> Matrix:
    """The `limit` classes with most errors of a (K, K) matrix in leaf order; all others added up in one last row and column."""
    errors = _errors_of(counts)
    shown = np.argsort(-errors, kind="stable")[:limit]
    shown = shown[leaf_order(counts[np.ix_(shown, shown)])]
    rest = np.setdiff1d(np.arange(len(names)), shown)
    small = counts[np.ix_(shown, shown)]
    listed = [names[i] for i in shown]
    if not len(rest):
        return Matrix(small, listed, [])
    last_column = counts[np.ix_(shown, rest)].sum(1, keepdims=True)
    last_row = np.append(counts[np.ix_(rest, shown)].sum(0), counts[np.ix_(rest, rest)].sum())
    added_up = np.vstack([np.hstack([small, last_column]), last_row])
    return Matrix(added_up, [*listed, count(len(rest), "other class")], [names[i] for i in rest])


def _errors_of(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    hits = np.diag(counts)
    return counts.sum(0) + counts.sum(1) - 2 * hits
