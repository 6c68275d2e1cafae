"""Tables -> decisions: a spreadsheet of decisions, and what a finding table suggests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from hai_core.fold import Curation
from hai_core.records import Decision
from hai_core.taxonomy import DROPPED
from hai_core.workspace import InputError

QUALITY_FINDING = 0.5  # scores below it are findings; a table made with --all lists the others too
COLUMNS = ("action", "path", "class", "other", "value", "reason")


def read_decisions(table: pd.DataFrame) -> list[Decision]:
    """The decisions of a `decide --from` table, one a row; unused columns may be missing.

    Raises InputError for a column that is not one of COLUMNS, or no `action` column. What is wrong with single rows is
    found when they are appended to the journal.
    """
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    if unknown:
        raise InputError(f"unknown column {', '.join(map(repr, unknown))}; the columns of decisions are {', '.join(COLUMNS)}")
    if "action" not in table.columns:
        raise InputError(f"there is no column 'action'; the columns of decisions are {', '.join(COLUMNS)}")
    texts = table.reindex(columns=list(COLUMNS)).astype(object).where(lambda cells: cells.notna(), "").astype(str)
    return [Decision(action.strip(), path=path, label=label, other=other, value=value, reason=reason)
            for action, path, label, other, value, reason in texts.itertuples(index=False)]


def suggestions(kind: str, findings: pd.DataFrame, above: float | None = None) -> list[Decision]:
    """What a finding table proposes to do, as decisions that nobody has made yet.

    duplicates: exclude every copy that is not the one to keep, in groups that have one. quality: exclude each image with a
    finding. noise: relabel the flagged images to the suggested label. outliers: exclude. merges: merge class_b into class_a (of
    a chain, all into one).

    `above` keeps the suggestions of at least that strength, 0 weak .. 1 sure: 1 - score for quality, noise and outliers, the
    score for merges, and for duplicates 1 - distance (bits are divided by 64). Outliers and merges are rankings without a
    threshold of their own and need it. Raises InputError without it, for a strength outside 0 .. 1, and for a kind that
    suggests nothing.
    """
    if kind not in _SUGGEST:
        raise InputError(f"findings of kind {kind!r} suggest no decisions; {', '.join(_SUGGEST)} do")
    if above is None and kind in ("outliers", "merges"):
        raise InputError(f"{kind} are a ranking without a threshold: say from which strength on to accept them, with --above")
    if above is not None and not 0 <= above <= 1:
        raise InputError(f"--above {above} is not between 0 and 1")
    needed, suggest = _SUGGEST[kind]
    missing = [name for name in needed if name not in findings.columns]
    if missing:
        raise InputError(f"the {kind} table has no column {', '.join(missing)}")
    return suggest(findings, float("-inf") if above is None else above)


def undecided(suggested: Sequence[Decision], catalog: pd.DataFrame, curation: Curation) -> list[Decision]:
    """Those of `suggestions` that go against nothing a person has decided meanwhile, and are not done yet.

    Left out: images that are excluded or were brought back, labels and qualities that were decided on, copies that were said to
    be none or whose kept image is excluded or gone, and merges of classes that are one already, were dropped, or are to stay
    apart, also by way of a third class.
    """
    row = dict(zip(catalog["path"], range(len(catalog)), strict=True))
    united = {name: {name} for name in curation.mapping.values()}  # final class -> what it would be one with

    def merged(decision: Decision) -> bool:
        """Whether the merge can be made; if so, it is for those that follow."""
        one, other = (curation.mapping.get(name, name) for name in (decision.label, decision.value))
        if DROPPED in (one, other):
            return False
        mine, theirs = united.setdefault(one, {one}), united.setdefault(other, {other})
        if mine is theirs or any(frozenset(pair) in curation.keep_apart for pair in product(mine, theirs)):
            return False
        mine |= theirs
        united.update(dict.fromkeys(mine, mine))
        return True

    def undecided_image(decision: Decision) -> bool:
        at = row.get(decision.path)
        if at is None:  # the journal will say so
            return True
        finding = decision.evidence["finding"]
        if curation.excluded[at] or (finding in curation.reviewed and curation.reviewed[finding][at]):
            return False
        if decision.action == "relabel":
            return bool(curation.mapping.get(decision.value, decision.value) != curation.label[at])
        return not curation.restored[at] and (finding != "duplicates" or _is_kept(decision.evidence["kept"], decision.path))

    def _is_kept(kept: str, copy: str) -> bool:
        at = row.get(kept)
        there = Path(kept).is_absolute() if at is None else not curation.excluded[at]  # absolute: it is in another folder
        return there and frozenset((copy, kept)) not in curation.not_duplicates

    return [decision for decision in suggested
            if (merged(decision) if decision.action == "merge" else undecided_image(decision))]


def kind_of(findings: pd.DataFrame) -> str:
    """The kind of a finding table, told by its columns. Raises InputError when it is none that suggests decisions."""
    fits = [kind for kind, (needed, _) in _SUGGEST.items() if set(needed) <= set(findings.columns)]
    if not fits:
        raise InputError("this is no table of findings that suggest decisions (duplicates, quality, noise, outliers, merges)")
    return max(fits, key=lambda kind: len(_SUGGEST[kind][0]))


def _duplicates(table: pd.DataFrame, above: float) -> list[Decision]:
    kept = _flags(table, "keep")
    keeper = dict(zip(table["group"][kept], table["path"][kept], strict=True))
    distance = _numbers(table, "distance")
    strength = 1 - distance.where(table["unit"] != "bits", distance / 64)
    chosen = table.assign(distance=distance)[~kept & (strength >= above) & table["group"].isin(keeper)]
    made = []
    for row in _rows(chosen):
        seen = _seen("duplicates", row, ("kind", "distance", "unit", "reason")) | {"kept": keeper[row["group"]]}
        made.append(Decision("exclude", path=row["path"], reason=f"copy of {seen['kept']}", evidence=seen))
    return made


def _quality(table: pd.DataFrame, above: float) -> list[Decision]:
    score = _numbers(table, "score")
    chosen = table.assign(score=score)[(score < QUALITY_FINDING) & (1 - score >= above)]
    return [Decision("exclude", path=str(path), reason="; ".join(dict.fromkeys(rows["reason"])),
                     evidence={"finding": "quality", "problems": sorted(set(rows["problem"])),
                               "score": float(rows["score"].min())})
            for path, rows in chosen.groupby("path", sort=False)]


def _noise(table: pd.DataFrame, above: float) -> list[Decision]:
    score = _numbers(table, "score")
    suggested = table["suggested_label"].fillna("")
    other = (suggested != table["label"]) & (suggested != "")
    chosen = table.assign(score=score)[_flags(table, "flagged") & other & (1 - score >= above)]
    return [Decision("relabel", path=row["path"], value=row["suggested_label"], reason="suggested label accepted",
                     evidence=_seen("noise", row, ("label", "suggested_label", "score"))) for row in _rows(chosen)]


def _outliers(table: pd.DataFrame, above: float) -> list[Decision]:
    score = _numbers(table, "score")
    return [Decision("exclude", path=row["path"], reason="outlier", evidence=_seen("outliers", row, ("score",)))
            for row in _rows(table.assign(score=score)[1 - score >= above])]


def _merges(table: pd.DataFrame, above: float) -> list[Decision]:
    score = _numbers(table, "score")
    into: dict[str, str] = {}

    def root(name: str) -> str:
        while name in into:
            name = into[name]
        return name

    made = []
    for row in _rows(table.assign(score=score)[score >= above].sort_values("score", ascending=False, kind="stable")):
        target, merged = root(row["class_a"]), root(row["class_b"])
        if target != merged:
            into[merged] = target
            made.append(Decision("merge", label=merged, value=target, reason="proposed merge accepted",
                                 evidence=_seen("merges", row, ("class_a", "class_b", "score"))))
    return made


_SUGGEST: dict[str, tuple[tuple[str, ...], Callable[[pd.DataFrame, float], list[Decision]]]] = {
    "duplicates": (("group", "path", "kind", "distance", "unit", "keep", "reason"), _duplicates),
    "quality": (("path", "problem", "score", "reason"), _quality),
    "noise": (("path", "label", "suggested_label", "score", "flagged"), _noise),
    "outliers": (("path", "score"), _outliers),
    "merges": (("class_a", "class_b", "score"), _merges),
}


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _seen(kind: str, row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {"finding": kind} | {name: row[name] for name in names}


def _numbers(table: pd.DataFrame, column: str) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce").astype("float64")
    if numbers.isna().any():
        row = int(numbers.isna().to_numpy().argmax())
        raise InputError(f"row {row + 1}: the {column} {table[column].iloc[row]!r} is not a number")
    return numbers


def _flags(table: pd.DataFrame, column: str) -> pd.Series:
    flags = table[column].astype(str).str.lower().map({"true": True, "1": True, "false": False, "0": False})
    if flags.isna().any():
        row = int(flags.isna().to_numpy().argmax())
        raise InputError(f"row {row + 1}: {column} is {table[column].iloc[row]!r}, not True or False")
    return flags.astype(bool)
