"""The one way to a database: a SQLite file in WAL mode, or the team's server that HAI_DATABASE_URL names."""

from __future__ import annotations

import os
import sqlite3
import time
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
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:  # SQLite itself does not wait here, when several processes make a new file at once
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous=FULL")
