"""The series of every class as a table, and a table as the decisions that make it so."""

from __future__ import annotations

import pandas as pd

from hai_core.fold import Curation
from hai_core.records import Decision
from hai_core.taxonomy import class_name, known_name
from hai_core.workspace import InputError


def series_table(curation: Curation) -> pd.DataFrame:
    """Columns class, series: a row for each final class, in name order; series '' for none."""
    names = sorted(set(curation.mapping.values()) - {""})
    return pd.DataFrame({"class": names, "series": [curation.series.get(name, "") for name in names]}, dtype="str")


def series_decision(name: str, series: str) -> Decision:
    """Put the class into a series. An empty one takes it out (a class is by itself the series of its own name)."""
    return Decision("series", label=name, value=class_name(series, "series") if series.strip() else name)


def series_decisions(table: pd.DataFrame, curation: Curation) -> list[Decision]:
    """The decisions that make the series those of `table` (columns class, series); rows that change nothing are left out.

    Raises InputError when it names a class twice. Whether the classes exist is the journal's to say.
    """
    names = pd.Series([known_name(name, curation.mapping) for name in table["class"]], dtype="str")
    if names.duplicated().any():
        raise InputError(f"the table lists the class {names[names.duplicated()].iloc[0]} twice")
    wanted = zip(names, table["series"].str.strip(), strict=True)
    return [series_decision(name, series) for name, series in wanted if series != curation.series.get(name, "")]
