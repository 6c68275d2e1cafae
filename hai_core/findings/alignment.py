"""Is one thumbnail a copy of the other? Align the two, then compare them block by block.

Two photos of one car model agree in layout; copies of one photo agree everywhere, after a crop, a border, a mirror image, a
change of size, colour or compression is undone. Working on grey thumbnails of 64 x 64 pixels:

1. Gate: correlation at 8 x 8 pixels, of the pair and with one mirrored.
2. Alignment: horizontal and vertical scale and shift by Gauss-Newton steps on the difference of standardised pixels, robust to
   outliers (Cauchy weights), coarse to fine (Lucas and Kanade, 1981; Baker and Matthews, IJCV 2004).
3. Verdict: correlation over the overlap, and of high-passed 8 x 8 blocks that have texture, at their lowest decile and
   quartile. A watermark spoils a few blocks, another car most of them.

Fails where thumbnails show too little (even surfaces, silhouettes on white), for rotations, and for crops below about
three quarters of the width.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from threadpoolctl import threadpool_limits

from hai_core.workers import cores

SIDE = 64
GATE, COARSE, FINER = 0.6, 0.7, 0.8  # correlation below which a pair is given up at 8, at 16 and at 32 pixels
CORRELATION, QUARTILE, DECILE = 0.9, 0.7, 0.5  # least values of a copy
_LEVELS = ((16, 8), (32, 6), (64, 5))  # side, steps
_STARTS = (1.0, 0.92, 1.09)  # scales
_TEXTURE = 0.02  # variance of a standardised block, below which it says nothing
_BATCH = 64  # pairs at a time: their images stay in the processor's cache

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """Verdicts on P pairs (a, b). `scale` (P, 2): how much wider and higher a's view is than b's (1.05: b is a crop of a)."""

    copy: npt.NDArray[np.bool_]
    mirrored: npt.NDArray[np.bool_]
    scale: npt.NDArray[np.float32]


def grey(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """A thumbnail as `compare` takes it: (64, 64), whatever its shape was."""
    luma = simplejpeg.decode_jpeg(jpeg, "GRAY")[..., 0]
    return np.asarray(cv2.resize(luma, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def compare(images: npt.NDArray[np.uint8], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Comparison:
    """Whether images[b] show the same photo as images[a]; images (M, 64, 64), a and b row numbers (P,)."""
    found = Comparison(np.zeros(len(a), bool), np.zeros(len(a), bool), np.ones((len(a), 2), np.float32))
    rows, (a, b) = np.unique(np.stack([a, b]), return_inverse=True)
    images = images[rows]
    with threadpool_limits(1), ThreadPoolExecutor(cores()) as pool:  # products of small matrices: one thread each
        for mirrored, pairs in enumerate(_gate(images, a, b)):
            pairs = pairs[~found.copy[pairs]]
            parts = [pairs[start:start + _BATCH] for start in range(0, len(pairs), _BATCH)]
            left, right = images, images[:, :, ::-1] if mirrored else images
            verdicts = pool.map(_judge, (_pixels(left, a[part]) for part in parts), (_pixels(right, b[part]) for part in parts))
            for part, (copy, scale) in zip(parts, verdicts, strict=True):
                found.copy[part], found.mirrored[part], found.scale[part] = copy, copy & bool(mirrored), scale
    return found


def _pixels(images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> Array:
    return images[rows].astype(np.float32)


def _gate(images: npt.NDArray[np.uint8], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
          ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which pairs may be copies as they are, and which with one of them mirrored."""
    flat = np.empty((len(images), 8, 8), np.float32)
    for start in range(0, len(images), _BATCH):
        flat[start:start + _BATCH] = _shrink(images[start:start + _BATCH].astype(np.float32), 8)
    flat -= flat.mean((1, 2), keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=(1, 2), keepdims=True), 1e-3)
    as_it_is, mirrored = (np.einsum("pij,pij->p", flat[a], other[b]) for other in (flat, flat[:, :, ::-1]))
    return np.flatnonzero(as_it_is >= GATE), np.flatnonzero(mirrored >= GATE)


def _judge(a: Array, b: Array) -> tuple[npt.NDArray[np.bool_], Array]:
    copy, scale = np.zeros(len(a), bool), np.ones((len(a), 2), np.float32)
    placement, correlation = _align(a, b)
    left, placement = np.flatnonzero(correlation >= COARSE), placement[correlation >= COARSE]
    for (side, steps), least in zip(_LEVELS[1:], (FINER, CORRELATION), strict=True):
        placement, correlation = _descend(a[left], b[left], placement, side, steps)
        left, placement = left[correlation >= least], placement[correlation >= least]
    copy[left], scale[left] = _same(a[left], b[left], placement), placement[:, :2]
    return copy, scale


def _align(a: Array, b: Array) -> tuple[Array, Array]:
    """The best coarse placement (P, 4: scales, shifts) from several starts, and its correlation (P,)."""
    starts = [np.tile(np.array([start, start, 0, 0], np.float32), (len(a), 1)) for start in _STARTS]
    placements, correlations = zip(*(_descend(a, b, start, *_LEVELS[0]) for start in starts), strict=True)
    best = np.stack(correlations).argmax(axis=0)
    every = np.arange(len(a))
    return np.stack(placements)[best, every], np.stack(correlations)[best, every]


def _descend(a: Array, b: Array, placement: Array, side: int, steps: int) -> tuple[Array, Array]:
    """Gauss-Newton steps on sum w (b(W(x)) - a(x))^2 over the overlap, W(x, y) = (sx x + tx, sy y + ty)."""
    still, moving = _shrink(a, side), _with_slopes(_shrink(b, side))
    x = _centers(side)
    ridge = np.eye(4, dtype=np.float32) * (5e-4 * side * side)
    for _ in range(steps):
        sampled, inside = _sample(moving, placement)
        count = np.maximum(inside.sum((1, 2)), 1)
        standard, spread = _standardise(sampled[:, 0], inside)
        residual = (_standardise(still, inside)[0] - standard) * inside
        weight = inside / (1 + residual ** 2)
        by_x, by_y = sampled[:, 1] / spread, sampled[:, 2] / spread
        slopes = np.stack([by_x * x, by_y * x[:, None], by_x, by_y], 1).reshape(len(a), 4, side * side)
        slopes -= (slopes @ inside.reshape(len(a), side * side, 1)) / count[:, None, None]
        weighted = slopes * weight.reshape(len(a), 1, side * side)
        curvature, pull = weighted @ slopes.transpose(0, 2, 1) + ridge, weighted @ residual.reshape(len(a), side * side, 1)
        placement = placement + np.clip(np.linalg.solve(curvature, pull)[..., 0], -0.1, 0.1)
        placement = np.concatenate([np.clip(placement[:, :2], 0.75, 1.33), np.clip(placement[:, 2:], -0.3, 0.3)], 1)
    sampled, inside = _sample(moving, placement)
    return placement, _correlation(still, sampled[:, 0], inside)


def _same(a: Array, b: Array, placement: Array) -> npt.NDArray[np.bool_]:
    """Whether aligned pairs agree block by block (P,)."""
    sampled, inside = _sample(b[:, None], placement)
    left, right = (_blocks(_standardise(_high_pass(image), inside)[0] * inside) for image in (a, sampled[:, 0]))
    left, right = left - left.mean(-1, keepdims=True), right - right.mean(-1, keepdims=True)
    energy = (left ** 2).mean(-1), (right ** 2).mean(-1)
    agreement = ((left * right).mean(-1) + _TEXTURE) / np.sqrt((energy[0] + _TEXTURE) * (energy[1] + _TEXTURE))
    telling = (_blocks(inside).mean(-1) > 0.9) & (np.maximum(*energy) > _TEXTURE)
    good: npt.NDArray[np.bool_] = telling.any(axis=1)
    for pair in np.flatnonzero(good):
        blocks = agreement[pair, telling[pair]]
        good[pair] = bool((np.quantile(blocks, (0.25, 0.1)) >= (QUARTILE, DECILE)).all())
    return good


@lru_cache
def _centers(side: int) -> Array:
    return np.asarray((np.arange(side) + 0.5) / side * 2 - 1, np.float32)


def _sample(image: Array, placement: Array) -> tuple[Array, Array]:
    """image (P, C, n, n) at the placed grid, bilinear, and which of its points (P, n, n) are inside.

    Scale and shift keep rows and columns apart, so that sampling is a product with a matrix for each axis.
    """
    side = image.shape[-1]
    place = placement[:, :2, None] * _centers(side) + placement[:, 2:, None]  # (P, 2, n): x, y
    inside = (np.abs(place) <= 1 - 1 / side).astype(np.float32)
    index = np.clip((place + 1) * (side / 2) - 0.5, 0, side - 1)
    weights = np.maximum(1 - np.abs(index[..., None] - np.arange(side, dtype=np.float32)), 0)  # (P, 2, n, n)
    across = weights[:, 0].transpose(0, 2, 1)[:, None]
    return weights[:, 1][:, None] @ image @ across, inside[:, 1, :, None] * inside[:, 0, None, :]


def _shrink(image: Array, side: int) -> Array:
    """(P, 64, 64) -> (P, side, side): means of squares."""
    step = SIDE // side
    return image.reshape(len(image), side, step, side, step).mean((2, 4)) if step > 1 else image


def _with_slopes(image: Array) -> Array:
    """(P, n, n) -> the image and its derivatives by x and y in grid units (P, 3, n, n)."""
    scale = image.shape[-1] / 4
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)), mode="edge")
    by_x, by_y = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2], padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    return np.stack([image, by_x * scale, by_y * scale], 1)


def _standardise(image: Array, inside: Array) -> tuple[Array, Array]:
    """Mean 0 and deviation 1 over the points inside; and that deviation (P, 1, 1)."""
    count = np.maximum(inside.sum((1, 2), keepdims=True), 1)
    centered = image - np.einsum("pij,pij->p", image, inside)[:, None, None] / count
    spread = np.sqrt(np.einsum("pij,pij,pij->p", centered, centered, inside)[:, None, None] / count) + np.float32(1e-3)
    return centered / spread, spread


def _correlation(a: Array, b: Array, inside: Array) -> Array:
    product = np.einsum("pij,pij,pij->p", _standardise(a, inside)[0], _standardise(b, inside)[0], inside)
    return np.asarray(product / np.maximum(inside.sum((1, 2)), 1), np.float32)


def _high_pass(image: Array) -> Array:
    return np.asarray(image - _means() @ image @ _means().T, np.float32)


@lru_cache
def _means() -> Array:
    """(64, 64): the mean of the nine pixels around each along a line, whose ends repeat."""
    around = np.clip(np.arange(SIDE)[:, None] + np.arange(-4, 5), 0, SIDE - 1)
    return np.asarray((around[..., None] == np.arange(SIDE)).mean(axis=1), np.float32)


def _blocks(image: Array) -> Array:
    """(P, 64, 64) -> (P, 64 blocks, 64 pixels)."""
    return image.reshape(len(image), 8, 8, 8, 8).transpose(0, 1, 3, 2, 4).reshape(len(image), 64, 64)
