"""A small vector renderer for closed bodies: a camera, rings of outlines, and faces drawn back to front.

World axes in metres: x to the vehicle's front, y to its left, z up; the ground is z = 0. A `Model` is built once per
kind of vehicle and holds every face as points with a material; each image only projects, culls and shades them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that circles the vehicle. Azimuth 0 looks at its front, 90 degrees at its left side (radians)."""

    azimuth: float
    pitch: float  # radians above the ground
    distance: float  # metres to the target
    focal: float  # pixels
    cx: float  # where the target appears, pixels
    cy: float
    target_z: float = 0.65
    position: Array = field(init=False)
    axes: Array = field(init=False)  # rows: right, up, forward

    def __post_init__(self) -> None:
        ca, sa, cp, sp = np.cos(self.azimuth), np.sin(self.azimuth), np.cos(self.pitch), np.sin(self.pitch)
        away = np.array([ca * cp, sa * cp, sp])
        right = np.array([-sa, ca, 0.0])
        object.__setattr__(self, "position", away * self.distance + [0.0, 0.0, self.target_z])
        object.__setattr__(self, "axes", np.stack([right, np.cross(away, right), -away]))

    def project(self, points: Array) -> Array:
        """Screen coordinates (N, 2) of world points (N, 3) that lie in front of the camera."""
        x, y, z = (points - self.position).T
        right, up, ahead = ((a * x + b * y + c * z) for a, b,
                            c in self.axes.tolist())  # faster than a product with a 3 x 3 matrix
        scale = self.focal / ahead
        return np.column_stack([self.cx + right * scale, self.cy - up * scale])

    def ground(self, points: Array) -> Array:
        """Screen polygon of a ground polygon (N, 2), cut off where it would pass behind the camera; may be empty."""
        local = (np.column_stack([points, np.zeros(len(points))]) - self.position) @ self.axes.T
        local = clip(local, np.array([0.0, 0.0, -1.0]), -0.6)
        if len(local) < 3:
            return np.empty((0, 2))
        return np.asarray(local[:, :2] * (self.focal / local[:, 2:3]) * [1.0, -1.0] + [self.cx, self.cy])

    @property
    def horizon(self) -> float:
        """Screen row of the horizon."""
        return float(self.cy - self.focal * np.tan(self.pitch))


def clip(polygon: Array, normal: Array, limit: float) -> Array:
    """The part of a polygon (N, D) where `points @ normal <= limit` (Sutherland and Hodgman, one plane)."""
    if len(polygon) == 0:
        return polygon
    side = polygon @ normal - limit
    kept: list[Array] = []
    for i in range(len(polygon)):
        j = (i + 1) % len(polygon)
        if side[i] <= 0:
            kept.append(polygon[i])
        if (side[i] <= 0) != (side[j] <= 0):
            kept.append(polygon[i] + (polygon[j] - polygon[i]) * (side[i] / (side[i] - side[j])))
    return np.array(kept) if kept else polygon[:0]


def strip(polygon: Array, low: float, high: float) -> Array:
    """The part of a convex polygon (N, 2) with first coordinate between `low` and `high`."""
    return clip(clip(polygon, np.array([1.0, 0.0]), high), np.array([-1.0, 0.0]), -low)


def outline(a: float, b: float, front: tuple[float, float], rear: tuple[float, float], n: int = 120) -> Array:
    """Closed outline (n, 2) seen from above, counter-clockwise from (a, 0), evenly spaced, at most `a` long and `b` wide from
    the middle; each end is a half superellipse of (depth in metres, exponent)."""
    angle = np.linspace(0, np.pi / 2, 400)
    depth, power = front
    head = np.column_stack([a - depth + depth * np.cos(angle) ** (2 / power), b * np.sin(angle) ** (2 / power)])
    depth, power = rear
    back = np.column_stack([depth - a - depth * np.cos(angle) ** (2 / power), b * np.sin(angle) ** (2 / power)])[::-1]
    left = np.vstack([head, back])
    left[:, 1] *= 1 - 0.035 * (left[:, 0] / a) ** 2
    x, y = np.vstack([left, (left * [1, -1])[-2::-1]]).T
    along = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    even = np.linspace(0, along[-1], n, endpoint=False)
    return np.column_stack([np.interp(even, along, x), np.interp(even, along, y)])


@dataclass
class Model:
    """Faces under construction; `finish` packs them into arrays. Groups tell the order in which faces are drawn."""

    points: list[Array] = field(default_factory=list)
    material: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    wound: list[bool] = field(default_factory=list)

    def add(self, group: str, material: str, *faces: Array, wound: bool = True) -> None:
        """Faces (N, 3), each a flat or nearly flat polygon, wound counter-clockwise seen from outside.

        With `wound=False` either way round: such a face looks away from the vehicle's spine.
        """
        for face in faces:
            self.points.append(face)
            self.material.append(material)
            self.group.append(group)
            self.wound.append(wound)

    def mesh(self, group: str, material: str, grid: Array, closed: bool = False) -> None:
        """Quads of a grid (rows, columns, 3); rows run upwards and columns counter-clockwise seen from above."""
        if closed:
            grid = np.concatenate([grid, grid[:, :1]], axis=1)
        quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], axis=2)
        self.add(group, material, *quads.reshape(-1, 4, 3))

    def finish(self) -> Faces:
        points, counts = np.concatenate(self.points), np.array([len(p) for p in self.points])
        starts = np.concatenate([[0], np.cumsum(counts)])
        following = np.arange(1, len(points) + 1)
        following[starts[1:] - 1] = starts[:-1]
        x, y, z = points.T
        u, v, w = points[following].T
        crossed = np.column_stack([y * w - z * v, z * u - x * w, x * v - y * u])  # Newell: right for nearly flat polygons
        normals = np.add.reduceat(crossed, starts[:-1])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        centres = np.add.reduceat(points, starts[:-1]) / counts[:, None]
        inward = np.einsum("ij,ij->i", normals, centres * [0.5, 1, 1] - [0, 0, 0.6]) < 0
        normals[inward & ~np.array(self.wound)] *= -1
        names = sorted(set(self.material))
        members = {g: np.flatnonzero(np.array(self.group) == g) for g in dict.fromkeys(self.group)}
        index = np.array([names.index(m) for m in self.material])
        return Faces(points, starts, normals, centres, names, index, members)


@dataclass(frozen=True)
class Faces:
    """A finished model: `points[starts[i]:starts[i + 1]]` is face i; `groups` lists the faces of a group in drawing order."""

    points: Array
    starts: NDArray[np.int64]
    normals: Array
    centres: Array
    materials: list[str]
    index: NDArray[np.int64]  # of each face's material
    groups: dict[str, NDArray[np.int64]]

    def placed(self, matrix: Array, offset: Array) -> Faces:
        """The same faces rotated and moved."""
        return Faces(self.points @ matrix.T + offset, self.starts, self.normals @ matrix.T, self.centres @ matrix.T + offset,
                     self.materials, self.index, self.groups)
