"""Images decoded and resized once, kept as plain pixels: what fine-tuning reads, over and over, in any order.

A store is a folder for each short side. It holds files of pixels, uint8 RGB, one image after the other, that are read by the
page (memory-mapped), and an SQLite index content hash -> place. Pixels are written first and indexed in one transaction
a batch: a run killed at any moment loses at most its last batch, and the next one goes on from there.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from hai_core import progress, workers
from hai_core.catalog import located
from hai_core.pixels import UnreadableImage, decode, open_image, read_bytes
from hai_core.workspace import InputError, cache_root, lock

Pixels = npt.NDArray[np.uint8]

LONGEST = 2.0  # long side over short side; of a longer image, the middle is kept
FILE = 1 << 30  # bytes after which a new file of pixels begins
SAMPLE = 64  # images by which the store's size is foretold
SPARE = 1 << 30  # bytes that are left free on the disk
NAMED = 3


@dataclass(frozen=True)
class Resized:
    """Some images of a store, in the order asked for. `places` (N, 4): file, offset, height, width."""

    folder: Path
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Pixels:
        """(height, width, 3)."""
        file, offset, height, width = (int(value) for value in self.places[row])
        return np.array(np.memmap(self.folder / f"{file:05d}.bin", np.uint8, "r", offset, (height, width, 3)))


def folder(side: int) -> Path:
    return cache_root() / "resized" / str(side)


def open_(sha256: Sequence[str], side: int) -> Resized:
    """The images of these hashes. Raises InputError when some are not in the store: `ensure` was not called, or could not."""
    file = folder(side) / "index.sqlite"
    known: dict[str, tuple[int, int, int, int]] = {}
    if file.exists():
        with closing(_open_index(file)) as db:
            known = {sha: place for sha, *place in db.execute("SELECT * FROM places")}
    missing = sum(sha not in known for sha in sha256)
    if missing:
        raise InputError(f"{missing} of {len(sha256)} images are not in {folder(side)}")
    return Resized(folder(side), np.array([known[sha] for sha in sha256], np.int64).reshape(-1, 4))


def ensure(images: Path, table: pd.DataFrame, side: int) -> pd.DataFrame:
    """Decode and resize what is missing for the rows of `table` (columns path, sha256), once for each content.

    The disk space needed is said before it is taken, and InputError raised when there is not as much. Returns the rows that
    could not be, with their `reason`: not found, unreadable, or other bytes than the hash says.
    """
    folder(side).mkdir(parents=True, exist_ok=True)
    with lock(folder(side) / "lock", None), closing(_open_index(folder(side) / "index.sqlite")) as db:
        known = {sha for (sha,) in db.execute("SELECT sha256 FROM places")}
        missing = located(images, table[~table["sha256"].isin(list(known))])
        gone = missing["place"].isna()
        reasons = dict.fromkeys(missing.loc[gone, "sha256"], f"not found under {images}")
        found = [(str(place), str(sha)) for place, sha in zip(missing["place"][~gone], missing["sha256"][~gone], strict=True)]
        if found:
            _announce(found, side)
            reasons |= _build(db, found, side)
    without = table[table["sha256"].isin(list(reasons))]
    return without.assign(reason=without["sha256"].map(reasons))


def _open_index(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS places (sha256 TEXT PRIMARY KEY, file INTEGER NOT NULL, start INTEGER NOT NULL, "
               "height INTEGER NOT NULL, width INTEGER NOT NULL) WITHOUT ROWID")
    return db


def _announce(found: Sequence[tuple[str, str]], side: int) -> None:
    """Say how much disk space will be taken, and refuse when it is not there."""
    sample = [_bytes(file, side) for file, _ in found[::max(1, len(found) // SAMPLE)]]
    needed = int(np.mean(sample) * len(found))
    free = shutil.disk_usage(folder(side)).free
    progress.say(f"Resized images: {len(found):,} of {side} pixels (short side) take about {needed / 2**30:.1f} GiB in "
                 f"{folder(side)}; {free / 2**30:.1f} GiB are free there")
    if needed + SPARE > free:
        raise InputError(f"the resized images need about {needed / 2**30:.1f} GiB in {folder(side)}, where only "
                         f"{free / 2**30:.1f} GiB are free; make room, set HAI_CACHE to a larger disk, or lower "
                         "finetune.image_size")


def _bytes(file: str, side: int) -> int:
    try:
        width, height = _size(*open_image(file).size, side)
    except UnreadableImage:
        return 0
    return int(min(width, LONGEST * side) * min(height, LONGEST * side) * 3)


def _size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) of an image whose short side becomes `side`; a smaller image stays as it is."""
    share = min(1.0, side / min(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def _build(db: sqlite3.Connection, found: Sequence[tuple[str, str]], side: int) -> dict[str, str]:
    """Resize in worker processes and write as they come. Returns content hash -> why it could not be."""
    reasons: dict[str, str] = {}
    last = db.execute("SELECT file, start + 3 * height * width FROM places ORDER BY file DESC, start DESC LIMIT 1").fetchone()
    file, end = last or (0, 0)
    with progress.track("Resizing images", len(found)) as bar:
        for done in workers.run(partial(prepare, side=side), found, workers.cores()):
            rows: list[tuple[str, int, int, int, int]] = []
            if end > FILE:
                file, end = file + 1, 0
            with open(_file(side, file), "r+b") as handle:
                handle.seek(end)  # what a killed run wrote and did not index is written over
                for (_, sha256), result in done:
                    if isinstance(result, np.ndarray):
                        handle.write(result.tobytes())
                        rows.append((sha256, file, end, *result.shape[:2]))
                        end += result.nbytes
                    else:
                        reasons[sha256] = result or "the decoder crashed"
            with db:
                db.executemany("INSERT INTO places VALUES (?, ?, ?, ?, ?)", rows)
            bar.advance(len(done))
    return reasons


def _file(side: int, number: int) -> Path:
    file = folder(side) / f"{number:05d}.bin"
    file.touch()
    return file


def prepare(item: tuple[str, str], side: int) -> Pixels | str:
    """Pixels (height, width, 3) of (file, content hash), short side `side` at most; or why there are none."""
    file, sha256 = item
    try:
        data = read_bytes(file)
        if hashlib.sha256(data).hexdigest() != sha256:
            return "the file changed since it was indexed"
        image = decode(data, least_side=2 * side).image
    except UnreadableImage as error:
        return str(error)
    return shrunk(image, side)


def shrunk(image: Image.Image, side: int) -> Pixels:
    """Pixels (height, width, 3) of an RGB image as the store keeps it."""
    size = _size(*image.size, side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    longest = round(LONGEST * min(image.size))
    left, top = max(0, (image.width - longest) // 2), max(0, (image.height - longest) // 2)
    cut = image.crop((left, top, left + min(image.width, longest), top + min(image.height, longest)))
    return np.ascontiguousarray(np.asarray(cut))
