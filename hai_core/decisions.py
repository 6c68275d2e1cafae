"""The journal: every decision that people made, in the order they made them. The one thing that cannot be recomputed.

Append-only. A batch of decisions is written whole or not at all; undo and redo are entries too. Any number of processes may
write at once: the first statement of each write takes the workspace's row in `heads`, the others wait, and what a batch is
checked against cannot change before it is committed.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from hai_core import journal_tables as tables
from hai_core.anchors import Places, anchor
from hai_core.decision_tables import kind_of, read_decisions, suggestions, undecided
from hai_core.fold import Curation, fold, read_names
from hai_core.journal_lines import Entry, read_lines, write_lines
from hai_core.journal_tables import TEXTS, as_decision, insert_decisions
from hai_core.records import Decision
from hai_core.rules import NAMING_ACTIONS, SUCCESSOR_ACTIONS, ClassNames, Impossible, Stale, describe, tidy
from hai_core.workspace import InputError, Workspace, write_atomic

__all__ = ["Batch", "Curation", "Journal", "Rejected", "fold", "kind_of", "read_decisions", "suggestions",
           "undecided"]

SHOWN = 100  # rejected rows spelled out in a message; `Rejected.rows` has them all


@dataclass(frozen=True)
class Batch:
    """One entry of the journal as it was written. `id` is '' when nothing was left to write."""

    id: str
    applied: int  # decisions in it; for undo and redo, those taken out or put back
    rejected: list[tuple[int, str]] = field(default_factory=list)  # row (from 1), reason
    target: str = ""  # the batch that was undone or redone


class Rejected(InputError):
    """Some decisions of a batch cannot be made, and none was written. `rows`: row (from 1) and reason of each."""

    def __init__(self, rows: list[tuple[int, str]], total: int) -> None:
        self.rows = rows
        told = [f"row {row}: {reason}" for row, reason in rows[:SHOWN]]
        if len(rows) > SHOWN:
            told.append(f"and {len(rows) - SHOWN} more")
        super().__init__("\n".join([f"nothing was written, because {len(rows)} of {total} decisions cannot be made:", *told]))


class Journal:
    """The decisions of one workspace. Cheap to make; safe to use from several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace.id
        self._file = workspace.journal
        url = os.environ.get("HAI_DATABASE_URL")
        self._engine = tables.engine(Path() if url else workspace.journal, url)  # all workspaces of a server share one
        self._readers = tables.snapshots(self._engine)
        self._made: list[Decision] = []  # all decisions read so far: they never change, so that only new ones are read again
        self._reading = threading.Lock()

    # -- reading

    def version(self) -> int:
        """Grows with every write, by anyone; 0 when nothing was written yet. Cheap: for keys of caches."""
        with self._engine.connect() as connection:
            found = connection.scalar(select(tables.heads.c.version).where(tables.heads.c.workspace == self._workspace))
        return found or 0

    def live(self) -> list[Decision]:
        """The decisions that count, in journal order: those of batches that are not undone."""
        with self._reading, self._readers.connect() as connection:
            self._made += self._told(connection, tables.decisions.c.seq > (self._made[-1].seq if self._made else 0))
            dead = _undone(self._switched(connection))
            return [decision for decision in self._made if decision.batch not in dead]

    def curation(self, catalog: pd.DataFrame) -> Curation:
        """What the live decisions add up to."""
        return fold(catalog, self.live())

    def entries(self, catalog: pd.DataFrame | None = None) -> pd.DataFrame:
        """Every decision ever made, in journal order.

        Columns: seq, batch, action, path, label, other, value, reason, author, time, evidence (JSON text), live, stale (why a
        live decision is not applied to `catalog`; '' when it is, or without a catalog).
        """
        entries, rows = self._read()
        dead = _dead(entries.values())
        texts = [*(name for name in TEXTS if name != "sha256"), "evidence"]
        table = pd.DataFrame({"seq": pd.Series([row.seq for row in rows], dtype="int64"),
                              **{name: _texts(row._mapping[name] for row in rows) for name in ("batch", *texts)}})
        for name in ("time", "author"):
            table.insert(len(texts) + 1, name, _texts(entries[row.batch]._mapping[name] for row in rows))
        table["live"] = pd.Series([row.batch not in dead for row in rows], dtype="bool")
        reasons: dict[int, str] = {}
        if catalog is not None:
            curation = fold(catalog, [as_decision(row, entries[row.batch]) for row in rows if row.batch not in dead])
            reasons = {decision.seq: reason for decision, reason in curation.stale + curation.impossible}
        table["stale"] = _texts(reasons.get(row.seq, "") for row in rows)
        return table

    def batches(self) -> pd.DataFrame:
        """Every entry: number, id, kind (decide, undo, redo), target, author, time, note, count, live (of decide entries)."""
        with self._engine.connect() as connection:
            rows = self._entries(connection)
        dead = _dead(rows)
        names = ["number", "id", "kind", "target", "author", "time", "note", "count"]
        table = pd.DataFrame({name: [row._mapping[name] for row in rows] for name in names})
        return table.assign(live=pd.Series([row.kind == "decide" and row.id not in dead for row in rows], dtype="bool"))

    def _entries(self, connection: Connection) -> Sequence[Row[Any]]:
        mine = tables.batches.c.workspace == self._workspace
        return connection.execute(select(tables.batches).where(mine).order_by(tables.batches.c.number)).all()

    def _read(self) -> tuple[dict[str, Row[Any]], list[Row[Any]]]:
        """All entries by id, and all their decisions."""
        decisions = tables.decisions
        mine = select(decisions).where(decisions.c.workspace == self._workspace).order_by(decisions.c.seq)
        with self._readers.connect() as connection:
            return {row.id: row for row in self._entries(connection)}, list(connection.execute(mine))

    # -- writing

    def append(self, decisions: Sequence[Decision], catalog: pd.DataFrame, *, author: str, note: str = "",
               skip_invalid: bool = False) -> Batch:
        """Write one undoable batch, whole or not at all.

        Each decision is checked against the catalog, the live journal and the decisions before it in the batch. Raises
        Rejected when any cannot be made; with `skip_invalid` those are left out and returned.
        """
        if not decisions:
            raise InputError("there are no decisions to write")
        with self._write() as write:
            names = self._names(write.connection, catalog) if any(d.action in NAMING_ACTIONS for d in decisions) else None
            accepted, rejected = _sift(decisions, catalog, names)
            if rejected and not skip_invalid:
                raise Rejected(rejected, len(decisions))
            if not accepted:
                return Batch("", 0, rejected)
            entry = Entry(_new_id(), "decide", "", author, _now(), note, anchor(accepted, catalog))
            self._insert(write, entry)
        return Batch(entry.id, len(accepted), rejected)

    def undo(self, batch: str | None = None, *, catalog: pd.DataFrame, author: str, note: str = "") -> Batch:
        """Take a batch (default: the last live one) out of what counts. Nothing is deleted.

        Raises InputError when there is none, or when a later decision would become impossible; it is named.
        """
        return self._switch("undo", batch, catalog, author, note)

    def redo(self, batch: str | None = None, *, catalog: pd.DataFrame, author: str, note: str = "") -> Batch:
        """Put an undone batch (default: the last one undone) back, at its old place in the order. Raises as `undo` does."""
        return self._switch("redo", batch, catalog, author, note)

    def export(self, path: Path, until: int | None = None) -> int:
        """Write the journal as JSON Lines: batches, undo and redo, evidence, times, authors. Returns the entry count.

        `until`: as it was at that `version`.
        """
        entries, rows = self._read()
        entries = {id: row for id, row in entries.items() if until is None or row.number <= until}
        made: dict[str, list[Decision]] = {id: [] for id in entries}
        for row in rows:
            if row.batch in made:
                made[row.batch].append(as_decision(row, entries[row.batch]))
        whole = [Entry(row.id, row.kind, row.target, row.author, row.time, row.note, made[row.id]) for row in entries.values()]
        write_atomic(path, "".join(line + "\n" for line in write_lines(self._workspace, whole)))
        return len(whole)

    def restore(self, path: Path) -> int:
        """Add the entries of an exported journal that are not here yet (by id), at the end, all or none. Returns how many.

        Raises InputError naming the line that is damaged.
        """
        entries = read_lines(path)
        with self._write() as write:
            here = {row.id for row in self._entries(write.connection)}
            missing = [entry for entry in entries if entry.id not in here]
            for entry in missing:
                self._insert(write, entry)
        return len(missing)

    @contextmanager
    def _write(self) -> Iterator[_Write]:
        """A transaction, committed at the end of the block, whose first statement makes other writers of the workspace wait."""
        heads = tables.heads
        upsert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        take = upsert(heads).values(workspace=self._workspace, version=0).on_conflict_do_update(
            index_elements=[heads.c.workspace], set_={"version": heads.c.version}).returning(heads.c.version)
        try:
            with self._engine.begin() as connection:
                write = _Write(connection, connection.execute(take).scalar_one())
                yield write
                connection.execute(update(heads).where(heads.c.workspace == self._workspace).values(version=write.number))
        except OperationalError as error:
            raise InputError(f"the journal {self._file} cannot be written ({error.orig}); nothing was changed") from error

    def _insert(self, write: _Write, entry: Entry) -> None:
        """Append an entry and its decisions."""
        write.number += 1
        decisions = tables.decisions
        target_count = select(tables.batches.c.count).where(tables.batches.c.workspace == self._workspace,
                                                             tables.batches.c.id == entry.target)
        count = len(entry.decisions) if entry.kind == "decide" else write.connection.scalar(target_count)
        write.connection.execute(insert(tables.batches).values(
            workspace=self._workspace, number=write.number, id=entry.id, kind=entry.kind, target=entry.target,
            author=entry.author, time=entry.time, note=entry.note, count=count))
        if entry.decisions:
            last = select(func.max(decisions.c.seq)).where(decisions.c.workspace == self._workspace)
            first = (write.connection.scalar(last) or 0) + 1
            insert_decisions(write.connection, self._workspace, entry.id, first, entry.decisions)

    def _switched(self, connection: Connection) -> dict[str, str]:
        """Batch -> undo or redo, whichever was last, in the order of these last ones."""
        batches = tables.batches
        rows = connection.execute(select(batches.c.target, batches.c.kind).order_by(batches.c.number).where(
            batches.c.workspace == self._workspace, batches.c.kind.in_(("undo", "redo"))))
        return _last_switch((row.target, row.kind) for row in rows)

    def _told(self, connection: Connection, condition: ColumnElement[bool]) -> list[Decision]:
        """The decisions that fulfil a condition, undone ones too, in journal order."""
        decisions, batches = tables.decisions, tables.batches
        rows = connection.execute(
            select(decisions, batches.c.author, batches.c.time).select_from(decisions.join(batches))
            .where(decisions.c.workspace == self._workspace, condition).order_by(decisions.c.seq))
        return [as_decision(row, row) for row in rows]

    def _names(self, connection: Connection, catalog: pd.DataFrame) -> ClassNames:
        """The class names as the live journal leaves them."""
        dead = _undone(self._switched(connection))
        told = self._told(connection, tables.decisions.c.action.in_(SUCCESSOR_ACTIONS))
        return read_names(catalog, [decision for decision in told if decision.batch not in dead])[0]

    def _switch(self, kind: str, batch: str | None, catalog: pd.DataFrame, author: str, note: str) -> Batch:
        with self._write() as write:
            switched = self._switched(write.connection)
            target, count = self._target(write.connection, kind, batch, switched)
            self._refuse_conflicts(write.connection, kind, target, _undone(switched), catalog)
            entry = Entry(_new_id(), kind, target, author, _now(), note, [])
            self._insert(write, entry)
        return Batch(entry.id, count, target=target)

    def _target(self, connection: Connection, kind: str, batch: str | None, switched: dict[str, str]) -> tuple[str, int]:
        """Id and size of the batch to undo or redo."""
        batches, dead = tables.batches, _undone(switched)
        found = select(batches.c.id, batches.c.kind, batches.c.count).where(batches.c.workspace == self._workspace)
        if batch is None and kind == "redo":
            if not dead:
                raise InputError("there is nothing to redo")
            batch = next(id for id in reversed(switched) if id in dead)
        if batch is None:
            newest = found.where(batches.c.kind == "decide").order_by(batches.c.number.desc()).limit(len(dead) + 1)
            row = next((row for row in connection.execute(newest) if row.id not in dead), None)
            if row is None:
                raise InputError("there is nothing to undo")
            return row.id, row._mapping["count"]
        row = connection.execute(found.where(batches.c.id == batch)).one_or_none()
        if row is None or row.kind != "decide":
            raise InputError(f"there is no batch of decisions {batch!r} in this journal")
        if (batch in dead) == (kind == "undo"):
            raise InputError(f"the batch {batch} is undone already" if kind == "undo" else f"the batch {batch} is not undone")
        return row.id, row._mapping["count"]

    def _refuse_conflicts(self, connection: Connection, kind: str, target: str, dead: set[str], catalog: pd.DataFrame) -> None:
        """Raises InputError when a decision that is possible now, or that is put back, would be impossible afterwards."""
        decisions = tables.decisions
        own = set(connection.scalars(select(decisions.c.action).distinct().where(
            decisions.c.workspace == self._workspace, decisions.c.batch == target)))
        if not own & set(SUCCESSOR_ACTIONS if kind == "undo" else NAMING_ACTIONS):
            return  # nothing else depends on these
        told = self._told(connection, decisions.c.action.in_(NAMING_ACTIONS))
        now = [decision for decision in told if decision.batch not in dead]
        then = [decision for decision in told if decision.batch not in dead ^ {target}]
        before, after = read_names(catalog, now)[1], read_names(catalog, then)[1]
        for decision in then:
            if decision.seq in after and decision.seq not in before:
                raise InputError(f"{kind} of batch {target} would make decision {decision.seq} impossible, "
                                 f"{describe(decision)} by {decision.author}: {after[decision.seq]}")


@dataclass
class _Write:
    connection: Connection
    number: int  # of the journal's last entry


def _sift(decisions: Sequence[Decision], catalog: pd.DataFrame,
          names: ClassNames | None) -> tuple[list[Decision], list[tuple[int, str]]]:
    """The decisions that can be made one after the other, tidied; row and reason of the others."""
    tidied: list[Decision | InputError] = []
    classes = frozenset(catalog["label"].unique())
    for decision in decisions:
        try:
            tidied.append(tidy(decision, classes))
        except InputError as error:
            tidied.append(error)
    places = Places(catalog, [decision for decision in tidied if isinstance(decision, Decision)])
    accepted, rejected = [], []
    for row, clean in enumerate(tidied, 1):
        reason = str(clean) if isinstance(clean, InputError) else _objection(clean, places, names)
        if reason:
            rejected.append((row, reason))
        elif isinstance(clean, Decision):
            accepted.append(clean)
    return accepted, rejected


def _objection(decision: Decision, places: Places, names: ClassNames | None) -> str:
    for path in (decision.path, decision.other) if decision.path else ():
        if path and path not in places.row:
            return f"there is no image {path!r}"
    if names is not None and decision.action in NAMING_ACTIONS:
        try:
            names.apply(decision)
        except (Stale, Impossible) as reason:
            return str(reason)
    return ""


def _dead(entries: Iterable[Row[Any]]) -> set[str]:
    """Ids of the batches that are undone."""
    return _undone(_last_switch((row.target, row.kind) for row in entries if row.kind != "decide"))


def _last_switch(switches: Iterable[tuple[str, str]]) -> dict[str, str]:
    last: dict[str, str] = {}
    for target, kind in switches:
        last.pop(target, None)
        last[target] = kind
    return last


def _undone(switched: dict[str, str]) -> set[str]:
    return {batch for batch, kind in switched.items() if kind == "undo"}


def _texts(values: Iterable[str]) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def _new_id() -> str:
    return uuid.uuid4().hex[:12]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
