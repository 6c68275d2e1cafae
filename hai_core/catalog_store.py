"""The files of one catalog: outcomes and thumbnails in SQLite, the finished table in Parquet."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from hai_core.records import ImageRecord, columns
from hai_core.workspace import write_table

COLUMNS = [name for name in columns(ImageRecord) if name != "label"]  # labels may change without any file changing
_INTEGERS = ("phash", "phash_mirror", "width", "height", "size", "mtime_ns", "inode")
_FLOATS = ("brightness", "luma_p05", "luma_p95", "contrast", "entropy", "sharpness", "colorfulness")
_KINDS = dict.fromkeys(COLUMNS, "TEXT") | dict.fromkeys(_INTEGERS, "INTEGER") | dict.fromkeys(_FLOATS, "REAL")
_TYPES = {"TEXT": "str", "INTEGER": "int64", "REAL": "float64"}
_AT_ONCE = 500  # values in one SQL statement


class Store:
    """A store opened for writing by the one process that holds its lock. Made by another `version`, it starts empty."""

    def __init__(self, folder: Path, version: str) -> None:
        self.snapshot = folder / "catalog.parquet"
        catalog_file, self._thumbnails_file = folder / "catalog.sqlite", folder / "thumbnails.sqlite"
        if not self._thumbnails_file.exists() or _version(catalog_file) != version:
            for file in (catalog_file, self._thumbnails_file):
                for old in folder.glob(f"{file.name}*"):
                    old.unlink()
        self._catalog, self._thumbnails = _open(catalog_file), _open(self._thumbnails_file)
        kinds = ", ".join(f"{name} {kind}" for name, kind in _KINDS.items())
        with self._thumbnails as db:
            db.execute("CREATE TABLE IF NOT EXISTS thumbnails (sha256 TEXT PRIMARY KEY, jpeg BLOB NOT NULL)")
        with self._catalog as db:
            db.execute(f"CREATE TABLE IF NOT EXISTS images ({kinds}, PRIMARY KEY (path)) WITHOUT ROWID")
            db.execute("CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
            db.execute("INSERT OR IGNORE INTO state VALUES ('version', ?), ('snapshot', 'old')", (version,))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._catalog.close()
        self._thumbnails.close()

    @property
    def snapshot_is_current(self) -> bool:
        """Whether the Parquet file holds exactly the stored outcomes (a killed run leaves it behind them)."""
        (state,) = self._catalog.execute("SELECT value FROM state WHERE name = 'snapshot'").fetchone()
        return state == "current" and self.snapshot.exists()

    def table(self) -> pd.DataFrame:
        """All stored outcomes: COLUMNS, sorted by path."""
        rows = self._catalog.execute(f"SELECT {', '.join(COLUMNS)} FROM images ORDER BY path").fetchall()
        return pd.DataFrame(rows, columns=COLUMNS).astype({name: _TYPES[kind] for name, kind in _KINDS.items()})

    def write(self, records: Sequence[Mapping[str, Any]], jpegs: Mapping[str, bytes]) -> None:
        """Insert or replace outcomes, whole or not at all; their thumbnails first, so that none is missing."""
        if not records:
            return
        with self._thumbnails as db:
            db.executemany("INSERT OR IGNORE INTO thumbnails VALUES (?, ?)", jpegs.items())
        marks = ", ".join(f":{name}" for name in COLUMNS)
        with self._catalog as db:
            db.executemany(f"INSERT OR REPLACE INTO images ({', '.join(COLUMNS)}) VALUES ({marks})", records)
            db.execute("UPDATE state SET value = 'old' WHERE name = 'snapshot'")

    def remove(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        with self._catalog as db:
            db.executemany("DELETE FROM images WHERE path = ?", [(path,) for path in paths])
            db.execute("UPDATE state SET value = 'old' WHERE name = 'snapshot'")

    def drop_thumbnails(self, sha256: Collection[str]) -> None:
        with self._thumbnails as db:
            db.executemany("DELETE FROM thumbnails WHERE sha256 = ?", [(value,) for value in sha256])

    def save_snapshot(self, table: pd.DataFrame) -> None:
        """Replace the Parquet file, atomically."""
        write_table(table, self.snapshot)
        with self._catalog as db:
            db.execute("UPDATE state SET value = 'current' WHERE name = 'snapshot'")


def thumbnails(store: Path, sha256: Sequence[str]) -> dict[str, bytes]:
    """JPEG bytes (long side 256 px) by content hash; hashes without one (unreadable images) are left out."""
    file = store / "thumbnails.sqlite"
    if not file.exists():
        return {}
    with closing(_open(file)) as db:
        return {name: jpeg for some in _parts(sorted(set(sha256))) for name, jpeg in
                db.execute(f"SELECT sha256, jpeg FROM thumbnails WHERE sha256 IN ({', '.join('?' * len(some))})", some)}


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[i:i + _AT_ONCE] for i in range(0, len(values), _AT_ONCE))


def _open(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _version(file: Path) -> str:
    """The version that made the catalog; '' when there is none or it cannot be read: a catalog can always be made again."""
    if not file.exists():
        return ""
    try:
        with closing(sqlite3.connect(file, timeout=30)) as db:
            (version,) = db.execute("SELECT value FROM state WHERE name = 'version'").fetchone() or ("",)
            return str(version)
    except sqlite3.DatabaseError:
        return ""
