"""Every path of a workspace and of the cache; atomic writes, digests, locks.

A workspace folder holds human work (journal, manifests, runs, jobs' logs, MLflow store). What can be recomputed
(catalog, thumbnails, embeddings, finding tables) is under `cache/`, by workspace id; deleting it costs time, never work.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

SCHEMA = 1


def without_secrets(text: str) -> str:
    """`text` without the passwords of the addresses in it (scheme://user:password@host)."""
    return re.sub(r"(\w+://[^\s/:@]*):[^\s/@]+@", r"\1:***@", text)


class InputError(Exception):
    """The request or its input is wrong: one sentence for the person, naming the file or value. Exit status 2."""


def repository_root() -> Path:
    return Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    """`cache/` beside `app.py`, or where HAI_CACHE points."""
    return Path(os.environ.get("HAI_CACHE") or repository_root() / "cache")


def workspaces_root() -> Path:
    """`workspaces/` beside `app.py`, or where HAI_WORKSPACES points."""
    return Path(os.environ.get("HAI_WORKSPACES") or repository_root() / "workspaces")


def embeddings_root() -> Path:
    return cache_root() / "embeddings"


@dataclass(frozen=True)
class Workspace:
    """An opened workspace. `images` is the image root (read-only, always); `labels` a CSV of path,label or None."""

    root: Path
    id: str
    images: Path
    labels: Path | None
    holdout: float  # share of the images set aside, 0 .. 0.5
    seed: int

    @staticmethod
    def create(root: Path, images: Path, labels: Path | None = None, holdout: float = 0.15, seed: int = 0) -> Workspace:
        """Make the folder and `workspace.json`.

        Raises InputError when the folder already holds a workspace or anything else, when the images or labels are
        not there or no table of path,label, or when `holdout` is outside 0 .. 0.5.
        """
        if (root / "workspace.json").exists():
            raise InputError(f"{root} already is a workspace; to point it at other images use: relink -w {root} --images DIR")
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise InputError(f"{root} exists and is not empty")
        if labels is not None:
            read_table(labels, ("path", "label"))
        if not 0 <= holdout <= 0.5:
            raise InputError(f"--holdout {holdout} is not between 0 and 0.5")
        workspace = Workspace(root.resolve(), uuid.uuid4().hex[:12], _image_root(images),
                              labels.resolve() if labels else None, holdout, seed)
        root.mkdir(parents=True, exist_ok=True)
        workspace.save()
        return workspace

    @staticmethod
    def open(root: Path) -> Workspace:
        """Raises InputError when `root` holds no workspace that this version can read."""
        file = root / "workspace.json"
        if not file.is_file():
            raise InputError(f"{root} is not a workspace (it has no workspace.json); make one with: init {root} --images DIR")
        try:
            fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if fields.pop("schema") > SCHEMA:
                raise InputError(f"{file} was written by a newer version of this program")
            fields["images"] = Path(fields["images"])
            fields["labels"] = Path(fields["labels"]) if fields["labels"] else None
            return Workspace(root=root.resolve(), **fields)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} is damaged: {error}") from error

    def relinked(self, images: Path) -> Workspace:
        """The same workspace with its images elsewhere, not saved yet."""
        return replace(self, images=_image_root(images))

    def save(self) -> None:
        """Write `workspace.json`."""
        labels = str(self.labels) if self.labels else None
        fields = asdict(self) | {"schema": SCHEMA, "images": str(self.images), "labels": labels}
        del fields["root"]
        write_atomic(self.root / "workspace.json", json.dumps(fields, ensure_ascii=False, indent=1) + "\n")

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def journal(self) -> Path:
        return self.root / "journal.sqlite"

    @property
    def holdout_file(self) -> Path:
        return self.root / "holdout.json"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def cache(self) -> Path:
        return cache_root() / self.id

    @property
    def catalog(self) -> Path:
        return self.cache / "catalog"

    @property
    def findings(self) -> Path:
        return self.cache / "findings"


def _image_root(images: Path) -> Path:
    if not images.is_dir():
        raise InputError(f"there is no folder {images}")
    return images.resolve()


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write so that a reader, or a crash at any moment, sees the old file or the new one, never half of it.

    Raises InputError when the file cannot be written there.
    """
    with _replacing(path) as part, open(part, "wb") as handle:
        handle.write(content.encode("utf-8") if isinstance(content, str) else content)
        handle.flush()
        os.fsync(handle.fileno())


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A place to write to, which takes the place of `path` at the end of the block, or is removed when that fails."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def digest(content: str | bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(content.encode("utf-8") if isinstance(content, str) else content).hexdigest()


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no spaces, no escapes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@contextmanager
def lock(path: Path, busy: str | None) -> Iterator[None]:
    """Hold an exclusive lock on `path` for the block; it is released when the process ends, however it ends.

    When another process holds it, waits, or raises InputError(busy) if there is such a sentence.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError as error:
            raise InputError(busy) from error
        yield


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV (UTF-8 with BOM, so that Excel opens Korean correctly) or Parquet, by the file's suffix."""
    if path.suffix.lower() == ".parquet":
        with _replacing(path) as part:
            table.to_parquet(part, index=False)
    elif path.suffix.lower() == ".csv":
        write_atomic(path, csv_bytes(table))
    else:
        raise InputError(f"{path}: a table is written as .csv or .parquet")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV that `read_table` reads back as it was: UTF-8 with BOM, lines ended by LF, quoted where needed.

    With a carriage return anywhere (file names may hold one, and the csv module does not quote it), every text is quoted.
    """
    text = table.to_csv(index=False, lineterminator="\n")
    if "\r" in text:
        text = table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    return text.encode("utf-8-sig")


def read_table(path: Path, required: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a CSV (every value as text, exactly as written) or Parquet table.

    Raises InputError when the file is missing, is not a table, or lacks a required column.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not in UTF-8; save it again as \"CSV UTF-8\"") from error
    except (ValueError, OSError) as error:  # pandas' parser and Unicode errors are ValueErrors
        raise InputError(f"{path} is not a readable table: {error}") from error
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}")
    return table
