"""The table of all classes: what it shows, and which decisions the edits made in it are."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from hai_core.fold import Curation
from hai_core.records import OK, Decision
from hai_core.series import series_decision, series_decisions, series_table
from hai_core.taxonomy import class_name
from hai_core.workspace import InputError

EDITED = ("series", "rename", "merge", "drop")


def class_table(catalog: pd.DataFrame, curation: Curation) -> pd.DataFrame:
    """A row a final class, in name order.

    Columns: class, images (readable, not excluded), holds (the classes of the folders that were merged into or renamed to
    it), series, and, to be filled in, rename, merge, drop.
    """
    usable = ~curation.excluded & (catalog["status"] == OK).to_numpy()
    sizes = pd.Series(curation.label[usable]).value_counts()
    holds: dict[str, list[str]] = defaultdict(list)
    for original, final in curation.mapping.items():
        if final:
            holds[final].append(original)
    names = sorted(holds)
    return pd.DataFrame({
        "class": names, "images": np.array([sizes.get(name, 0) for name in names], dtype=int),
        "holds": [", ".join(original for original in holds[name] if original != name) for name in names],
        "series": [curation.series.get(name, "") for name in names],
        "rename": "", "merge": "", "drop": False,
    }).astype({"holds": object, "series": object, "rename": object, "merge": object})


def edits(table: pd.DataFrame, edited: Mapping[int, Mapping[str, Any]]) -> list[Decision]:
    """The decisions that edits of `table` are: row number -> column -> new value, as `st.data_editor` reports them.

    Raises InputError when a class is to be renamed, merged and dropped at once, or a name is not a valid one.
    """
    decisions = []
    for row in sorted(edited):
        name = str(table["class"].iloc[row])
        new = {column: value for column, value in edited[row].items() if column in EDITED}
        if "series" in new and (new["series"] or "").strip() != table["series"].iloc[row]:
            decisions.append(series_decision(name, new["series"] or ""))
        moves = {column: value for column, value in new.items() if column != "series" and value}
        if len(moves) > 1:
            raise InputError(f"the class {name} is to be {' and '.join(moves)} at once; choose one")
        if "rename" in moves and class_name(moves["rename"]) != name:
            decisions.append(Decision("rename", label=name, value=class_name(moves["rename"])))
        if "merge" in moves and moves["merge"] != name:
            decisions.append(Decision("merge", label=name, value=moves["merge"]))
        if "drop" in moves:
            decisions.append(Decision("drop_class", label=name))
    return decisions


def series_proposal(table: pd.DataFrame, proposed: Mapping[str, str]) -> pd.DataFrame:
    """Columns class, images, now, series of every class of `class_table`: `series` is the proposed one, '' for none.

    Series by series, those first in which something changes; classes without a series last.
    """
    shown = pd.DataFrame({"class": table["class"], "images": table["images"], "now": table["series"],
                          "series": [proposed.get(name, "") for name in table["class"]]}).astype({"series": object})
    changing = set(shown["series"][shown["series"] != shown["now"]])
    order = pd.DataFrame({"none": shown["series"] == "", "same": ~shown["series"].isin(changing), "series": shown["series"],
                          "class": shown["class"]})
    return shown.loc[order.sort_values(["none", "same", "series", "class"], kind="stable").index].reset_index(drop=True)


def series_edits(shown: pd.DataFrame, edited: Mapping[int, Mapping[str, Any]], now: Mapping[str, str]) -> list[Decision]:
    """The decisions that make the series those of a `series_proposal` after a person's edits; none where nothing changes.

    `now`: class -> series by now, '' for none. A class that is gone is left out, and so is one whose series others have changed
    since, unless the person edited it. Raises InputError when a name is not a valid one.
    """
    wanted = {str(name): series for name, then, series in zip(shown["class"], shown["now"], shown["series"], strict=True)
              if now.get(name) == then}
    for row, new in edited.items():
        if "series" in new and shown["class"].iloc[row] in now:
            wanted[str(shown["class"].iloc[row])] = (new["series"] or "").strip()
    return [series_decision(name, series) for name, series in wanted.items() if series != now[name]]


def series_csv(curation: Curation) -> bytes:
    """What `series export` writes."""
    return series_table(curation).to_csv(index=False, lineterminator="\n").encode("utf-8-sig")


def read_series_csv(content: bytes, curation: Curation) -> list[Decision]:
    """What `series import` would decide. Raises InputError when it is no table of class, series, or names a class twice."""
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except ValueError as error:
        raise InputError(f"the file is not a readable table: {error}") from error
    missing = {"class", "series"} - set(table.columns)
    if missing:
        raise InputError(f"the file has no column {', '.join(sorted(missing))}")
    return series_decisions(table, curation)
