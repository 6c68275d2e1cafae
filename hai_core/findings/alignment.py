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

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad, unfold

SIDE = 64
GATE, COARSE = 0.6, 0.7  # correlation below which a pair is given up at 8 and at 16 pixels
CORRELATION, QUARTILE, DECILE = 0.9, 0.7, 0.5  # least values of a copy
_LEVELS = ((16, 8), (32, 6), (64, 5))  # side, steps
_STARTS = (1.0, 0.92, 1.09)  # scales
_TEXTURE = 0.02  # variance of a standardised block, below which it says nothing
_BATCH = 256


@dataclass(frozen=True)
class Comparison:
    """Verdicts on P pairs (a, b). `scale` (P, 2): how much wider and higher a's view is than b's (1.05: b is a crop of a)."""

    copy: npt.NDArray[np.bool_]
    mirrored: npt.NDArray[np.bool_]
    scale: npt.NDArray[np.float32]


def grey(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """A thumbnail as `compare` takes it: (64, 64), whatever its shape was."""
    image = Image.open(io.BytesIO(jpeg)).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def compare(images: npt.NDArray[np.uint8], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Comparison:
    """Whether images[b] show the same photo as images[a]; images (M, 64, 64), a and b row numbers (P,)."""
    found = Comparison(np.zeros(len(a), bool), np.zeros(len(a), bool), np.ones((len(a), 2), np.float32))
    with _one_thread(), torch.inference_mode():
        for mirrored, pairs in enumerate(_gate(images, a, b)):
            for start in range(0, len(pairs), _BATCH):
                some = pairs[start:start + _BATCH]
                some = some[~found.copy[some]]
                left, right = _pixels(images, a[some]), _pixels(images, b[some])
                copy, scale = _judge(left, right.flip(-1) if mirrored else right)
                found.copy[some], found.mirrored[some], found.scale[some] = copy, copy & bool(mirrored), scale
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Many small operations: threads would wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _pixels(images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(images[rows].astype(np.float32))


def _gate(images: npt.NDArray[np.uint8], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
          ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which pairs may be copies as they are, and which with one of them mirrored."""
    small = [interpolate(_pixels(images, np.arange(start, min(start + 4096, len(images))))[:, None], (8, 8), mode="area")
             for start in range(0, len(images), 4096)]
    flat = torch.cat(small)[:, 0]
    flat = flat - flat.mean((1, 2), keepdim=True)
    flat = flat / flat.flatten(1).norm(dim=1).clamp_min(1e-3)[:, None, None]
    left, right = flat[torch.tensor(a)], flat[torch.tensor(b)]
    as_it_is, mirrored = (left * right).sum((1, 2)), (left * right.flip(-1)).sum((1, 2))
    return torch.nonzero(as_it_is >= GATE)[:, 0].numpy(), torch.nonzero(mirrored >= GATE)[:, 0].numpy()


def _judge(a: Tensor, b: Tensor) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    placement, correlation = _align(a, b)
    hopeful = torch.nonzero(correlation >= COARSE)[:, 0]
    copy, scale = torch.zeros(len(a), dtype=torch.bool), torch.ones(len(a), 2)
    if len(hopeful):
        a, b, placement = a[hopeful], b[hopeful], placement[hopeful]
        for side, steps in _LEVELS[1:]:
            placement, _ = _descend(a, b, placement, side, steps)
        copy[hopeful], scale[hopeful] = _same(a, b, placement), placement[:, :2]
    return copy.numpy(), scale.numpy()


def _align(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The best coarse placement (P, 4: scales, shifts) from several starts, and its correlation (P,)."""
    tried = [_descend(a, b, torch.tensor([start, start, 0.0, 0.0]).repeat(len(a), 1), *_LEVELS[0]) for start in _STARTS]
    correlation, best = torch.stack([correlation for _, correlation in tried]).max(0)
    return torch.stack([placement for placement, _ in tried])[best, torch.arange(len(a))], correlation


def _descend(a: Tensor, b: Tensor, placement: Tensor, side: int, steps: int) -> tuple[Tensor, Tensor]:
    """Gauss-Newton steps on sum w (b(W(x)) - a(x))^2 over the overlap, W(x, y) = (sx x + tx, sy y + ty)."""
    still, moving = _shrink(a, side)[:, 0], _with_slopes(_shrink(b, side))
    x, y = _grid(side)
    for _ in range(steps):
        sampled, inside = _sample(moving, placement)
        count = inside.sum((1, 2)).clamp_min(1)
        standard, spread = _standardise(sampled[:, 0], inside)
        residual = (_standardise(still, inside)[0] - standard) * inside
        weight = inside / (1 + residual ** 2)
        slopes = torch.stack([sampled[:, 1] * x, sampled[:, 2] * y, sampled[:, 1], sampled[:, 2]], 1) / spread[:, None]
        slopes = (slopes - (slopes * inside[:, None]).sum((2, 3), keepdim=True) / count[:, None, None, None]).flatten(2)
        weighted = slopes * weight.flatten(1)[:, None]
        curvature = weighted @ slopes.transpose(1, 2) + torch.eye(4) * (5e-4 * side * side)
        step = torch.linalg.solve(curvature, weighted @ residual.flatten(1)[..., None])[..., 0]
        placement = placement + step.clamp(-0.1, 0.1)
        placement = torch.cat([placement[:, :2].clamp(0.75, 1.33), placement[:, 2:].clamp(-0.3, 0.3)], 1)
    sampled, inside = _sample(moving, placement)
    return placement, _correlation(still, sampled[:, 0], inside)


def _same(a: Tensor, b: Tensor, placement: Tensor) -> Tensor:
    """The verdict (P,) on aligned pairs."""
    sampled, inside = _sample(b[:, None], placement)
    good: Tensor = _correlation(a, sampled[:, 0], inside) >= CORRELATION
    left, right = (_blocks(_standardise(_high_pass(image), inside)[0] * inside) for image in (a, sampled[:, 0]))
    left, right = left - left.mean(-1, keepdim=True), right - right.mean(-1, keepdim=True)
    energy = (left ** 2).mean(-1), (right ** 2).mean(-1)
    agreement = ((left * right).mean(-1) + _TEXTURE) / ((energy[0] + _TEXTURE) * (energy[1] + _TEXTURE)).sqrt()
    telling = (_blocks(inside).mean(-1) > 0.9) & (torch.maximum(*energy) > _TEXTURE)
    agreement = torch.where(telling, agreement, torch.nan)
    decile, quartile = torch.nanquantile(agreement, torch.tensor([0.1, 0.25]), dim=1)
    good &= (quartile >= QUARTILE) & (decile >= DECILE)
    return good


def _grid(side: int) -> tuple[Tensor, Tensor]:
    centers = (torch.arange(side) + 0.5) / side * 2 - 1
    return centers.repeat(side, 1), centers[:, None].repeat(1, side)


def _sample(image: Tensor, placement: Tensor) -> tuple[Tensor, Tensor]:
    """image (P, C, n, n) at the placed grid, and which of its points (P, n, n) are inside."""
    side = image.shape[-1]
    x, y = _grid(side)
    u = placement[:, 0, None, None] * x + placement[:, 2, None, None]
    v = placement[:, 1, None, None] * y + placement[:, 3, None, None]
    sampled = grid_sample(image, torch.stack([u, v], -1), align_corners=False, padding_mode="border")
    return sampled, ((u.abs() <= 1 - 1 / side) & (v.abs() <= 1 - 1 / side)).float()


def _shrink(image: Tensor, side: int) -> Tensor:
    return avg_pool2d(image[:, None], SIDE // side)


def _with_slopes(image: Tensor) -> Tensor:
    """(P, 1, n, n) -> the image and its derivatives by x and y in grid units (P, 3, n, n)."""
    scale = image.shape[-1] / 4
    wide, high = pad(image, (1, 1, 0, 0), mode="replicate"), pad(image, (0, 0, 1, 1), mode="replicate")
    return torch.cat([image, (wide[..., 2:] - wide[..., :-2]) * scale, (high[..., 2:, :] - high[..., :-2, :]) * scale], 1)


def _standardise(image: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Mean 0 and deviation 1 over the points inside; and that deviation (P, 1, 1)."""
    count = inside.sum((1, 2), keepdim=True).clamp_min(1)
    centered = image - (image * inside).sum((1, 2), keepdim=True) / count
    spread = ((centered ** 2 * inside).sum((1, 2), keepdim=True) / count).sqrt() + 1e-3
    return centered / spread, spread


def _correlation(a: Tensor, b: Tensor, inside: Tensor) -> Tensor:
    product = _standardise(a, inside)[0] * _standardise(b, inside)[0] * inside
    return product.sum((1, 2)) / inside.sum((1, 2)).clamp_min(1)


def _high_pass(image: Tensor) -> Tensor:
    return image - avg_pool2d(pad(image[:, None], (4, 4, 4, 4), mode="replicate"), 9, 1)[:, 0]


def _blocks(image: Tensor) -> Tensor:
    """(P, 64, 64) -> (P, 64 blocks, 64 pixels)."""
    return unfold(image[:, None], 8, stride=8).transpose(1, 2)
