"""A vehicle's two skins, the lower body and the cabin, as surfaces that details are laid onto."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from hai_core.demo.solid import Array, Model, outline, strip
from hai_core.demo.vehicles import Body, Pairs

RING = 96  # points around an outline; even, so that left and right pair up
Surface = Callable[[Array], Array]  # (N, 2) surface coordinates -> (N, 3)


def _smooth(pairs: Pairs, width: float, n: int = 400) -> tuple[Array, Array]:
    """A polyline's dense samples, its corners rounded over about `width` of its length."""
    x = np.linspace(pairs[0][0], pairs[-1][0], n)
    y = np.interp(x, [p[0] for p in pairs], [p[1] for p in pairs])
    half = int(width * n / 2)
    kernel = np.hanning(2 * half + 3)[1:-1]
    padded = np.concatenate([2 * y[0] - y[half:0:-1], y, 2 * y[-1] - y[-2:-half - 2:-1]])
    return x, np.convolve(padded, kernel / kernel.sum(), mode="valid")


class Shell:
    """The lower body: everything below hood, shoulder and deck.

    Coordinates are (s, v): s runs around the outline in half-widths of the vehicle, 0 in the middle of the front, positive
    to the left, ±`half` in the middle of the rear; v is 0 at the bottom and 1 at the top edge.
    """

    def __init__(self, body: Body) -> None:
        self.body, self.a, self.b = body, body.length / 2, body.width / 2
        self.ring = outline(self.a, self.b, body.plan[:2], body.plan[2:], RING)
        closed = np.vstack([self.ring, self.ring[:1]])
        self._along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]) / self.b
        self._closed = closed
        self.half = float(self._along[-1] / 2)
        self._top, self._nose, self._tail = _smooth(body.top, 0.12), _smooth(body.nose, 0.2), _smooth(body.tail, 0.2)

    def top(self, x: Array) -> Array:
        return np.asarray(np.interp(x, *self._top))

    def bottom(self, x: Array) -> Array:
        return self.body.ride + 0.05 * np.abs(x / self.a) ** 6

    def at(self, points: Array) -> Array:
        s, v = points[:, 0] % (2 * self.half), points[:, 1]
        x, y = np.interp(s, self._along, self._closed[:, 0]), np.interp(s, self._along, self._closed[:, 1])
        bottom = self.bottom(x)
        z = bottom + v * (self.top(x) - bottom)
        width = 1 - 0.07 * np.clip(1 - v / 0.45, 0, 1) ** 2 - 0.04 * np.clip((v - 0.5) / 0.5, 0, 1) ** 2
        width -= 0.05 * np.clip((v - 0.88) / 0.12, 0, 1) ** 2
        flare = sum(np.exp(-((x - axle) / 0.42) ** 2) for axle in self.body.axles)
        flare *= np.exp(-((z - self.body.wheel * 1.9) / 0.2) ** 2)
        ends = np.clip(np.abs(x) / self.a, 0, 1) ** 7
        offset = np.where(x > 0, np.interp(v, *self._nose), -np.interp(v, *self._tail))
        return np.column_stack([x + ends * offset, y * (width + 0.025 * flare), z])

    def rear(self, points: Array) -> Array:
        """The surface at (s, v) with s measured from the middle of the rear, positive to the left."""
        return self.at(np.column_stack([self.half - points[:, 0], points[:, 1]]))

    def unit(self, x: float) -> float:
        """How much v is as long as one s, at `x`: circles with radii r and r * unit come out round."""
        return self.b / float(self.top(np.array(x)) - self.bottom(np.array(x)))

    def side(self, x: float) -> float:
        """The s of a point of the left side, `x` metres ahead of the middle (the right side has -s)."""
        left = self._closed[: RING // 2 + 1]
        return float(np.interp(-x, -left[:, 0], self._along[: RING // 2 + 1]))

    def level(self, z: float, x: float = 0.0) -> float:
        """The v of a height above the ground at `x`."""
        bottom = self.bottom(np.array(x))
        return float((z - bottom) / (self.top(np.array(x)) - bottom))

    def build(self, model: Model) -> None:
        """The painted surface and the hood, shoulder and deck that close it above."""
        s = self._along[:-1]
        rows = [np.column_stack([s, np.full(RING, v)]) for v in (0, 0.12, 0.26, 0.42, 0.56, 0.68, 0.78, 0.87, 0.93, 0.97, 1)]
        model.mesh("body", "paint", np.stack([self.at(row) for row in rows]), closed=True)
        rim = self.at(np.column_stack([s, np.ones(RING)]))
        model.mesh("body", "paint", lid(rim, 0.05))
        model.add("under", "void", self.at(np.column_stack([s, np.full(RING, 0.05)])))


def lid(rim: Array, crown: float, across: int = 7) -> Array:
    """A grid over a closed rim (RING, 3) whose points pair up left and right, arched by `crown` metres."""
    left, right = rim[: RING // 2 + 1], rim[-np.arange(RING // 2 + 1)]
    t = np.linspace(0, 1, across)[:, None, None]
    grid = right * (1 - t) + left * t
    x = rim[:, 0]
    along = 1 - (2 * (left[:, 0] - x.min()) / np.ptp(x) - 1) ** 2
    grid[:, :, 2] += crown * (4 * t * (1 - t))[:, :, 0] * along
    return grid[:, ::-1]


class Cabin:
    """The upper body. Coordinates (r, t): r around the outline, 0 front centre .. 1 rear centre, negative on the right side;
    t is 0 at the shoulder and 1 at the roof. `front` and `rear` are the r of the corners."""

    def __init__(self, body: Body, shell: Shell) -> None:
        half = (body.base[1] - body.base[0]) / 2
        ring = outline(half, body.width / 2 * 0.93, (0.45, 2.8), (0.35, 3.4), RING)
        closed = np.vstack([ring, ring[:1]])
        along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
        self._along, unit = along / along[-1] * 2, closed / [half, body.width / 2 * 0.93]
        base_x = sum(body.base) / 2 + unit[:, 0] * half
        self._base = np.column_stack([base_x, closed[:, 1], shell.top(base_x) - 0.01])
        self._base[:, 1] = np.clip(self._base[:, 1], -body.width / 2 * 0.93, body.width / 2 * 0.93)
        roof_x = sum(body.roof) / 2 + unit[:, 0] * (body.roof[1] - body.roof[0]) / 2
        height = body.height - body.camber * np.abs(unit[:, 0]) ** 2.5
        self._roof = np.column_stack([roof_x, closed[:, 1] * body.roof_width, height])
        left = slice(0, RING // 2 + 1)
        self.front = float(np.interp(0.9, unit[left, 1][: RING // 4], self._along[left][: RING // 4]))
        self.rear = float(np.interp(0.93, unit[left, 1][::-1][: RING // 4], self._along[left][::-1][: RING // 4]))

    def at(self, points: Array) -> Array:
        r, t = points[:, 0] % 2, points[:, 1]
        base = np.column_stack([np.interp(r, self._along, c) for c in self._base.T])
        roof = np.column_stack([np.interp(r, self._along, c) for c in self._roof.T])
        inward = (0.72 * t + 0.28 * (1 - np.sqrt(1 - np.clip(t, 0, 1) ** 5)))[:, None]
        flat = base + (roof - base) * inward
        return np.column_stack([flat[:, :2], base[:, 2] + (roof[:, 2] - base[:, 2]) * t])

    def side(self, points: Array) -> Array:
        """The same from (q, t): q is 0 at the left side's front corner and 1 at its rear corner."""
        return self.at(np.column_stack([self.front + points[:, 0] * (self.rear - self.front), points[:, 1]]))

    def build(self, model: Model, roof: str) -> None:
        r = self._along[:-1]
        rows = [np.column_stack([r, np.full(RING, t)]) for t in (0, 0.3, 0.6, 0.86, 0.91, 0.95, 0.98, 0.994, 1)]
        grid = np.stack([self.at(row) for row in rows])
        model.mesh("cabin", "paint", grid[:4], closed=True)
        model.mesh("cabin", roof, grid[3:], closed=True)
        model.mesh("cabin", roof, lid(grid[-1], 0.035))


def mirrored(surface: Surface) -> Surface:
    """The other side's surface: the same coordinates, y negated."""
    return lambda points: surface(points) * [1.0, -1.0, 1.0]


def patch(model: Model, surface: Surface, group: str, material: str, polygon: Sequence[tuple[float, float]] | Array,
          du: float = 0.22, dv: float = 9.0, sides: str = "both") -> None:
    """Lay a convex polygon in surface coordinates onto a surface, cut into cells so that it follows the curvature.

    `sides`: both (also mirrored to the other side), one, or right (only mirrored).
    """
    shape = np.asarray(polygon, float)
    overlap = 1.06 if dv < 9 else 1.0  # no cracks between the cells of a fine grid
    cells = [cell
             for bottom in _steps(shape[:, 1], dv)
             if len(row := strip(shape[:, ::-1], bottom, bottom + dv)) >= 3
             for low in _steps(row[:, 1], du)
             if len(cell := strip(row[:, ::-1], low, low + du)) >= 3]
    grown = [(middle := cell.mean(axis=0)) + (cell - middle) * overlap for cell in cells]
    ends = np.cumsum([len(cell) for cell in cells])
    faces = np.split(surface(np.concatenate(grown)), ends[:-1]) if grown else []
    if sides != "right":
        model.add(group, material, *faces, wound=False)
    if sides != "one":
        model.add(group, material, *(face * [1.0, -1.0, 1.0] for face in faces), wound=False)


def _steps(values: Array, step: float) -> Array:
    low, high = float(values.min()), float(values.max())
    count = max(1, int(np.ceil((high - low) / step - 1e-9)))
    return np.asarray(low + np.arange(count) * step)


def seam(model: Model, surface: Surface, group: str, material: str, points: Sequence[tuple[float, float]] | Array,
         width: float, sides: str = "both") -> None:
    """A thin band of `width` (surface units) along a polyline."""
    line = np.asarray(points, float)
    for start, end in pairwise(line):
        along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
        across = np.array([-along[1], along[0]]) * width / 2
        patch(model, surface, group, material, np.array([start - across, end - across, end + across, start + across]),
              sides=sides)


def rect(x0: float, y0: float, x1: float, y1: float) -> Array:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def circle(x: float, y: float, rx: float, ry: float | None = None, n: int = 18) -> Array:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack([x + rx * np.cos(angle), y + (rx if ry is None else ry) * np.sin(angle)])
