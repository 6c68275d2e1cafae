"""What lets a decision follow a renamed file or class folder, with nothing but the journal and the present catalog.

`anchor` notes beside a decision which other files held the same bytes, and by which content a class would be recognised.
`Places` and `Heirs` read those notes when the path or the class is gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from hai_core.records import CLASS_ACTIONS, Decision
from hai_core.rules import Stale

SKETCH = 8  # content hashes by which a class is recognised
PREFIX = 16  # hex digits of each: 64 bits


def classes_of(catalog: pd.DataFrame) -> list[str]:
    """Names of the catalog's classes, sorted."""
    return sorted(name for name in catalog["label"].unique() if name)


def _paths_of(decisions: Iterable[Decision]) -> set[str]:
    return {path for d in decisions if d.path for path in (d.path, d.other) if path}


def _names_of(decision: Decision) -> tuple[str, ...]:
    """Every class name that a decision mentions."""
    match decision.action:
        case "relabel":
            return (decision.value,)
        case "merge" | "rename":
            return (decision.label, decision.value)
        case _:
            return tuple(name for name in (decision.label, decision.other if not decision.path else "") if name)


def _noted(decision: Decision) -> dict[str, Any]:
    anchor: dict[str, Any] = decision.evidence.get("anchor", {})
    return anchor


class Places:
    """Where the images that a list of decisions is about are in the catalog now: row numbers."""

    def __init__(self, catalog: pd.DataFrame, decisions: Sequence[Decision]) -> None:
        wanted = _paths_of(decisions)
        rows = np.flatnonzero(catalog["path"].isin(wanted)) if wanted else np.empty(0, dtype=np.intp)
        found = catalog.iloc[rows]
        self.row: dict[str, int] = dict(zip(found["path"], rows.tolist(), strict=True))
        self.sha256: dict[int, str] = dict(zip(rows.tolist(), found["sha256"], strict=True))
        self._gone = _Gone(catalog, decisions, {path for path in wanted if path not in self.row})

    def _find(self, path: str, sha256: str, batch: str) -> int:
        row = self.row.get(path)
        if row is None:
            row = self._gone.heir(path, sha256, batch)
            if row is None:
                raise Stale(f"{path!r} is gone, and no one new file holds the same bytes")
        elif self.sha256[row] != sha256:
            raise Stale(f"the bytes of {path!r} changed since")
        return row

    def rows(self, decision: Decision) -> tuple[int, ...]:
        """The row of `path`, and of `other` where the decision is about a pair. Raises Stale."""
        row = self._find(decision.path, decision.sha256, decision.batch)
        if not decision.other:
            return (row,)
        return row, self._find(decision.other, _noted(decision).get("other_sha256", ""), decision.batch)


class _Gone:
    """Files whose paths vanished, matched to new paths with the same bytes."""

    def __init__(self, catalog: pd.DataFrame, decisions: Sequence[Decision], paths: set[str]) -> None:
        about = [d for d in decisions if d.path in paths or d.other in paths]
        hashes = {h for d in about for h in (d.sha256, _noted(d).get("other_sha256", "")) if h}
        rows = np.flatnonzero(catalog["sha256"].isin(hashes)) if hashes else np.empty(0, dtype=np.intp)
        found = catalog.iloc[rows]
        self._holders: dict[str, dict[str, int]] = defaultdict(dict)
        for row, path, sha256 in zip(rows.tolist(), found["path"], found["sha256"], strict=True):
            self._holders[sha256][path] = row
        self._before: dict[tuple[str, str], frozenset[str]] = {}  # by batch and hash: the paths that held it
        for decision in decisions if hashes else ():
            for sha256, copies in _noted(decision).get("copies", {}).items():
                self._before[decision.batch, sha256] = frozenset(copies)
        self._matched: dict[tuple[str, frozenset[str]], dict[str, str]] = {}

    def heir(self, path: str, sha256: str, batch: str) -> int | None:
        holders = self._holders.get(sha256)
        if not holders:
            return None
        before = self._before.get((batch, sha256), frozenset((path,)))
        key = (sha256, before)
        if key not in self._matched:
            self._matched[key] = _match(before - holders.keys(), holders.keys() - before)
        new = self._matched[key].get(path)
        return None if new is None else holders[new]


def _match(old: Iterable[str], new: Iterable[str]) -> dict[str, str]:
    """Old path -> new path of the same bytes, one to one: by the longest common end, at last by being the only ones left.

    Where several would fit equally well, none is chosen.
    """
    left_old, left_new, found = set(old), set(new), {}
    longest = max((path.count("/") + 1 for path in left_old | left_new), default=0)
    for length in range(longest, -1, -1):
        ends: dict[tuple[str, ...], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for side, paths in enumerate((left_old, left_new)):
            for path in paths:
                parts = path.split("/")
                if len(parts) >= length:
                    ends[tuple(parts[len(parts) - length:])][side].append(path)
        for here, there in ends.values():
            if len(here) == len(there) == 1:
                found[here[0]] = there[0]
        left_old -= found.keys()
        left_new -= set(found.values())
    return found


class Heirs:
    """Class folders that were renamed on disk: the class that now holds what a vanished one held."""

    def __init__(self, catalog: pd.DataFrame, decisions: Sequence[Decision]) -> None:
        self._classes = frozenset(classes_of(catalog))
        self._known: dict[str, frozenset[str]] = {}  # by batch: the classes there were
        vanished: set[str] = set()
        for decision in decisions:
            note = _noted(decision)
            if "known" in note:
                self._known[decision.batch] = frozenset(note["known"])
            for name, sketch in note.get("classes", {}).items():
                if name not in self._classes:
                    vanished.update(sketch)
        self._label = _labels_by_prefix(catalog, vanished)

    def resolve(self, decision: Decision) -> Decision:
        """The decision with the names of vanished classes replaced by their heirs' names, where there is one."""
        if not self._label:
            return decision
        sketches: dict[str, list[str]] = _noted(decision).get("classes", {})
        gone = [name for name in _names_of(decision) if name in sketches and name not in self._classes]
        if not gone:
            return decision
        heir = {name: self._heir(sketches[name], self._taken(decision, name)) or name for name in gone}
        other = decision.other if decision.path else heir.get(decision.other, decision.other)
        value = heir.get(decision.value, decision.value) if decision.action in ("relabel", "merge") else decision.value
        return replace(decision, label=heir.get(decision.label, decision.label), other=other, value=value)

    def _taken(self, decision: Decision, name: str) -> frozenset[str]:
        """Classes that existed beside `name` when the decision was made. What was decided about a class must not pass to one
        of them, into which somebody moved its files; what was to end up in it may."""
        if decision.action == "relabel" or (decision.action == "merge" and name == decision.value):
            return frozenset()
        return self._known.get(decision.batch, frozenset())

    def _heir(self, sketch: list[str], taken: frozenset[str]) -> str | None:
        counts: dict[str, int] = defaultdict(int)
        for prefix in sketch:
            for label in self._label.get(prefix, ()):
                if label not in taken:
                    counts[label] += 1
        holders = [label for label, count in counts.items() if 2 * count > len(sketch)]
        return holders[0] if len(holders) == 1 else None


def _labels_by_prefix(catalog: pd.DataFrame, prefixes: set[str]) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = defaultdict(set)
    if prefixes:
        starts = catalog["sha256"].str[:PREFIX]
        hit = starts.isin(prefixes) & (catalog["label"] != "")
        for start, label in zip(starts[hit], catalog.loc[hit, "label"], strict=True):
            labels[start].add(label)
    return labels


def anchor(decisions: Sequence[Decision], catalog: pd.DataFrame) -> list[Decision]:
    """The decisions of a new batch with their images' content hashes, and with notes under evidence["anchor"]:

    `other_sha256`; `classes`: each named class with the eight smallest content hashes in it (shortened). What the whole batch
    shares stands on the first decision that needs it: `copies`: content hash -> the paths that hold it, where there are
    several; `known`: all classes there are.
    """
    places = Places(catalog, decisions)
    copies = _copies(catalog, set(places.sha256.values()))
    sketches = _sketches(catalog, {name for d in decisions for name in _names_of(d)})
    known = classes_of(catalog)
    anchored = []
    for decision in decisions:
        note: dict[str, Any] = {"classes": {name: sketches[name] for name in _names_of(decision) if name in sketches}}
        hashes = [places.sha256[places.row[path]] for path in (decision.path, decision.other) if decision.path and path]
        note["copies"] = {sha256: copies.pop(sha256) for sha256 in hashes if sha256 in copies}
        note["other_sha256"] = hashes[1] if len(hashes) == 2 else ""
        if decision.action in CLASS_ACTIONS:
            note["known"], known = known, []
        note = {key: value for key, value in note.items() if value}
        seen = {key: value for key, value in decision.evidence.items() if key != "anchor"}
        anchored.append(replace(decision, sha256=hashes[0] if hashes else "",
                                evidence=seen | ({"anchor": note} if note else {})))
    return anchored


def _copies(catalog: pd.DataFrame, hashes: set[str]) -> dict[str, list[str]]:
    """Content hash -> the paths that hold it, where there are several."""
    held = catalog.loc[catalog["sha256"].isin(hashes - {""}), ["path", "sha256"]]
    held = held[held["sha256"].duplicated(keep=False)]
    return {str(sha256): list(paths) for sha256, paths in held.groupby("sha256")["path"]}


def _sketches(catalog: pd.DataFrame, names: set[str]) -> dict[str, list[str]]:
    """Class -> its smallest content hashes: the same whatever the files are called, and few change when files come."""
    if not names:
        return {}
    held = catalog.loc[catalog["label"].isin(names) & (catalog["sha256"] != ""), ["label", "sha256"]]
    held = held.drop_duplicates().sort_values("sha256").groupby("label").head(SKETCH)
    return {str(label): [h[:PREFIX] for h in hashes] for label, hashes in held.groupby("label")["sha256"]}
