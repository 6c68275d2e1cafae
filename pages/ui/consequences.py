"""What undoing would change, grouped by what a person sees happen: images that come back, go away, change their label."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

# (what differs, whether it is there afterwards) -> kind of group, in the order shown
KINDS = {("excluded", False): "back", ("excluded", True): "away", ("label", True): "label", ("label", False): "no_label",
         ("unsure", True): "unsure", ("unsure", False): "sure", ("tag", True): "tag", ("tag", False): "no_tag",
         ("not duplicates", False): "duplicates", ("not duplicates", True): "not_duplicates",
         ("label reviewed", False): "label_open", ("label reviewed", True): "label_reviewed",
         ("quality reviewed", False): "quality_open", ("quality reviewed", True): "quality_reviewed",
         ("final class", True): "class", ("final class", False): "class_dropped", ("series", True): "series",
         ("series", False): "no_series", ("keep apart", False): "merge_possible", ("keep apart", True): "keep_apart"}
_ORDER = list(KINDS.values())
_ALIKE = {"label": ["before", "after"], "no_label": ["before"], "tag": ["before", "after"], "no_tag": ["before"]}


@dataclass(frozen=True)
class Group:
    """Images or classes with the same consequence. `kind` is a value of KINDS."""

    kind: str
    before: str  # of labels and tags; '' for other kinds
    after: str
    paths: tuple[str, ...]  # the images; of pairs, both
    rows: pd.DataFrame  # of `hai_core.changes.changes`
    seen: bool = False  # all its images are in a group before it


def grouped(changes: pd.DataFrame) -> list[Group]:
    """The groups of a table of `hai_core.changes.changes`: by kind, in order, and the largest of a kind first."""
    kinds = pd.Series([KINDS[what, bool(after)] for what, after in zip(changes["what"], changes["after"], strict=True)],
                      index=changes.index, dtype="str")
    found: list[Group] = []
    for kind in _ORDER:
        rows = changes[kinds == kind]
        parts = [part for _, part in rows.groupby(_ALIKE[kind], sort=True)] if kind in _ALIKE else [rows] if len(rows) else []
        found += [_group(kind, part) for part in sorted(parts, key=len, reverse=True)]
    seen: set[str] = set()
    told = []
    for group in found:
        told.append(Group(group.kind, group.before, group.after, group.paths, group.rows, seen=seen.issuperset(group.paths)))
        seen.update(group.paths)
    return told


def _group(kind: str, rows: pd.DataFrame) -> Group:
    alike, first = kind in _ALIKE, rows.iloc[0]
    paths = [*rows["path"], *rows["before"], *rows["after"]] if kind.endswith("duplicates") else rows["path"]
    return Group(kind, first["before"] if alike else "", first["after"] if alike else "",
                 tuple(path for path in dict.fromkeys(paths) if path), rows)
