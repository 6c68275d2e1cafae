"""The journal's decisions as rows of a table, and which of them a person asked for. Pure functions of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pages.ui.activity import local

STATES = ("holds", "undone", "stale")
SEARCHED = ("path", "label", "other", "value", "reason", "note")


@dataclass(frozen=True)
class Wanted:
    """What is asked for; an empty part asks for everything."""

    words: str = ""  # each must occur, in upper or lower case
    actions: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    since: pd.Timestamp | None = None  # on the person's clock, as `when` is
    before: pd.Timestamp | None = None


def told(entries: pd.DataFrame, batches: pd.DataFrame, stale: Mapping[int, str], zone: str | None) -> pd.DataFrame:
    """`entries` without the evidence, newest first, with `state` (of STATES), `stale` (why it is not applied, or ''), `when`
    (on the person's clock) and `note`. `stale`: number of a decision -> why it is not applied."""
    batch = batches.set_index("id")
    why = pd.Series([stale.get(seq, "") for seq in entries["seq"].tolist()], index=entries.index, dtype="str")
    table = entries.drop(columns="evidence").assign(
        stale=why, state=np.select([~entries["live"], why != ""], ["undone", "stale"], "holds"),
        when=entries["batch"].map(local(batch["time"], zone)), note=entries["batch"].map(batch["note"]))
    return table.iloc[::-1].reset_index(drop=True)


def matching(table: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """The rows of `told` that are asked for."""
    keep = np.ones(len(table), dtype=bool)
    for name, values in (("action", wanted.actions), ("author", wanted.authors), ("state", wanted.states)):
        if values:
            keep &= table[name].isin(values).to_numpy()
    if wanted.since is not None:
        keep &= (table["when"] >= wanted.since).to_numpy()
    if wanted.before is not None:
        keep &= (table["when"] < wanted.before).to_numpy()
    table = table[keep]
    words = wanted.words.casefold().split()
    if not words:
        return table
    columns = [table[name].str.casefold() for name in SEARCHED]
    hit = np.logical_and.reduce([np.logical_or.reduce([c.str.contains(word, regex=False).to_numpy() for c in columns])
                                 for word in words])
    return table[hit]


def between(span: str, now: pd.Timestamp, first: pd.Timestamp | None = None,
            last: pd.Timestamp | None = None) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Start and end of a span of time: any, hour, today, week (seven days), or dates (`first` to the end of `last`)."""
    if span == "dates":
        return first, None if last is None else last + pd.Timedelta(1, "day")
    starts = {"hour": now - pd.Timedelta(1, "h"), "today": now.normalize(), "week": now - pd.Timedelta(7, "day")}
    return starts.get(span), None
