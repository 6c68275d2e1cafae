"""Images made up for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def make_image(seed: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A photo-like RGB image: coloured noise whose power falls with frequency, as in photographs."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells in (2, 4, 8, 16, 32, 64):
        octave = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
        total += (np.asarray(octave) - 127.5) * 2 / np.sqrt(cells)
    return Image.fromarray(np.clip(total + 127.5, 0, 255).astype(np.uint8))


def image_bytes(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **({"quality": 90} if format == "JPEG" else {}) | options)
    return out.getvalue()
