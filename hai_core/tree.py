"""The image files below a folder: how they are spelled on disk, their identity, and size, time and inode. Opens none."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from hai_core.taxonomy import normalize
from hai_core.workspace import InputError

SUFFIXES = frozenset({"jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif"})
COLUMNS = ["path", "file", "size", "mtime_ns", "inode", "reason"]

_HIDDEN = re.compile(r"(^|/)\.")  # such as macOS's ._photo.jpg, and .ipynb_checkpoints/
_Row = tuple[str, str, int, int, int, str]


@dataclass
class Tree:
    """`files` (COLUMNS, sorted by path, RangeIndex): `reason` says why an entry cannot be read, '' for most.

    `ignored` counts files with other suffixes, and hidden files and folders; `skipped_links` are linked folders that lead back
    into the tree or to a folder that another link leads to.
    """

    files: pd.DataFrame
    ignored: int
    skipped_links: list[str]


@dataclass
class _Walk:
    root: str
    listed: Collection[str]
    rows: list[_Row] = field(default_factory=list)
    ignored: int = 0
    skipped_links: list[str] = field(default_factory=list)
    followed: set[str] = field(default_factory=set)


def list_images(root: Path, listed: Collection[str] = ()) -> Tree:
    """Every file below `root` that has an image's suffix or whose path is in `listed` (relative, POSIX, NFC).

    Links are followed. What cannot be read has its row too: folders that may not be listed, broken links, names that
    are not UTF-8, and the second of two files whose names differ only in their Unicode form. Raises InputError when `root`
    is not a folder that can be listed.
    """
    if not root.is_dir():
        raise InputError(f"there is no folder {root}")
    if not os.access(root, os.R_OK | os.X_OK):
        raise InputError(f"the folder {root} cannot be listed: permission denied")
    walk = _Walk(os.path.realpath(root), listed)
    folders = [""]
    while folders:
        folders.extend(_list_folder(walk, folders.pop()))
    return Tree(_one_row_a_path(walk.rows), walk.ignored, sorted(walk.skipped_links))


def _list_folder(walk: _Walk, folder: str) -> list[str]:
    """Add the rows of one folder ('' or 'a/b/'); return the folders in it."""
    inside = []
    try:
        with os.scandir(os.path.join(walk.root, folder)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = folder + entry.name
                try:
                    is_folder = entry.is_dir()
                except OSError:  # a link that leads to itself
                    is_folder = False
                listed = bool(walk.listed) and normalize(name) in walk.listed
                if is_folder:
                    if entry.name.startswith(".") and not walk.listed:
                        walk.ignored += 1
                    elif not entry.is_symlink() or _leads_elsewhere(walk, name):
                        inside.append(name + "/")
                elif listed or (_suffix(entry.name) in SUFFIXES and not _HIDDEN.search(name)):
                    walk.rows.append(_row(name, entry))
                else:
                    walk.ignored += 1
    except OSError as error:
        path = _spell(folder.rstrip("/"))
        reason = f"the folder cannot be listed: {(error.strerror or str(error)).lower()}"
        walk.rows.append((normalize(path), path, 0, 0, 0, reason))
    return inside


def _leads_elsewhere(walk: _Walk, link: str) -> bool:
    """Whether a linked folder is to be followed: each target once, and none that holds or is inside the tree."""
    target = os.path.realpath(os.path.join(walk.root, link))
    overlaps = os.path.commonpath([target, walk.root]) in (target, walk.root)
    if overlaps or target in walk.followed:
        walk.skipped_links.append(_spell(link))
        return False
    walk.followed.add(target)
    return True


def _row(name: str, entry: os.DirEntry[str]) -> _Row:
    reason = ""
    if name.isascii():
        path = file = name
    else:
        file = _spell(name)
        path = normalize(file)
        if file != name:
            reason = "the file name is not valid UTF-8: rename the file"
    try:
        found = entry.stat()
    except OSError as error:
        broken = "broken link" if entry.is_symlink() else f"cannot be opened: {(error.strerror or str(error)).lower()}"
        return path, file, 0, 0, 0, reason or broken
    if not stat.S_ISREG(found.st_mode):
        reason = reason or "not a regular file"
    return path, file, found.st_size, found.st_mtime_ns, found.st_ino & (2**63 - 1), reason


def _suffix(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return suffix.lower() if stem else ""


def _spell(name: str) -> str:
    """The name as text that can be stored: bytes that are not UTF-8 become \\xNN."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    return name


def _one_row_a_path(rows: list[_Row]) -> pd.DataFrame:
    rows.sort(key=lambda row: (row[0], row[0] != row[1], row[1]))
    previous, repeats = "", 0
    for i, (path, file, size, mtime_ns, inode, reason) in enumerate(rows):
        repeats = repeats + 1 if path == previous else 0
        previous = path
        if repeats:
            reason = reason or "another file has the same name in another Unicode form: rename one"
            rows[i] = (f"{path} (spelling {repeats + 1})", file, size, mtime_ns, inode, reason)
    return pd.DataFrame(rows, columns=COLUMNS).astype({"path": "str", "file": "str", "reason": "str"})


def locate(images: Path, paths: Sequence[str]) -> list[Path | None]:
    """Where each path (relative, NFC) is on disk, however the file name is composed there; None when it is not there."""
    names: dict[Path, dict[str, str]] = {}
    return [_locate(images, path, names) for path in paths]


def located(images: Path, table: pd.DataFrame) -> pd.DataFrame:
    """One row of `table` (columns path, sha256) for each content, with the `place` of its file: the first path that is there,
    else the first one, whose place is None."""
    placed = table.assign(place=np.array([*locate(images, table["path"].tolist()), None], dtype=object)[:-1])
    return placed.iloc[placed["place"].isna().argsort(kind="stable")].drop_duplicates("sha256")


def _locate(images: Path, path: str, names: dict[Path, dict[str, str]]) -> Path | None:
    place = images
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return None
        if os.path.lexists(place / part):
            place = place / part
            continue
        if place not in names:
            try:
                names[place] = {normalize(name): name for name in sorted(os.listdir(place), reverse=True)}
            except OSError:
                names[place] = {}
        if part not in names[place]:
            return None
        place = place / names[place][part]
    return place
