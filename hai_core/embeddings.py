"""Images x backbone -> features, computed once by content and kept.

A store is a folder per key (weights fingerprint, transform, precision, runtime, view), so that features of two kinds are
never mixed. It holds shards of 4,096 rows and an SQLite index content hash -> row. Rows are written first and indexed in
one transaction a batch: a run killed at any moment loses at most its last batch, and the next one goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from hai_core import backbones, progress, runtime
from hai_core.backbones import Backbone
from hai_core.pixels import UnreadableImage, decode, read_bytes
from hai_core.runtime import Crop
from hai_core.workers import cores
from hai_core.workspace import InputError, canonical_json, digest, embeddings_root, lock, write_atomic

View = Literal["center", "mirror"]
VIEWS: tuple[View, ...] = ("center", "mirror")
SHARD_ROWS = 4096
BATCH = 64
Decoded = tuple[str, "Crop | None", str]  # content hash, crop, why there is none


@dataclass(frozen=True)
class EmbedReport:
    """What `embed` did; counts are distinct images by content."""

    images: int  # asked for
    computed: int  # by this run
    failed: list[tuple[str, str]]  # file and reason: unreadable, or other bytes than the given hash. They have no features
    seconds: float
    images_per_second: float  # 0 when nothing was computed


def embed(images: Path, files: pd.DataFrame, backbone: str, *, view: View = "center", batch_size: int = BATCH) -> EmbedReport:
    """Compute the features that are not there yet.

    `files` has columns `file` (relative to `images`, as spelled on disk) and `sha256`; rows without a hash are ignored. Every
    file is read once, its hash verified, and cropped as timm does for evaluation (`mirror`: then flipped left-right).
    Waits while another process embeds with the same key. Raises InputError as `backbones.load` does.
    """
    began = time.monotonic()
    wanted = files.loc[files["sha256"] != "", ["sha256", "file"]].drop_duplicates("sha256")
    if wanted["sha256"].isin(_indexed(backbone, view)).all():
        return EmbedReport(len(wanted), 0, [], time.monotonic() - began, 0.0)
    loaded = backbones.load(backbone)
    features = runtime.runner(loaded)  # before the folder is chosen: it settles what the features are computed by
    failed: list[tuple[str, str]] = []
    computed = 0
    with lock(_folder(loaded, view) / "lock", None), closing(_Store(loaded, view)) as store:
        todo = wanted[~wanted["sha256"].isin(store.index())]
        began_computing = time.monotonic()
        with progress.track(f"Embedding with {loaded.name}", len(todo), "images") as bar:
            for batch in _batches(images, todo, loaded, view, batch_size):
                failed += [(file, reason) for (_, crop, reason), file in batch if crop is None]
                ready = [(sha256, crop) for (sha256, crop, _), _ in batch if crop is not None]
                if ready:
                    store.add([sha256 for sha256, _ in ready], features([crop for _, crop in ready]))
                computed += len(ready)
                bar.advance(len(batch))
    for file, reason in failed:
        progress.say(f"no features of {file}: {reason}")
    ended = time.monotonic()
    rate = computed / (ended - began_computing) if computed else 0.0
    return EmbedReport(len(wanted), computed, failed, ended - began, rate)


def load(sha256: Sequence[str], backbone: str, *, view: View = "center") -> npt.NDArray[np.float32]:
    """Features of images by content hash, shape (N, D), in the order asked for; a hash may be asked for twice.

    Raises InputError, naming `embed`, when some were never computed.
    """
    loaded = backbones.load(backbone)
    rows = _rows(sha256, backbone, view)
    missing = int((rows < 0).sum())
    if missing:
        raise InputError(f"{missing} of {len(rows)} images have no {backbone} features yet; compute them with: "
                         f"embed --backbone {backbone}")
    features = np.empty((len(rows), loaded.dim), dtype=np.float32)
    for shard in np.unique(rows // SHARD_ROWS):
        here = np.flatnonzero(rows // SHARD_ROWS == shard)
        features[here] = np.load(_shard(_folder(loaded, view), int(shard)), mmap_mode="r")[rows[here] % SHARD_ROWS]
    return features


def have(sha256: Sequence[str], backbone: str, *, view: View = "center") -> npt.NDArray[np.bool_]:
    """Which images (N,) have features."""
    return _rows(sha256, backbone, view) >= 0


def key(backbone: Backbone, view: View) -> dict[str, Any]:
    """What features depend on besides the image's bytes."""
    transform = {"timm": "eval, fused", "least_side": runtime.least_side(backbone), **backbone.data_config}
    return {"fingerprint": backbone.fingerprint, "transform": transform, "view": view, "precision": "float32",
            "runtime": runtime.name(backbone)}


def _folder(backbone: Backbone, view: View) -> Path:
    return embeddings_root() / f"{backbone.name}-{view}-{digest(canonical_json(key(backbone, view)))[:12]}"


def _shard(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npy"


def _rows(sha256: Sequence[str], backbone: str, view: View) -> npt.NDArray[np.int64]:
    indexed = _indexed(backbone, view)
    return np.array([indexed.get(name, -1) for name in sha256], dtype=np.int64)


def _indexed(backbone: str, view: View) -> dict[str, int]:
    """Content hash -> row of everything that is computed."""
    file = _folder(backbones.load(backbone), view) / "index.sqlite"
    if not file.exists():
        return {}
    with closing(_open(file)) as db:
        return dict(db.execute("SELECT sha256, row FROM rows"))


def _open(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=30)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS rows (sha256 TEXT PRIMARY KEY, row INTEGER NOT NULL UNIQUE) WITHOUT ROWID")
    return db


class _Store:
    """A key's folder, opened for writing by the one process that holds its lock."""

    def __init__(self, backbone: Backbone, view: View) -> None:
        self._folder, self._dim = _folder(backbone, view), backbone.dim
        write_atomic(self._folder / "key.json", json.dumps(key(backbone, view), indent=1) + "\n")
        self._db = _open(self._folder / "index.sqlite")
        (last,) = self._db.execute("SELECT max(row) FROM rows").fetchone()
        self._next = 0 if last is None else int(last) + 1

    def close(self) -> None:
        self._db.close()

    def index(self) -> set[str]:
        return {sha256 for (sha256,) in self._db.execute("SELECT sha256 FROM rows")}

    def add(self, sha256: Sequence[str], features: npt.NDArray[np.float32]) -> None:
        """Write features (B, D), then make them known."""
        rows = np.arange(self._next, self._next + len(features))
        for number in np.unique(rows // SHARD_ROWS):
            here = rows // SHARD_ROWS == number
            shard = self._open_shard(int(number))
            shard[rows[here] % SHARD_ROWS] = features[here]
            shard.flush()
        with self._db as db:
            db.executemany("INSERT INTO rows VALUES (?, ?)", zip(sha256, rows.tolist(), strict=True))
        self._next += len(features)

    def _open_shard(self, number: int) -> np.memmap[Any, np.dtype[np.float32]]:
        file = _shard(self._folder, number)
        if not file.exists():
            part = file.with_suffix(".part")
            np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(SHARD_ROWS, self._dim)).flush()
            part.rename(file)
        return np.lib.format.open_memmap(file, mode="r+")


def _batches(images: Path, todo: pd.DataFrame, backbone: Backbone, view: View,
             size: int) -> Iterator[list[tuple[Decoded, str]]]:
    """Batches of crops and their files, in order; up to three are prepared ahead by threads."""
    cut, least_side = runtime.crop(backbone), runtime.least_side(backbone)
    waiting: deque[tuple[Future[Decoded], str]] = deque()
    rows = list(zip(todo["file"], todo["sha256"], strict=True))
    with ThreadPoolExecutor(cores()) as pool:
        try:
            for start in range(0, len(rows), size):
                while len(waiting) < 4 * size and rows[start + len(waiting):]:
                    file, sha256 = rows[start + len(waiting)]
                    waiting.append((pool.submit(_prepare, images / file, sha256, cut, least_side, view), file))
                yield [(future.result(), file) for future, file in (waiting.popleft() for _ in range(min(size, len(waiting))))]
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare(file: Path, sha256: str, cut: Callable[[Image.Image], Crop], least_side: int, view: View) -> Decoded:
    try:
        data = read_bytes(file)
        if hashlib.sha256(data).hexdigest() != sha256:
            return sha256, None, "the file changed since it was indexed"
        crop = cut(decode(data, least_side=least_side).image)
        return sha256, crop if view == "center" else np.ascontiguousarray(crop[:, ::-1]), ""
    except UnreadableImage as error:
        return sha256, None, str(error)
