"""The images most like one image, by features that are stored already: nothing is computed, and no model is loaded."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hai_core.backbones import DEFAULT
from hai_core.embeddings import SHARD_ROWS
from hai_core.workspace import embeddings_root

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Where the features of N images lie: shards in `folder`, `row` (N,) in them, -1 for an image without features.

    `parts`: of each shard that is needed its number and the images in it. `scale` (N,): one over the length of each image's
    features, 0 where there are none.
    """

    folder: Path
    row: Rows
    parts: list[tuple[int, Rows]]
    scale: Floats

    def shard(self, number: int) -> Floats:
        """(SHARD_ROWS, D), mapped: its memory is given back with the array."""
        part: Floats = np.load(self.folder / f"{number:05d}.npy", mmap_mode="r")
        return part


def indexes() -> list[Path]:
    """The index of every store of features of whole images, the default backbone's first."""
    files = sorted(embeddings_root().glob("*-center-*/index.sqlite"))
    return sorted(files, key=lambda file: not file.parent.name.startswith(f"{DEFAULT}-center-"))


def stored(sha256: Sequence[str]) -> Features | None:
    """Features of images by content hash, from the store that has most of them; None when there are none.

    One pass over the features for their lengths: 0.1 s at 33,000 images of 1,280 numbers.
    """
    best, row = None, np.full(len(sha256), -1, np.int64)
    for file in indexes():
        found = _rows(file, sha256)
        if (found >= 0).sum() > (row >= 0).sum():
            best, row = file.parent, found
    if best is None:
        return None
    order = np.argsort(row, kind="stable")[int((row < 0).sum()):]
    numbers, starts = np.unique(row[order] // SHARD_ROWS, return_index=True)
    parts = list(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
    features = Features(best, row, parts, np.zeros(len(row), np.float32))
    for number, images in parts:
        lengths = np.sqrt(np.einsum("nd,nd->n", part := features.shard(number), part))[row[images] % SHARD_ROWS]
        features.scale[images] = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return features


def _rows(index: Path, sha256: Sequence[str]) -> Rows:
    with closing(sqlite3.connect(f"{index.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as db:
        known = dict(db.execute("SELECT sha256, row FROM rows"))
    return np.array([known.get(name, -1) for name in sha256], np.int64)


def nearest(features: Features, images: Rows, n: int) -> tuple[Rows, Floats]:
    """Numbers of the up to `n` images most like each of `images` (Q,), and their cosine similarities, both (Q, n), most similar
    first; never itself.

    Exact: reads every feature once for all Q (20 ms at 33,000 images of 1,280 numbers, 30 ms for sixteen at once; seconds at
    1,000,000). An image without features is nobody's neighbour; asked for, it has similarity 0 to all. Byte-identical copies
    are nearest, with similarity 1.
    """
    queries = np.zeros((len(images), features.shard(features.parts[0][0]).shape[1]), np.float32)
    for number in np.unique(features.row[images] // SHARD_ROWS):
        here = features.row[images] // SHARD_ROWS == number
        if number >= 0:
            queries[here] = features.shard(number)[features.row[images[here]] % SHARD_ROWS] * features.scale[images[here], None]
    similarity = np.full((len(images), len(features.row)), -np.inf, np.float32)
    for number, part in features.parts:
        similarity[:, part] = (queries @ features.shard(number).T)[:, features.row[part] % SHARD_ROWS] * features.scale[part]
    similarity[np.arange(len(images)), images] = -np.inf
    n = max(0, min(n, int((features.row >= 0).sum()) - 1))
    found = np.argpartition(-similarity, n, axis=1)[:, :n] if n else np.zeros((len(images), 0), np.int64)
    close = np.take_along_axis(similarity, found, axis=1)
    order = np.argsort(-close, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(close, order, axis=1)
