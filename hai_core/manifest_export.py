"""A manifest for other programs: folders of copied images, a CSV, or a dataset that FiftyOne opens."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hai_core import catalog as catalogs
from hai_core import progress
from hai_core.workspace import InputError, digest, write_atomic, write_table

if TYPE_CHECKING:
    from hai_core.manifest import Manifest

NAME_BYTES = 200  # of a file or folder name; file systems allow 255, and the number needs room
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*%]')  # what some file system forbids, and the % that marks an escape
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(manifest: Manifest, images: Path, out: Path, format: str, *, spreadsheet: bool = False) -> int:
    """Write a manifest's images or table to the new folder `out`, whole or not at all. Returns the number of images.

    imagefolder: out/train/CLASS/FILE and out/holdout/CLASS/FILE, and classes.csv (folder, class). csv: out/manifest.csv; with
    `spreadsheet`, escaped by `spreadsheet_safe`. fiftyone: out/train and out/holdout, each a FiftyOneImageClassificationDataset
    (data/ and labels.json).

    Images are copied, never linked: an edit of the export must not reach them. Raises InputError for an unknown format, an
    `out` that is not empty, and an image that is missing or whose bytes are not the manifest's.
    """
    if format not in FORMATS:
        raise InputError(f"there is no export format {format!r}; choose one of {', '.join(FORMATS)}")
    if spreadsheet and format != "csv":
        raise InputError(f"escaping for spreadsheets is for the csv format, not for {format}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not empty")
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        part.chmod(0o755)
        if format == "csv":
            write_table(spreadsheet_safe(manifest.table) if spreadsheet else manifest.table, part / "manifest.csv")
        else:
            FORMATS[format](manifest, images, part)
        os.rename(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return len(manifest.table)


def _imagefolder(manifest: Manifest, images: Path, out: Path) -> None:
    table = manifest.table
    folders = _distinct({name: safe_name(name) for name in manifest.classes})
    places = [f"{split}/{folders[label]}" for split, label in zip(table["split"], table["label"], strict=True)]
    _copy(table, images, [out / place for place in _named(table["path"], places)])
    names = pd.DataFrame({"folder": list(folders.values()), "class": list(folders)})
    write_table(names, out / "classes.csv")


def _fiftyone(manifest: Manifest, images: Path, out: Path) -> None:
    table = manifest.table
    number = {name: at for at, name in enumerate(manifest.classes)}
    # FiftyOne knows an image by its path under data/ without the suffix, so that names must differ without it.
    places = _named(table["path"], [f"{split}/data" for split in table["split"]], without_suffix=True)
    _copy(table, images, [out / place for place in places])
    for split, rows in table.assign(place=places).groupby("split"):
        labels = {Path(place).stem: number[label] for place, label in zip(rows["place"], rows["label"], strict=True)}
        content = json.dumps({"classes": manifest.classes, "labels": labels}, ensure_ascii=False, indent=1)
        write_atomic(out / str(split) / "labels.json", content + "\n")


FORMATS: dict[str, Callable[[Manifest, Path, Path], None]] = {
    "imagefolder": _imagefolder,
    "csv": lambda manifest, images, out: write_table(manifest.table, out / "manifest.csv"),
    "fiftyone": _fiftyone,
}


def safe_name(name: str) -> str:
    """`name` as one file or folder name that every common file system takes: what is forbidden as %XX, too long cut short."""
    safe = _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name)
    if safe.strip(".") == "" or safe.endswith((".", " ")):
        safe = safe[:-1] + f"%{ord(safe[-1]):02X}"
    if len(safe.encode()) > NAME_BYTES:
        safe = safe.encode()[:NAME_BYTES].decode(errors="ignore") + "~" + digest(name)[:8]
    return safe


def _distinct(names: Mapping[str, str]) -> dict[str, str]:
    """The names, with a mark on those that a file system without upper and lower case would confuse."""
    counts = Counter(name.casefold() for name in names.values())
    return {key: f"{name}~{digest(key)[:8]}" if counts[name.casefold()] > 1 else name for key, name in names.items()}


def _named(paths: Iterable[str], folders: Sequence[str], without_suffix: bool = False) -> list[str]:
    """A file place for each path in its folder; where two would clash, the names get a number made from the path."""
    splits = [(folder, *map(safe_name, os.path.splitext(path.rsplit("/", 1)[-1])))
              for path, folder in zip(paths, folders, strict=True)]
    keys = [f"{folder}/{stem}{'' if without_suffix else suffix}".casefold() for folder, stem, suffix in splits]
    counts = Counter(keys)
    return [f"{folder}/{stem}~{digest(path)[:12]}{suffix}" if counts[key] > 1 else f"{folder}/{stem}{suffix}"
            for path, key, (folder, stem, suffix) in zip(paths, keys, splits, strict=True)]


def _copy(table: pd.DataFrame, images: Path, targets: Sequence[Path]) -> None:
    sources = catalogs.locate(images, table["path"].tolist())
    for path, source in zip(table["path"], sources, strict=True):
        if source is None:
            raise InputError(f"the manifest's image {path!r} is not under {images}; say with --images where the images are now")
    for folder in {target.parent for target in targets}:
        folder.mkdir(parents=True, exist_ok=True)
    with progress.track("Exporting", len(table), "images") as bar:
        for path, sha256, source, target in zip(table["path"], table["sha256"], sources, targets, strict=True):
            content = source.read_bytes() if source else b""
            if hashlib.sha256(content).hexdigest() != sha256:
                raise InputError(f"the image {path!r} under {images} changed since the manifest was built")
            target.write_bytes(content)
            bar.advance(1)


def spreadsheet_safe(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before texts that a spreadsheet would run as a formula. Not for reading back."""
    texts = table.select_dtypes(include=["object", "str"]).columns
    return table.assign(**{name: table[name].map(lambda text: f"'{text}" if str(text).startswith(_FORMULA) else text)
                           for name in texts})
