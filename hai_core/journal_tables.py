"""The journal's tables, in SQLite or in the team's database; rows <-> Decision."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.schema import CreateIndex, CreateTable

from hai_core import database
from hai_core.records import Decision
from hai_core.workspace import InputError, canonical_json

ADVISORY_LOCK = 0x4A4F55524E414C  # 'JOURNAL': any number that the database's other users do not lock

_tables = MetaData()

heads = Table(
    "heads", _tables,
    Column("workspace", String, primary_key=True),
    Column("version", Integer, nullable=False),  # number of the last batch
)
batches = Table(
    "batches", _tables,
    Column("workspace", String, nullable=False),
    Column("number", Integer, nullable=False),  # journal order, from 1
    Column("id", String, nullable=False),
    Column("kind", String, nullable=False),  # decide, undo, redo
    Column("target", String, nullable=False),  # the batch that was undone or redone
    Column("author", Text, nullable=False),
    Column("time", String, nullable=False),  # ISO 8601, UTC
    Column("note", Text, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "number"),
    UniqueConstraint("workspace", "id"),
)
decisions = Table(
    "decisions", _tables,
    Column("workspace", String, nullable=False),
    Column("seq", Integer, nullable=False),  # journal order, from 1
    Column("batch", String, nullable=False),
    Column("action", String, nullable=False),
    Column("path", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("other", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON: what the person saw
    Column("anchor", Text, nullable=False),  # JSON, see hai_core.anchors; '' for none
    PrimaryKeyConstraint("workspace", "seq"),
    ForeignKeyConstraint(["workspace", "batch"], ["batches.workspace", "batches.id"]),
)
_by_kind = Index("batches_by_kind", batches.c.workspace, batches.c.kind, batches.c.number)
_by_action = Index("decisions_by_action", decisions.c.workspace, decisions.c.action, decisions.c.seq)
_by_batch = Index("decisions_by_batch", decisions.c.workspace, decisions.c.batch)

TEXTS = ("action", "path", "label", "other", "value", "reason", "sha256")  # columns that are Decision's fields as they are


@cache
def engine(file: Path, url: str | None) -> Engine:
    """The engine for a journal file, or for `url` (HAI_DATABASE_URL), one per process; its tables exist.

    Raises InputError when the file is no database, or the server cannot be reached.
    """
    where = "the database of HAI_DATABASE_URL" if url else str(file)
    try:
        made = database.connect(file)
        if made.dialect.name == "sqlite":
            event.listen(made, "connect", _plain_transactions)
            event.listen(made, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        with made.begin() as connection:
            if made.dialect.name == "postgresql":  # IF NOT EXISTS does not help against another process at the same moment
                connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            for table in _tables.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
            for index in (_by_kind, _by_action, _by_batch):
                connection.execute(CreateIndex(index, if_not_exists=True))
    except (DBAPIError, ArgumentError, NoSuchModuleError, ModuleNotFoundError, OSError) as error:
        raise InputError(f"{where} cannot be used as a journal: {getattr(error, 'orig', None) or error}") from error
    return made


def snapshots(engine: Engine) -> Engine:
    """The same database for readers: all statements of one connection see one moment. SQLite's transactions do anyway."""
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


def _plain_transactions(connection: Any, _record: Any) -> None:
    """BEGIN and COMMIT where SQLAlchemy says so; the driver's own habit would let a transaction start late."""
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")


def insert_decisions(connection: Connection, workspace: str, batch: str, first: int, made: Iterable[Decision]) -> None:
    """Write a batch's decisions under the numbers `first`, `first` + 1, ..."""
    rows = []
    for seq, decision in enumerate(made, first):
        seen = {key: value for key, value in decision.evidence.items() if key != "anchor"}
        anchor = decision.evidence.get("anchor")
        rows.append({name: getattr(decision, name) for name in TEXTS} | {
            "workspace": workspace, "seq": seq, "batch": batch, "evidence": canonical_json(seen),
            "anchor": canonical_json(anchor) if anchor else ""})
    connection.execute(insert(decisions), rows)


def as_decision(row: Row[Any], batch: Row[Any]) -> Decision:
    """A row of `decisions`, and the row of its batch."""
    evidence = json.loads(row.evidence) if row.evidence != "{}" else {}
    if row.anchor:
        evidence["anchor"] = json.loads(row.anchor)
    return Decision(row.action, row.path, row.label, row.other, row.value, row.reason, row.sha256, evidence,
                    row.seq, row.batch, batch.author, batch.time)
