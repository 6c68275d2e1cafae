"""How many planted faults a finding table, or a person's decisions, found: for datasets that come with a truth.csv."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import pandas as pd

from hai_core import taxonomy
from hai_core.demo.plan import TRUTH
from hai_core.workspace import InputError, read_table

COPIES, BAD = ("exact_duplicate", "near_duplicate"), ("dark", "blurry", "junk", "unreadable")
FAULTS = {"duplicates": COPIES, "quality": BAD, "noise": ("wrong_label",), "outliers": ("junk", "dark", "blurry"),
          "merges": ("twin_class",)}
PROBLEMS = {"dark": {"dark"}, "blurry": {"blurry"}, "unreadable": {"unreadable"}, "junk": {"low_information", "light", "dark"}}
MILD = {"odd_size", "odd_aspect_ratio", "grayscale"}  # true of some clean images too, so never a false alarm
FIRST = {"outliers": 48, "merges": 10}  # rows of a ranked table that a person looks at


@dataclass(frozen=True)
class Score:
    """`planted`: the rows of truth that could be found, with a column `found`; `false_alarms`: paths or 'class = class'
    that were reported or acted on although nothing was planted there."""

    planted: pd.DataFrame
    false_alarms: list[str]

    @property
    def by_fault(self) -> pd.DataFrame:
        """Columns fault, planted, found: one row a kind of fault."""
        counts = self.planted.groupby("fault", sort=False).found.agg(planted="size", found="sum").reset_index()
        return counts.astype({"found": int})

    def __str__(self) -> str:
        alarms = len(self.false_alarms)
        found = f"{int(self.planted.found.sum())} of {len(self.planted)} planted faults found"
        return f"{found}, {alarms} false alarm{'' if alarms == 1 else 's'}"


def truth_for(images: Path) -> pd.DataFrame | None:
    """The truth of the dataset with this image root (`truth.csv` beside it; paths in NFC), or None when it has none."""
    file = images.parent / "truth.csv"
    if not file.is_file():
        return None
    table = read_table(file)
    return table[TRUTH].map(lambda value: unicodedata.normalize("NFC", value)) if set(TRUTH) <= set(table.columns) else None


def check_findings(kind: str, table: pd.DataFrame, truth: pd.DataFrame) -> Score:
    """Compare a finding table (columns of its kind, from memory or CSV) with the truth.

    What counts as reported: for duplicates a shared group, for quality any row, for noise `flagged`. Outliers and merges are
    ranked: found is what stands among the first FIRST rows, and there are no false alarms, because a rank claims nothing.

    Raises InputError for a kind that reports no single image or pair.
    """
    if kind not in FAULTS:
        raise InputError(f"{kind} findings cannot be checked against planted faults; these can: {', '.join(FAULTS)}")
    planted = truth[truth.fault.isin(FAULTS[kind])].copy()
    check = {"duplicates": _duplicates, "quality": _quality, "noise": _noise, "outliers": _outliers, "merges": _merges}[kind]
    planted["found"], alarms = check(table, planted, truth)
    return Score(planted.astype({"found": bool}), sorted(alarms))


def _true(column: pd.Series) -> pd.Series:
    return column.astype(str).str.lower().isin(["true", "1"])


def _paths(truth: pd.DataFrame, *faults: str) -> set[str]:
    return set(truth[truth.fault.isin(faults)].path)


def _duplicates(table: pd.DataFrame, planted: pd.DataFrame, truth: pd.DataFrame) -> tuple[list[bool], set[str]]:
    group = dict(zip(table.path, table.group, strict=True))
    kept = dict(zip(table.group[_true(table.keep)], table.path[_true(table.keep)], strict=True))
    pairs = {frozenset(pair) for pair in zip(planted.path, planted.source, strict=True)}
    junk = _paths(truth, "junk")
    others = {str(path) for path, g in group.items()
              if kept.get(g, path) != path and path not in junk and frozenset((path, kept[g])) not in pairs}
    return [a in group and group[a] == group.get(b) for a, b in zip(planted.path, planted.source, strict=True)], others


def _quality(table: pd.DataFrame, planted: pd.DataFrame, truth: pd.DataFrame) -> tuple[list[bool], set[str]]:
    seen = table.groupby("path").problem.agg(set).to_dict()
    expected = _paths(truth, *BAD, *COPIES)
    return ([bool(seen.get(path, set()) & PROBLEMS[fault]) for path, fault in zip(planted.path, planted.fault, strict=True)],
            {str(path) for path, problems in seen.items() if path not in expected and problems - MILD})


def _noise(table: pd.DataFrame, planted: pd.DataFrame, truth: pd.DataFrame) -> tuple[list[bool], set[str]]:
    flagged = table[_true(table.flagged)]
    doubtful = _paths(truth, *BAD, "wrong_label") | set(truth[truth.detail == "cross_class"].path)
    twins = _twins(truth)
    clean = [p for p, label, other in zip(flagged.path, flagged.label, flagged.suggested_label, strict=True)
             if p not in doubtful and frozenset((label, other)) not in twins]
    return planted.path.isin(flagged.path).tolist(), set(clean)


def _outliers(table: pd.DataFrame, planted: pd.DataFrame, truth: pd.DataFrame) -> tuple[list[bool], set[str]]:
    order = table.assign(score=table.score.astype(float)).sort_values("score", kind="stable")
    first = order.path.head(FIRST["outliers"])
    return planted.path.isin(first).tolist(), set()


def _merges(table: pd.DataFrame, planted: pd.DataFrame, truth: pd.DataFrame) -> tuple[list[bool], set[str]]:
    order = table.assign(score=table.score.astype(float)).sort_values("score", ascending=False,
                                                                      kind="stable").head(FIRST["merges"])
    first = [frozenset(pair) for pair in zip(order.class_a, order.class_b, strict=True)]
    return [frozenset(pair) in first for pair in zip(planted.path, planted.source, strict=True)], set()


def _twins(truth: pd.DataFrame) -> set[frozenset[str]]:
    twins = truth[truth.fault == "twin_class"]
    return {frozenset(pair) for pair in zip(twins.path, twins.source, strict=True)}


def check_decisions(entries: pd.DataFrame, truth: pd.DataFrame, classes: Iterable[str],
                    unreadable: Collection[str] = ()) -> Score:
    """Compare live decisions (columns action, path, label, other, value; in journal order) with the truth.

    `classes` are the dataset's original class names; `unreadable` the paths that the catalog lists as such, which finds them:
    nothing is left to decide about them. Found means: a copy or a bad image excluded (of a pair, either one), a
    wrong label set right or its image excluded, twin classes merged. Everything else that was excluded, relabelled, merged
    or dropped is a false alarm.
    """
    excluded = _last(entries, ("exclude", "restore"), "exclude")
    relabelled = _last(entries, ("relabel", "label_ok", "unsure"), "relabel")
    mapping = taxonomy.final_labels(classes, _successors(entries))
    twins = _twins(truth)

    def same(a: str, b: str) -> bool:
        return mapping.get(a, a) == mapping.get(b, b) or frozenset((a, b)) in twins

    misplaced = truth[(truth.fault == "wrong_label") | (truth.detail == "cross_class")]
    right = dict(zip(misplaced.path, misplaced.true_label, strict=True))
    relabels_right = {path for path, value in relabelled.items() if same(value, right.get(path, path.split("/")[0]))}

    def found(row: pd.Series) -> bool:
        if row.fault in COPIES:
            return row.path in excluded or (row.source in excluded and (row.path not in right or row.path in relabels_right))
        if row.fault == "twin_class":
            return mapping.get(row.path) == mapping.get(row.source) != taxonomy.DROPPED
        if row.fault == "unreadable" and row.path in unreadable:
            return True
        return row.path in excluded or (row.fault == "wrong_label" and row.path in relabels_right)

    planted = truth[truth.fault != "format"].copy()
    planted["found"] = [found(row) for _, row in planted.iterrows()]
    spare = set(planted[planted.fault.isin(COPIES) & ~planted.path.isin(list(excluded))].source)
    alarms = set(excluded) - set(planted.path) - spare
    alarms |= set(relabelled) - relabels_right - set(excluded)
    return Score(planted, sorted(alarms) + _merged_wrongly(mapping, twins))


def _last(entries: pd.DataFrame, field: tuple[str, ...], action: str) -> dict[str, str]:
    """path -> value, of the images whose last decision among the actions of a field is `action`."""
    last = entries[entries.action.isin(field)].drop_duplicates("path", keep="last")
    last = last[last.action == action]
    return dict(zip(last.path, last.value, strict=True))


def _successors(entries: pd.DataFrame) -> dict[str, str]:
    rows = entries[entries.action.isin(["merge", "rename", "drop_class"])]
    values = rows.value.where(rows.action != "drop_class", taxonomy.DROPPED)
    return dict(zip(rows.label, values, strict=True))


def _merged_wrongly(mapping: dict[str, str], twins: set[frozenset[str]]) -> list[str]:
    """'A = B' for classes that ended up as one and are not, and the classes that were dropped."""
    together: dict[str, list[str]] = {}
    for name, final in mapping.items():
        together.setdefault(final, []).append(name)
    dropped = sorted(together.pop(taxonomy.DROPPED, []))
    pairs = [pair for names in together.values() for pair in combinations(sorted(names), 2)]
    return dropped + sorted(" = ".join(pair) for pair in pairs if frozenset(pair) not in twins)
