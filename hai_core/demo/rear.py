"""Tail lights, hatch or trunk, bumper, exhausts and number plate: the rear of a vehicle.

Coordinates are (s, v) with s measured from the middle of the rear, positive to the left.
"""

from __future__ import annotations

import numpy as np

from hai_core.demo.front import badge
from hai_core.demo.shell import Shell, Surface, circle, patch, rect, seam
from hai_core.demo.solid import Array, Model
from hai_core.demo.vehicles import Body, Face, Pairs

LAMPS: dict[str, tuple[Pairs, ...]] = {  # convex pieces of the left tail light
    "block": (((0.58, 0.62), (1.08, 0.6), (1.2, 0.66), (1.2, 0.88), (0.6, 0.88)),),
    "wrap": (((0.5, 0.7), (0.95, 0.6), (1.3, 0.72), (1.34, 0.86), (0.5, 0.86)),),
    "vertical": (((0.8, 0.42), (1.05, 0.42), (1.14, 0.6), (1.14, 0.96), (0.86, 0.96)),),
    "tall": (((0.82, 0.5), (1.04, 0.5), (1.06, 0.97), (0.84, 0.97)),),
    "bar": (((0.0, 0.75), (1.0, 0.75), (1.34, 0.79), (1.34, 0.85), (0.0, 0.84)),
            ((0.72, 0.66), (1.1, 0.64), (1.2, 0.8), (0.72, 0.8))),
    "c": (((0.62, 0.82), (1.2, 0.82), (1.2, 0.92), (0.62, 0.92)), ((1.0, 0.56), (1.16, 0.56), (1.2, 0.92), (1.0, 0.92)),
          ((0.7, 0.56), (1.16, 0.56), (1.16, 0.65), (0.7, 0.65))),
    "boomerang": (((0.86, 0.46), (1.06, 0.46), (1.14, 0.94), (0.96, 0.94)),
                  ((0.5, 0.72), (1.06, 0.7), (1.06, 0.8), (0.5, 0.78))),
}


def build(model: Model, shell: Shell, body: Body, face: Face) -> None:
    rear, unit = shell.rear, shell.unit(-shell.a)
    _panels(model, rear, body)
    _lights(model, rear, unit, face)
    _bumper(model, rear, unit, face)
    v = 0.34 if face.plate_low else 0.62 if not body.bed else 0.3
    patch(model, rear, "detail", "seam", rect(-0.35, v - 0.08, 0.35, v + 0.09), sides="one", du=0.8)
    patch(model, rear, "plate_rear", "plate", rect(-0.28, v - 0.055, 0.28, v + 0.055), sides="one", du=0.7)
    if not face.plate_low and not body.bed:
        patch(model, rear, "detail", "chrome" if face.brightwork else "trim",
              rect(-0.38, v + 0.09, 0.38, v + 0.12), sides="one", du=0.8)
    badge(model, rear, unit, face.badge, 0.93 if face.tail == "bar" else 0.87, 0.06)


def _panels(model: Model, rear: Surface, body: Body) -> None:
    if body.bed:
        patch(model, rear, "detail", "seam", rect(-0.8, 0.44, 0.8, 0.455), sides="one", du=0.8)
        seam(model, rear, "detail", "seam", ((0.8, 0.44), (0.8, 1.0)), 0.012)
        patch(model, rear, "detail", "trim", rect(-0.2, 0.8, 0.2, 0.88), sides="one", du=0.8)
    elif body.hatch:
        seam(model, rear, "detail", "seam", ((0.0, 0.45), (0.74, 0.45), (0.8, 0.6), (0.86, 1.0)), 0.012)
    else:
        seam(model, rear, "detail", "seam", ((0.0, 0.5), (0.6, 0.5), (0.66, 0.6), (0.7, 1.0)), 0.012)


def _lights(model: Model, rear: Surface, unit: float, face: Face) -> None:
    if face.tail == "round":
        for s, v in ((0.66, 0.74), (0.96, 0.76)):
            patch(model, rear, "detail", "seam", circle(s, v, 0.15, 0.15 * unit))
            patch(model, rear, "detail", "tail", circle(s, v, 0.135, 0.135 * unit))
            patch(model, rear, "detail", "tail_bright" if face.tail_mark == "rings" else "tail_dark",
                  circle(s, v, 0.085, 0.085 * unit))
            patch(model, rear, "detail", "tail", circle(s, v, 0.06, 0.06 * unit))
    for piece in LAMPS.get(face.tail, ()):
        patch(model, rear, "detail", "tail", piece, du=0.12)
    middle = np.mean(LAMPS.get(face.tail, (((0.8, 0.75),),))[0], axis=0)
    if face.tail_mark == "two" and face.tail != "round":
        patch(model, rear, "detail", "amber", rect(-0.08, -0.01, 0.08, 0.05) + middle)
        patch(model, rear, "detail", "reverse", rect(-0.08, -0.07, 0.08, -0.02) + middle)
    if face.tail_mark == "l":
        seam(model, rear, "detail", "tail_bright", np.array([(-0.1, 0.1), (0.1, 0.1), (0.1, -0.1)]) + middle, 0.028)
    if face.tail_mark == "bar":
        reach = 0.0 if face.tail == "bar" else 0.6
        seam(model, rear, "detail", "tail_bright", ((reach, 0.795), (1.0, 0.795), (1.28, 0.82)), 0.022)


def _bumper(model: Model, rear: Surface, unit: float, face: Face) -> None:
    patch(model, rear, "detail", "trim", ((-0.8, 0.0), (0.8, 0.0), (0.72, 0.14), (-0.72, 0.14)), sides="one", du=0.3)
    if face.intake in ("skid", "bull"):
        patch(model, rear, "detail", "trim" if face.intake == "skid" else "chrome",
              rect(-1.1, 0.0, 1.1, 0.24), sides="one", du=0.2)
    seam(model, rear, "detail", "seam", ((0.9, 0.43), (1.3, 0.47)), 0.012)
    patch(model, rear, "detail", "tail_dark", ((0.78, 0.2), (1.04, 0.22), (1.04, 0.26), (0.78, 0.24)))
    pipes: dict[str, list[Array]] = {
        "round": [circle(0.62, 0.05, 0.05, 0.05 * unit)], "wide": [rect(0.51, 0.03, 0.73, 0.1)],
        "quad": [circle(x, 0.06, 0.05, 0.05 * unit) for x in (0.52, 0.66)]}
    for outline in pipes.get(face.exhaust, []):
        middle = outline.mean(axis=0)
        patch(model, rear, "detail", "chrome", (outline - middle) * 1.3 + middle)
        patch(model, rear, "detail", "void", outline)
