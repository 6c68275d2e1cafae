"""Wheels: a tyre and a rim of a named design, in a unit frame (radius 1, axle along y, outer side at y = 0)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from hai_core.demo.solid import Array, Faces, Model


def _disc(radius: float, y: float, n: int = 32) -> Array:
    angle = np.linspace(0, -2 * np.pi, n, endpoint=False)
    return np.column_stack([radius * np.cos(angle), np.full(n, y), radius * np.sin(angle)])


def _spoke(inner: float, outer: float, half_in: float, half_out: float, skew: float = 0.0) -> Array:
    """A spoke's outline (N, 2) in (radius, angle) units, `skew` turning its outer end."""
    return np.array([(inner, -half_in), (outer, skew - half_out), (outer, skew + half_out), (inner, half_in)])


def _spokes(design: str, count: int) -> list[Array]:
    pitch = 2 * np.pi / count
    at = {"spokes": [_spoke(0.14, 0.7, 0.7, pitch * 0.16)], "blade": [_spoke(0.14, 0.71, 0.5, pitch * 0.24, 0.12)],
          "turbine": [_spoke(0.14, 0.71, 0.45, pitch * 0.3, 0.55)],
          "double": [_spoke(0.14, 0.7, 0.28, 0.055, -pitch * 0.2), _spoke(0.14, 0.7, 0.28, 0.055, pitch * 0.2)],
          "y": [_spoke(0.14, 0.44, 0.5, 0.12), _spoke(0.42, 0.71, 0.12, 0.07, -pitch * 0.3),
                _spoke(0.42, 0.71, 0.12, 0.07, pitch * 0.3)],
          "cap": [], "steel": [], "disc": []}[design]
    return [piece + np.array([0.0, i * pitch + np.pi / 2]) for i in range(count) for piece in at]


def _holes(model: Model, count: int, rows: tuple[tuple[float, float, float], ...], first: float) -> None:
    """`count` oval holes around the hub for each of `rows`: (distance from the hub, radius outwards, radius around)."""
    for i in range(count):
        c, s = np.cos(2 * np.pi * i / count + first), np.sin(2 * np.pi * i / count + first)
        for distance, out, around in rows:
            x, z = _disc(1.0, 0.0, 10)[:, ::2].T * [[out], [around]]
            model.add("wheel", "rim_dark", np.column_stack([c * (distance + x) - s * z, np.zeros(10),
                                                            s * (distance + x) + c * z]))


@lru_cache(maxsize=64)
def wheel(design: str, count: int) -> Faces:
    """The faces of one wheel on the left side of a vehicle."""
    model = Model()
    width = 0.55
    closed = np.vstack([_disc(1.0, 0.0), _disc(1.0, 0.0)[:1]])
    model.add("wheel", "tyre_dark", _disc(1.0, -width)[::-1])
    model.mesh("wheel", "tread", np.stack([closed, closed - [0, width, 0]])[:, ::-1])
    for material, radius in (("tyre", 1.0), ("tyre_dark", 0.8), ("rim_edge", 0.76)):
        model.add("wheel", material, _disc(radius, 0.0))
    if design in ("cap", "disc"):
        model.add("wheel", "rim", _disc(0.7, 0.0))
        _holes(model, count, ((0.5, 0.08, 0.1),) if design == "cap" else ((0.58, 0.036, 0.12), (0.46, 0.036, 0.12)), 0.3)
    else:
        for material, radius in (("rim_dark", 0.7), ("brake", 0.46), ("rim_dark", 0.2)):
            model.add("wheel", material, _disc(radius, 0.0))
    if design == "steel":
        model.add("wheel", "rim_steel", _disc(0.66, 0.0))
        _holes(model, count, ((0.48, 0.07, 0.07),), 0.0)
    for piece in _spokes(design, count):
        flat = np.column_stack([piece[:, 0] * np.cos(piece[:, 1]), np.zeros(4), piece[:, 0] * np.sin(piece[:, 1])])
        model.add("wheel", "rim", flat[::-1])
    model.add("wheel", "rim", _disc(0.17, 0.0, 16))
    model.add("wheel", "rim_dark", _disc(0.08, 0.0, 10))
    return model.finish()
