"""What differs between two manifests: image by image, and class by class."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pandas as pd

from hai_core.records import ManifestRow, columns

if TYPE_CHECKING:
    from hai_core.manifest import Manifest

COLUMNS = ["path", "change", "before", "after"]
_SIDED = [name for name in columns(ManifestRow) if name != "path"]  # the columns that come from `a` and from `b`
CLASS_COLUMNS = ["class", "change", "before", "after"]


def diff(a: Manifest, b: Manifest) -> pd.DataFrame:
    """What happened to each image from manifest `a` to `b`: path, change, before, after; sorted by path.

    path: in `b`, or in `a` when it is not in `b`. change: added, removed (before and after are the label); moved (the paths:
    the same bytes under one new path); changed (the content hashes: other bytes under the same path); relabelled (a person
    gave this image another label), merged, split, renamed (its class went another way; the labels); holdout (the split).
    An image may have several rows.
    """
    both = a.table.merge(b.table, on="path", how="outer", suffixes=("_a", "_b"), indicator="side")
    gone, new, stayed = (both[both["side"] == side] for side in ("left_only", "right_only", "both"))
    moved = _moved(gone, new)
    stayed = pd.concat([stayed.assign(was=stayed["path"]), moved])
    parts = [
        _rows(new[~new["path"].isin(moved["path"].tolist())], "added", None, "label_b"),
        _rows(gone[~gone["path"].isin(moved["was"].tolist())], "removed", "label_a", None),
        _rows(moved, "moved", "was", "path"),
        _rows(stayed[stayed["sha256_a"] != stayed["sha256_b"]], "changed", "sha256_a", "sha256_b"),
        _relabelled(stayed[stayed["label_a"] != stayed["label_b"]], a, b),
        _rows(stayed[stayed["split_a"] != stayed["split_b"]], "holdout", "split_a", "split_b"),
    ]
    return pd.concat(parts, ignore_index=True).sort_values("path", kind="stable", ignore_index=True)


def _rows(table: pd.DataFrame, change: str, before: str | None, after: str | None) -> pd.DataFrame:
    return pd.DataFrame({"path": table["path"], "change": change, "before": table[before] if before else "",
                         "after": table[after] if after else ""}, columns=COLUMNS, dtype="str")


def _moved(gone: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """One row for each content that is at one vanished path (`was`) and at one new `path`, with the columns of both."""
    before = gone.drop_duplicates("sha256_a", keep=False)[["path", *(f"{name}_a" for name in _SIDED)]]
    after = new.drop_duplicates("sha256_b", keep=False)[["path", *(f"{name}_b" for name in _SIDED)]]
    return before.rename(columns={"path": "was"}).merge(after, left_on="sha256_a", right_on="sha256_b")


def _relabelled(table: pd.DataFrame, a: Manifest, b: Manifest) -> pd.DataFrame:
    """Images whose label differs: with their whole class, or alone."""
    went = _went(a, b)
    came = {new: {old for old, news in went.items() if new in news} for news in went.values() for new in news}

    def change(before: str, after: str, original: str) -> str:
        ways = went.get(before, set())
        if after not in ways or (len(ways) > 1 and b.mapping.get(original) != after):
            return "relabelled"
        if len(ways) > 1:
            return "split"
        return "merged" if len(came[after]) > 1 or after in a.classes else "renamed"

    rows = zip(table["label_a"], table["label_b"], table["original_label_b"], strict=True)
    changes = pd.Series([change(*row) for row in rows], index=table.index, dtype="str")
    return _rows(table, "", "label_a", "label_b").assign(change=changes)


def _went(a: Manifest, b: Manifest) -> dict[str, set[str]]:
    """Class of `a` -> the classes of `b` to which its original classes belong now."""
    went: dict[str, set[str]] = defaultdict(set)
    for original, old in a.mapping.items():
        if old and (new := b.mapping.get(original)):
            went[old].add(new)
    return went


def class_diff(a: Manifest, b: Manifest) -> pd.DataFrame:
    """What happened to each class of `a` and `b`: class, change (added, dropped, removed, merged, renamed, split, series),
    before, after; sorted by class. `removed`: its folder is gone. `series` compares classes of the same name.
    """
    went = _went(a, b)
    came = {new: {old for old, news in went.items() if new in news} for news in went.values() for new in news}
    rows = []
    for name in a.classes:
        ways = went.get(name, set())
        if not ways:
            there = any(original in b.mapping for original, old in a.mapping.items() if old == name)
            rows.append((name, "dropped" if there else "removed", name, ""))
        elif len(ways) > 1:
            rows.append((name, "split", name, ", ".join(sorted(ways))))
        elif name not in ways:
            new = min(ways)
            rows.append((name, "merged" if len(came[new]) > 1 or new in a.classes else "renamed", name, new))
        if a.series.get(name, "") != b.series.get(name, "") and name in b.classes:
            rows.append((name, "series", a.series.get(name, ""), b.series.get(name, "")))
    rows += [(name, "added", "", name) for name in b.classes if name not in came and name not in a.classes]
    return pd.DataFrame(sorted(rows), columns=CLASS_COLUMNS, dtype="str")
