"""The confusion matrix: hundreds of classes on a canvas, of which a cell or a box is chosen, in one component.

The browser side is matrix.css, matrix_scale.js and matrix.js. Only the cells that hold images are sent, as base64 of
little-endian numbers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from hai_core import confusions
from pages.ui.text import count, shortened_apart
from pages.ui.words import section

NAMED = 120  # rows or columns up to which names may find room beside the cells

_here = Path(__file__).parent
_component = st.components.v2.component(
    "hai_matrix", css=(_here / "matrix.css").read_text("utf-8"), isolate_styles=False,
    js="".join((_here / f"{part}.js").read_text("utf-8") for part in ("nodes", "matrix_scale", "matrix")))

Cells = tuple[tuple[str, ...], tuple[str, ...]]  # labels, predicted classes: every cell of one of each
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matrix:
    """`counts` (M, M) of given label (row) by predicted class (column); `names` (M,) of both.

    The last row and column add up the classes `rest`, if there are any. `before` (M, M): what the first of two runs counted.
    """

    names: list[str]
    rest: list[str]
    counts: Counts
    before: Counts | None = None

    def classes_of(self, first: int, last: int) -> tuple[str, ...]:
        """The classes that the rows (or columns) from `first` to `last` stand for."""
        own = self.names[first:last + 1]
        return (*own[:-1], *self.rest) if self.rest and last == len(self.names) - 1 else tuple(own)

    def place(self, classes: Collection[str]) -> tuple[int, int] | None:
        """First and last row that stand for just these classes; None where they do not stand together."""
        wanted = set(classes)
        rows = [row for row, name in enumerate(self.names[:len(self.names) - bool(self.rest)]) if name in wanted]
        if self.rest and set(self.rest) <= wanted:
            rows.append(len(self.names) - 1)
        if not rows or set(self.classes_of(rows[0], rows[-1])) != wanted:
            return None
        return rows[0], rows[-1]


def arranged(counts: Counts, names: Sequence[str], limit: int, before: Counts | None = None) -> Matrix:
    """The `limit` classes with most errors (in both runs) in leaf order, all others added up in one last row and column."""
    found = confusions.arranged(counts if before is None else counts + before, limit)
    called, rest = [names[i] for i in found.shown], [names[i] for i in found.rest]
    if rest:
        called.append(count(len(rest), "other class"))
    if before is None:
        return Matrix(called, rest, found.counts)
    return Matrix(called, rest, confusions.added_up(counts, found.shown), confusions.added_up(before, found.shown))


def confusion_matrix(matrix: Matrix, key: str, *, chosen: Cells | None, window: Cells | None,
                     on_choose: Callable[[Cells | None], None], on_window: Callable[[Cells | None], None], title: str) -> None:
    """Show the matrix, or only its `window`, with `chosen` cells framed.

    `on_choose` gets the cells that the person clicks or draws a box over, `on_window` those to be shown alone; None: no longer.
    A choice on a matrix that is no longer shown is ignored.
    """
    rows, columns = _places(matrix, window) or ((0, len(matrix.names) - 1),) * 2
    cells = _in_window(matrix, rows, columns)
    small = max(rows[1] - rows[0], columns[1] - columns[0]) < NAMED
    short = shortened_apart(matrix.names, 22) if small else [""] * len(matrix.names)
    box = _places(matrix, chosen)
    data = {
        "rows": matrix.names[rows[0]:rows[1] + 1], "columns": matrix.names[columns[0]:columns[1] + 1],
        "short_rows": short[rows[0]:rows[1] + 1], "short_columns": short[columns[0]:columns[1] + 1],
        "totals": matrix.counts.sum(1)[rows[0]:rows[1] + 1].tolist(), **cells, "shift": columns[0] - rows[0],
        "rest": len(matrix.names) - 1 - rows[0] if matrix.rest else -1, "compared": matrix.before is not None,
        "part": _places(matrix, window) is not None, "title": title, "words": section("matrix"),
        "box": [box[0][0] - rows[0], box[0][1] - rows[0], box[1][0] - columns[0], box[1][1] - columns[0]] if box else None}
    shown = repr([data[name] for name in ("rows", "columns", "row", "column", "count", "before")])
    data["id"] = hashlib.sha256(shown.encode()).hexdigest()
    _component(key=key, data=data,
               on_chosen_change=lambda: _handle(matrix, key, data["id"], rows[0], columns[0], on_choose, on_window))


def _handle(matrix: Matrix, key: str, shown: str, row: int, column: int, on_choose: Callable[[Cells | None], None],
            on_window: Callable[[Cells | None], None]) -> None:
    event = st.session_state[key].get("chosen")
    if not event or event["number"] == st.session_state.get(f"{key}.answered"):
        return
    st.session_state[f"{key}.answered"] = event["number"]
    if event["id"] != shown:
        return
    cells = None
    if event["box"]:
        top, bottom, left, right = event["box"]
        cells = (matrix.classes_of(row + top, row + bottom), matrix.classes_of(column + left, column + right))
    (on_window if event["type"] == "window" else on_choose)(cells)


def _places(matrix: Matrix, cells: Cells | None) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """First and last row, first and last column."""
    if cells is None:
        return None
    rows, columns = matrix.place(cells[0]), matrix.place(cells[1])
    return (rows, columns) if rows and columns else None


def _in_window(matrix: Matrix, rows: tuple[int, int], columns: tuple[int, int]) -> dict[str, str]:
    """Cells with images: their row and column in the window, and how many; how many there were before."""
    part = np.s_[rows[0]:rows[1] + 1, columns[0]:columns[1] + 1]
    now = matrix.counts[part]
    was = np.zeros_like(now) if matrix.before is None else matrix.before[part]
    row, column = np.nonzero(now + was)
    return {"row": _base64(row.astype("<u2")), "column": _base64(column.astype("<u2")),
            "count": _base64(now[row, column].astype("<u4")), "before": _base64(was[row, column].astype("<u4"))}


def _base64(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
