"""Images -> catalog: one row per file, kept up to date by reading only what changed.

A store is a folder with `catalog.sqlite` (the outcome of every file, one transaction a batch), `thumbnails.sqlite` (JPEG by
content hash) and `catalog.parquet` (the finished table, for fast loading). Every file has an outcome, `ok` or `unreadable`
with a reason; no file stops a run.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import pixels, progress, tree, workers
from hai_core.catalog_store import Store, thumbnails
from hai_core.pixels import UnreadableImage, decode, open_image
from hai_core.records import OK, UNREADABLE, ImageRecord, columns
from hai_core.taxonomy import class_name, normalize
from hai_core.tree import locate, located
from hai_core.workspace import InputError, Workspace, cache_root, digest, lock, read_table

__all__ = ["IndexReport", "UnreadableImage", "decode", "folder_store", "index", "load", "locate", "located", "open_image",
           "relink", "scan", "snapshot_digest", "thumbnails"]

COLUMNS = columns(ImageRecord)
BATCH = 256  # outcomes written in one transaction: at most this much is lost when a run is killed


@dataclass(frozen=True)
class IndexReport:
    """What `index` found and did; counts are files."""

    images: int  # rows of the catalog
    unreadable: int  # of them
    decoded: int  # opened and decoded by this run
    unchanged: int  # not opened, because size, time and inode are those of the last run
    removed: int  # rows of files that are gone
    moved: int  # of those, the ones whose content exactly one new path has
    seconds: float


def index(workspace: Workspace, *, verify: bool = False, workers: int | None = None) -> IndexReport:
    """Bring the workspace's catalog up to date. `verify` reads all files; `workers` as for `scan`.

    Raises InputError when the image root is gone or holds no image, when the labels file is wrong, or while another
    process is indexing the workspace.
    """
    return _refresh(workspace.images, workspace.catalog, workspace.labels, verify, workers)[1]


def relink(workspace: Workspace, images: Path) -> Workspace:
    """The workspace with its images at `images`; its decisions are bound to relative paths and content, and follow.

    Raises InputError when that is no folder, or one that holds none of the catalog's images: neither the same path, nor the
    same file name and size (its folder may have been renamed too).
    """
    moved = workspace.relinked(images)
    snapshot = workspace.catalog / "catalog.parquet"
    if snapshot.exists():
        known = pd.read_parquet(snapshot, columns=["path", "size"])
        there = tree.list_images(moved.images, set(known["path"])).files
        if not set(known["path"]) & set(there["path"]) and not _names_and_sizes(known) & _names_and_sizes(there):
            raise InputError(f"{images} holds none of the {progress.count(len(known), 'image')} of this workspace; "
                             "for other images make another workspace")
    moved.save()
    return moved


def _names_and_sizes(table: pd.DataFrame) -> set[tuple[str, int]]:
    names = table["path"].str.rsplit("/", n=1).str[-1]
    return set(zip(names, table["size"], strict=True)) if len(table) else set()


def load(workspace: Workspace) -> pd.DataFrame:
    """The catalog as of the last finished `index`: columns of ImageRecord, sorted by path, RangeIndex.

    Raises InputError when the workspace was never indexed.
    """
    snapshot = workspace.catalog / "catalog.parquet"
    if not snapshot.exists():
        raise InputError(f"{workspace.root} has no catalog yet; make it with: index -w {workspace.root}")
    return pd.read_parquet(snapshot)


def scan(images: Path, store: Path, labels: Path | None = None, *, verify: bool = False,
         workers: int | None = None) -> pd.DataFrame:
    """The catalog of any folder, brought up to date in `store` (see `folder_store`).

    `labels` is a CSV of path,label (paths relative to `images`) that replaces labels from folder names. `workers` is the number
    of processes that decode, by default one per core; 0 decodes in this process. Raises InputError as `index` does.
    """
    return _refresh(images, store, labels, verify, workers)[0]


def folder_store(images: Path) -> Path:
    """Where the catalog of a folder that is no workspace is kept."""
    return cache_root() / "folders" / digest(str(images.resolve()))[:16]


def snapshot_digest(table: pd.DataFrame) -> str:
    """A digest of the catalog's (path, label, sha256) rows: what findings were computed from."""
    state = hashlib.sha256()
    for name in ("path", "label", "sha256"):
        state.update("\0".join(table[name]).encode("utf-8") + b"\0\0")
    return state.hexdigest()


def _refresh(images: Path, folder: Path, labels_file: Path | None, verify: bool,
             workers: int | None) -> tuple[pd.DataFrame, IndexReport]:
    began = time.monotonic()
    labels = _read_labels(labels_file) if labels_file else None
    with lock(folder / "lock", f"the images of {images} are being indexed by another process; try again when it is done"):
        found = _find(images, labels)
        found_labels = _labels(found["path"], labels)
        with Store(folder, pixels.VERSION) as store:
            current = store.snapshot_is_current
            known = pd.read_parquet(store.snapshot) if current else store.table()
            position = pd.Index(known["path"]).get_indexer(pd.Index(found["path"]))
            same = _unchanged(found, known, position, verify)
            decoded = _read(images, found[~same], store, workers)
            gone = known.drop(index=position[position >= 0])
            store.remove(gone["path"].tolist())
            if current and same.all() and gone.empty and known["label"].tolist() == found_labels:
                table = known
            else:
                table = store.table()
                assert table["path"].tolist() == found["path"].tolist()
                table.insert(COLUMNS.index("label"), "label", pd.Series(found_labels, dtype="str"))
                store.save_snapshot(table)
                store.drop_thumbnails(set(gone["sha256"]) - set(table["sha256"]))
    moved = 0 if gone.empty else _moved(gone, table[~table["path"].isin(known["path"])])
    unreadable = int((table["status"] == UNREADABLE).sum())
    return table, IndexReport(len(table), unreadable, decoded, int(same.sum()), len(gone), moved, time.monotonic() - began)


def _read_labels(file: Path) -> dict[str, str]:
    """path -> label, both NFC. A path may be listed twice only with the same label."""
    table = read_table(file, ("path", "label"))
    labels: dict[str, str] = {}
    for row, (path, label) in enumerate(zip(map(normalize, table["path"]), table["label"], strict=True), start=1):
        if not path:
            raise InputError(f"{file}, data row {row}: the path is empty")
        label = class_name(label, f"label of {path!r} in {file}") if label.strip() else ""
        if labels.setdefault(path, label) != label:
            raise InputError(f"{file} gives {path!r} two labels: {labels[path]!r} and {label!r}")
    return labels


def _labels(paths: pd.Series, labels: Mapping[str, str] | None) -> list[str]:
    if labels is not None:
        return [labels.get(path, "") for path in paths]
    return [path.split("/", 1)[0] if "/" in path else "" for path in paths]


def _moved(gone: pd.DataFrame, new: pd.DataFrame) -> int:
    copies = Counter(new["sha256"])
    return sum(copies[sha256] == 1 for sha256 in gone["sha256"] if sha256)


def _find(images: Path, labels: Mapping[str, str] | None) -> pd.DataFrame:
    """tree.COLUMNS of all files there and all files listed, sorted by path."""
    found = tree.list_images(images, labels or ())
    for link in found.skipped_links:
        progress.say(f"not followed: the link {link} leads to a folder that is listed elsewhere")
    if found.ignored:
        progress.say(f"{found.ignored} files were ignored: hidden, or no images by their suffix")
    files = found.files
    absent = sorted(set(labels or ()) - set(files["path"]))
    if absent:
        rows = [(path, path, 0, 0, 0, "file not found") for path in absent]
        files = pd.concat([files, pd.DataFrame(rows, columns=tree.COLUMNS)]).sort_values("path", ignore_index=True)
    if files.empty:
        raise InputError(f"there is no image in {images} (looked for {', '.join(sorted(tree.SUFFIXES))})")
    return files


def _unchanged(found: pd.DataFrame, known: pd.DataFrame, position: npt.NDArray[np.intp], verify: bool) -> npt.NDArray[np.bool_]:
    """Which rows of `found`, in row `position` of `known` (-1: none), need no new outcome.

    A file whose bytes could not be read is tried again every time.
    """
    if known.empty:
        return np.zeros(len(found), np.bool_)
    before = known.take(np.maximum(position, 0))  # not reindex: its NaN would make floats of times that need all 64 bits
    same = position >= 0
    for name in ("file", "size", "mtime_ns", "inode"):
        same &= found[name].to_numpy() == before[name].to_numpy()
    listed = (found["reason"] == "").to_numpy()
    was_read = (before["sha256"] != "").to_numpy() & (not verify)
    return np.asarray(same & np.where(listed, was_read, found["reason"].to_numpy() == before["reason"].to_numpy()))


def _read(images: Path, files: pd.DataFrame, store: Store, count: int | None) -> int:
    """Store the outcome of each file, a transaction a batch; return how many were decoded."""
    rows = list(files.itertuples(index=False, name=None))
    by_place = {os.path.join(images, row[1]): row for row in rows if not row[-1]}
    store.write([_record(*row) for row in rows if row[-1]], {})
    decoded, records, jpegs = 0, [], {}
    count = workers.cores() if count is None else count
    with progress.track("Indexing", len(by_place), "images") as bar:
        for results in workers.run(pixels.examine, list(by_place), count):
            for place, outcome in results:
                if outcome is None:
                    outcome = pixels.Outcome("decoding it crashed the decoder", "", {}, b"")
                path, file, size, mtime_ns, inode, _ = by_place[place]
                records.append(_record(path, file, size, mtime_ns, inode, outcome.reason, outcome.sha256, outcome.columns))
                if outcome.thumbnail:
                    jpegs[outcome.sha256] = outcome.thumbnail
                decoded += outcome.reason == ""
            bar.advance(len(results))
            if len(records) >= BATCH:
                store.write(records, jpegs)
                records, jpegs = [], {}
        store.write(records, jpegs)
    return decoded


_UNMEASURED = {"pixel_hash": "", "phash": 0, "phash_mirror": 0, "width": 0, "height": 0, "format": "", "mode": "",
               "decoded": "", **dict.fromkeys(COLUMNS[COLUMNS.index("brightness"):])}


def _record(path: str, file: str, size: int, mtime_ns: int, inode: int, reason: str, sha256: str = "",
            measured: Mapping[str, Any] = _UNMEASURED) -> dict[str, Any]:
    return {"path": path, "file": file, "status": UNREADABLE if reason else OK, "reason": reason, "sha256": sha256,
            "size": size, "mtime_ns": mtime_ns, "inode": inode, **(_UNMEASURED if reason else measured)}
