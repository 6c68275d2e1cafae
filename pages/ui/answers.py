"""What runs answered, kept in memory while a page asks about it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core import compare, runs
from hai_core.answers import Answers
from hai_core.compare import Common
from pages.ui import loaders, matrix
from pages.ui.matrix import Matrix
from pages.ui.words import language


def _stamp(path: str) -> object:
    return path, loaders.stamp(Path(path) / "oof.parquet"), loaders.stamp(Path(path) / "disagreement.parquet")


def answers(path: str) -> Answers:
    """Out of fold, of the finished run in the folder `path`."""
    return _answers(path, _stamp(path))


@st.cache_resource(max_entries=2, show_spinner=False)
def _answers(path: str, key: object) -> Answers:
    return runs.load(path).answers


def common(before: str, after: str) -> Common:
    """What two finished runs say, out of fold, about the images that both trained on and label alike."""
    return _common(before, after, (_stamp(before), _stamp(after)))


@st.cache_resource(max_entries=2, show_spinner=False)
def _common(before: str, after: str, key: object) -> Common:
    return compare.out_of_fold(runs.load(before), runs.load(after))


def arranged(run: str, other: str | None, limit: int) -> Matrix:
    """The matrix of a run, or of what it changed in comparison with another, of the `limit` classes with most errors."""
    return _arranged(run, other, limit, (_stamp(run), other and _stamp(other), language()))


@st.cache_resource(max_entries=8, show_spinner=False)
def _arranged(run: str, other: str | None, limit: int, key: object) -> Matrix:
    if other is None:
        found = answers(run)
        return matrix.arranged(found.counts, found.classes, limit)
    both = common(other, run)
    return matrix.arranged(both.counts(both.after), both.classes, limit, both.counts(both.before))
