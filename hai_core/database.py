"""The one way to a database: a SQLite file in WAL mode, or the team's server that HAI_DATABASE_URL names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

BUSY_SECONDS = 30


def connect(file: Path) -> Engine:
    """An engine for `file` (its folder is made), or for HAI_DATABASE_URL when that is set.

    Readers never wait for a writer (WAL); a second writer waits up to BUSY_SECONDS for the first.
    """
    url = os.environ.get("HAI_DATABASE_URL")
    if url:
        return create_engine(url, pool_pre_ping=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(URL.create("sqlite", database=str(file)), connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
