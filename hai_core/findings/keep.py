"""Which of several copies to keep: the one that the others can be derived from."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from hai_core.findings.quality import GREY

# Mean quantisation step taken for formats that do not state one. Lossless: that of a JPEG nobody can tell from the original,
# because a lossless file may have been saved from a JPEG.
LOSSLESS, LOSSY = 4.0, 16.0
_HEAD = 256 << 10  # bytes: beyond any usual preview and colour profile
_LOSSY_FORMATS = ("WEBP", "AVIF", "GIF")


@dataclass(frozen=True)
class Quality:
    """What makes an image the better copy, for M images: `border` and `grey` (M,), and `detail` (M,) in bits.

    `detail` = log2(pixels) - log2(mean JPEG quantisation step): one more for twice the pixels or half the step.
    """

    border: npt.NDArray[np.bool_]
    grey: npt.NDArray[np.bool_]
    step: npt.NDArray[np.float64]
    detail: npt.NDArray[np.float64]


def quality(images: pd.DataFrame, steps: npt.NDArray[np.float64], thumbnails: npt.NDArray[np.uint8]) -> Quality:
    """Of catalog rows `images`; `steps` (M,) as `jpeg_step` gives them, `thumbnails` (M, 64, 64) grey."""
    format_ = images["format"].to_numpy()
    step = np.where(np.isfinite(steps), steps, np.where(np.isin(format_, _LOSSY_FORMATS), LOSSY, LOSSLESS))
    pixels = images["width"].to_numpy(np.float64) * images["height"].to_numpy(np.float64)
    grey = images["colorfulness"].to_numpy() < GREY * np.maximum(images["brightness"].to_numpy(), 1 / 255)
    return Quality(has_border(thumbnails), grey, step, np.log2(np.maximum(pixels, 1)) - np.log2(np.maximum(step, LOSSLESS)))


def has_border(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Whether grey images (M, 64, 64) have an even frame: four sides of one tone, from which the inside differs."""
    images = thumbnails.astype(np.float32)
    frame = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    tone = np.median(frame, axis=1)
    inner = np.stack([images[:, 5, 5:-5], images[:, -6, 5:-5], images[:, 5:-5, 5], images[:, 5:-5, -6]], axis=1)
    differs = (np.abs(inner - tone[:, None, None]) > 12).mean(axis=2) > 0.5
    even = np.quantile(np.abs(frame - tone[:, None]), 0.95, axis=1) < 8
    return np.asarray(even & (differs.sum(axis=1) >= 3))


def jpeg_step(file: Path) -> float:
    """Mean luma quantisation step of a JPEG file, 1 finest .. 255; NaN for other formats. Reads the file's beginning only."""
    try:
        with open(file, "rb") as handle:
            head = handle.read(_HEAD)
    except FileNotFoundError:  # gone since it was indexed
        return float("nan")
    if head[:2] != b"\xff\xd8":
        return float("nan")
    with Image.open(io.BytesIO(head), formats=("JPEG", "MPO")) as image:
        tables = getattr(image, "quantization", {})
    return float(np.mean(tables[0])) if tables.get(0) else float("nan")


def best(rows: Sequence[int], images: pd.DataFrame, quality: Quality) -> tuple[int, str]:
    """The one of `rows` to keep, and why, in words.

    In this order: not `excluded` (a column of `images`) by a person, no border, colour, detail (a tenth of a bit more), the
    label that most of them have, first by path.
    """
    labels = images["label"].to_numpy()
    votes = Counter(labels[row] for row in rows)

    excluded = images["excluded"].to_numpy()

    def rank(row: int) -> tuple[bool, bool, bool, float, int, int]:
        detail = round(float(quality.detail[row]), 1)
        return bool(excluded[row]), bool(quality.border[row]), bool(quality.grey[row]), -detail, -votes[labels[row]], row

    first = min(rows, key=rank)
    ranks = list(zip(*map(rank, rows), strict=True))
    differs = next(place for place, values in enumerate(ranks) if len(set(values)) > 1)
    reasons = ("a person has excluded the others", "it has no border", "it is in colour",
               "it holds most detail (pixels and fineness of compression)",
               "only labels tell them apart, and most have its label", "nothing tells them apart; first by path")
    return first, f"kept: {reasons[differs]}"
