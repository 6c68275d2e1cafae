"""Headlights, grille, badge, bumper and number plate: the front of a vehicle, in the shell's (s, v)."""

from __future__ import annotations

import numpy as np

from hai_core.demo.shell import Shell, Surface, circle, patch, rect, seam
from hai_core.demo.solid import Array, Model, strip
from hai_core.demo.vehicles import Face, Pairs

LAMPS: dict[str, Pairs] = {  # the left headlight; `round` and `drop` are made from circles
    "swept": ((0.54, 0.62), (0.92, 0.60), (1.2, 0.70), (1.36, 0.86), (1.0, 0.83), (0.56, 0.75)),
    "slim": ((0.5, 0.70), (0.9, 0.68), (1.22, 0.74), (1.34, 0.83), (0.95, 0.81), (0.5, 0.77)),
    "block": ((0.56, 0.56), (1.05, 0.56), (1.18, 0.64), (1.2, 0.82), (0.6, 0.82)),
    "square": ((0.6, 0.56), (1.0, 0.56), (1.02, 0.82), (0.6, 0.82)),
    "split": ((0.5, 0.78), (0.9, 0.77), (1.26, 0.8), (1.3, 0.85), (0.9, 0.84), (0.5, 0.83)),
}
GRILLES: dict[str, Pairs] = {
    "slats": ((-0.46, 0.57), (0.46, 0.57), (0.48, 0.81), (-0.48, 0.81)),
    "trapezoid": ((-0.34, 0.5), (0.34, 0.5), (0.46, 0.78), (-0.46, 0.78)),
    "hexagon": ((-0.32, 0.4), (0.32, 0.4), (0.46, 0.66), (0.36, 0.82), (-0.36, 0.82), (-0.46, 0.66)),
    "cascade": ((-0.26, 0.3), (0.26, 0.3), (0.44, 0.54), (0.47, 0.76), (0.4, 0.81), (-0.4, 0.81), (-0.47, 0.76), (-0.44, 0.54)),
    "smile": ((-0.26, 0.63), (0.0, 0.6), (0.26, 0.63), (0.4, 0.73), (-0.4, 0.73)),
    "slot": ((-0.46, 0.64), (0.46, 0.64), (0.5, 0.71), (-0.5, 0.71)),
    "shield": ((-0.14, 0.44), (0.14, 0.44), (0.26, 0.58), (0.29, 0.82), (-0.29, 0.82), (-0.26, 0.58)),
    "wide": ((-0.42, 0.36), (0.42, 0.36), (0.55, 0.64), (-0.55, 0.64)),
    "cross": ((-0.5, 0.5), (0.5, 0.5), (0.52, 0.82), (-0.52, 0.82)),
    "closed": ((-0.3, 0.6), (0.3, 0.6), (0.36, 0.66), (-0.36, 0.66)),
}

INTAKES: dict[str, Pairs] = {  # of the bumper
    "wide": ((-0.62, 0.12), (0.62, 0.12), (0.56, 0.3), (-0.56, 0.3)),
    "skid": ((-0.6, 0.16), (0.6, 0.16), (0.54, 0.32), (-0.54, 0.32)),
    "three": ((-0.36, 0.1), (0.36, 0.1), (0.42, 0.26), (-0.42, 0.26)),
    "slim": ((-0.5, 0.16), (0.5, 0.16), (0.5, 0.22), (-0.5, 0.22)),
    "smile": ((-0.66, 0.2), (0.0, 0.1), (0.66, 0.2), (0.5, 0.3), (-0.5, 0.3)),
    "bull": ((-0.7, 0.14), (0.7, 0.14), (0.66, 0.28), (-0.66, 0.28))}


def build(model: Model, shell: Shell, face: Face) -> None:
    _intake(model, shell, face)
    _grille(model, shell, face)
    _headlights(model, shell, face)
    _plate(model, shell, face)


def badge(model: Model, surface: Surface, unit: float, kind: str, v: float, size: float) -> None:
    """The maker's sign in the middle at height `v`, `size` half-widths in radius."""
    tall = size * unit
    shapes = {"oval": [circle(0, 0, size * 1.25, tall * 0.75)], "round": [circle(0, 0, size, tall)],
              "shield": [np.array([(-1, 1), (-0.9, -0.2), (0, -1.2), (0.9, -0.2), (1, 1)]) * [size * 0.8, tall]],
              "bar": [np.array([(-1.9, -0.4), (1.9, -0.4), (1.9, 0.4), (-1.9, 0.4)]) * [size, tall]],
              "wing": [np.array([(0, -0.6), (2, 0.5), (0.5, 0.3), (0, 0.6), (-0.5, 0.3), (-2, 0.5)]) * [size, tall]],
              "star": [np.array([(0, -1.3), (0.35, 0), (0, 1.3), (-0.35, 0)]) * [size, tall],
                       np.array([(-1.3, 0), (0, -0.35), (1.3, 0), (0, 0.35)]) * [size, tall]]}[kind]
    for shape in shapes:
        patch(model, surface, "detail", "chrome", shape + np.array([0, v]), sides="one")
        if kind in ("oval", "round", "shield"):
            patch(model, surface, "detail", "emblem", shape * 0.62 + np.array([0, v]), sides="one")


def _grille(model: Model, shell: Shell, face: Face) -> None:
    outline = np.array(GRILLES[face.grille])
    middle = outline.mean(axis=0)
    if face.grille == "closed":
        patch(model, shell.at, "detail", "seam", outline, sides="one")
        patch(model, shell.at, "detail", "paint", (outline - middle) * [0.98, 0.7] + middle, sides="one")
        badge(model, shell.at, shell.unit(shell.a), face.badge, 0.72, 0.07)
        return
    frame = "chrome" if face.brightwork else "trim"
    patch(model, shell.at, "detail", frame, (outline - middle) * [1.07, 1.12] + middle, sides="one")
    patch(model, shell.at, "detail", "void", outline, sides="one")
    low, high = outline.min(axis=0), outline.max(axis=0)
    metal = "chrome" if face.pattern in ("hbars", "vbars") and face.brightwork >= 0.5 else "grille"
    if face.pattern in ("hbars", "mesh"):
        count = 3 if face.pattern == "hbars" else 6
        for v in np.linspace(low[1], high[1], count + 2)[1:-1]:
            _bar(model, shell, metal, outline, v, 0.022 if count == 3 else 0.012)
    if face.pattern in ("vbars", "mesh"):
        for s in np.linspace(low[0], high[0], 15 if face.pattern == "vbars" else 19)[1:-1]:
            patch(model, shell.at, "detail", metal, strip(outline, s - 0.008, s + 0.008), sides="one")
    if face.pattern == "diamond":
        for row, v in enumerate(np.linspace(low[1], high[1], 8)[1:-1]):
            for s in np.arange(low[0] + 0.04 * (row % 2), high[0], 0.08):
                if _inside(outline, s, v):
                    patch(model, shell.at, "detail", "chrome", circle(s, v, 0.022, 0.02, 4), sides="one")
    if face.grille == "cross":
        _bar(model, shell, "chrome", outline, 0.66, 0.07)
        patch(model, shell.at, "detail", "chrome", strip(outline, -0.05, 0.05), sides="one")
    above = face.grille in ("slot", "smile", "wide")
    v = high[1] + 0.08 if above else middle[1] + (0.06 if face.grille in ("hexagon", "cascade") else 0.0)
    badge(model, shell.at, shell.unit(shell.a), face.badge, float(v), 0.075)


def _bar(model: Model, shell: Shell, material: str, outline: Array, v: float, height: float) -> None:
    part = strip(outline[:, ::-1], v - height / 2, v + height / 2)
    if len(part) >= 3:
        patch(model, shell.at, "detail", material, part[:, ::-1], du=0.3, sides="one")


def _inside(outline: Array, s: float, v: float) -> bool:
    """Whether a point lies well inside a convex counter-clockwise outline."""
    edge = np.roll(outline, -1, axis=0) - outline
    to = np.array([s, v]) - outline
    return bool((edge[:, 0] * to[:, 1] - edge[:, 1] * to[:, 0] > 0.012 * np.hypot(*edge.T)).all())


def _headlights(model: Model, shell: Shell, face: Face) -> None:
    unit = shell.unit(shell.a)
    if face.lamps in ("round", "drop"):
        _round_lamp(model, shell, face, unit)
    else:
        outline = np.array(LAMPS[face.lamps])
        middle = outline.mean(axis=0)
        patch(model, shell.at, "detail", "seam", (outline - middle) * [1.04, 1.14] + middle)
        patch(model, shell.at, "detail", "lamp", outline, du=0.1)
        if face.lamps == "split":
            patch(model, shell.at, "detail", "drl", (outline - middle) * [0.96, 0.45] + middle, du=0.1)
            _lens(model, shell, 0.82, 0.56, 0.12, unit)
        else:
            for s, size in ((0.68, 0.062), (0.92, 0.07)) if face.lamps != "square" else ((0.8, 0.11),):
                v = 0.5 * (np.interp(s, outline[:3, 0], outline[:3, 1]) + np.interp(s, outline[:2:-1, 0], outline[:2:-1, 1]))
                _lens(model, shell, s, float(v), min(size, 0.42 * float(np.ptp(outline[:, 1])) / unit), unit, bezel=False)
    _signature(model, shell, face, unit)
    if face.lamps in ("block", "square"):
        amber = ((1.04, 0.6), (1.16, 0.66), (1.17, 0.78), (1.04, 0.78))
        patch(model, shell.at, "detail", "amber", amber)


def _round_lamp(model: Model, shell: Shell, face: Face, unit: float) -> None:
    size = 0.17
    if face.lamps == "drop":
        tear = np.vstack([circle(0.78, 0.68, size, size * unit)[6:16], [(1.3, 0.9)]])
        patch(model, shell.at, "detail", "lamp", tear, du=0.1)
    _lens(model, shell, 0.78, 0.68, size, unit)
    _lens(model, shell, 0.78, 0.68, size * 0.45, unit, bezel=False)


def _lens(model: Model, shell: Shell, s: float, v: float, size: float, unit: float, bezel: bool = True) -> None:
    if bezel:
        patch(model, shell.at, "detail", "chrome", circle(s, v, size, size * unit))
        patch(model, shell.at, "detail", "lamp", circle(s, v, size * 0.86, size * 0.86 * unit))
    patch(model, shell.at, "detail", "lens", circle(s, v, size * 0.62, size * 0.62 * unit))
    patch(model, shell.at, "detail", "glint", circle(s - size * 0.2, v + size * 0.22 * unit, size * 0.2, size * 0.2 * unit, 8))


def _signature(model: Model, shell: Shell, face: Face, unit: float) -> None:
    line = {"strip": [[(0.54, 0.71), (0.95, 0.695), (1.24, 0.76)]], "claw": [[(1.2, 0.72), (1.06, 0.6), (1.0, 0.42)]],
            "tee": [[(0.56, 0.74), (1.2, 0.77)], [(0.86, 0.68), (0.86, 0.82)]],
            "c": [[(0.98, 0.79), (0.62, 0.79), (0.62, 0.59), (0.98, 0.59)]]}.get(face.signature, [])
    for points in line:
        seam(model, shell.at, "detail", "drl", points, 0.03)
    if face.signature == "ring":
        outer, inner = circle(0.78, 0.68, 0.165, 0.165 * unit, 20), circle(0.78, 0.68, 0.125, 0.125 * unit, 20)
        for i in range(20):
            j = (i + 1) % 20
            patch(model, shell.at, "detail", "drl", np.array([outer[i], outer[j], inner[j], inner[i]]))


def _intake(model: Model, shell: Shell, face: Face) -> None:
    lower = INTAKES[face.intake]
    if face.intake == "bull":
        patch(model, shell.at, "detail", "chrome", rect(-1.03, 0.08, 1.03, 0.42), sides="one")
    if face.intake == "skid":
        guard = ((-1.1, 0.0), (1.1, 0.0), (1.1, 0.2), (0.9, 0.36), (-0.9, 0.36), (-1.1, 0.2))
        patch(model, shell.at, "detail", "trim", guard, sides="one")
        patch(model, shell.at, "detail", "chrome", rect(-0.53, 0.03, 0.53, 0.12), sides="one")
    if face.grille != "wide":
        patch(model, shell.at, "detail", "void", lower, sides="one")
        _bar(model, shell, "grille", np.array(lower), 0.2, 0.02)
    if face.intake == "three":
        patch(model, shell.at, "detail", "void", ((0.62, 0.12), (0.98, 0.16), (0.94, 0.36), (0.74, 0.3)))
    if face.fog == "round":
        unit = shell.unit(shell.a)
        patch(model, shell.at, "detail", "void", circle(0.8, 0.24, 0.1, 0.1 * unit))
        patch(model, shell.at, "detail", "lens", circle(0.8, 0.24, 0.065, 0.065 * unit))
    if face.fog == "slit":
        patch(model, shell.at, "detail", "void", ((0.7, 0.2), (1.0, 0.24), (1.0, 0.3), (0.72, 0.26)))
        patch(model, shell.at, "detail", "drl", ((0.74, 0.225), (0.96, 0.252), (0.96, 0.272), (0.74, 0.245)))
    seam(model, shell.at, "detail", "seam", ((1.0, 0.54), (1.2, 0.52), (1.3, 0.5)), 0.012)


def _plate(model: Model, shell: Shell, face: Face) -> None:
    v = 0.24 if face.grille in ("hexagon", "cascade", "shield", "wide", "cross") else 0.41
    patch(model, shell.at, "detail", "trim", rect(-0.3, v - 0.065, 0.3, v + 0.065), sides="one", du=0.7)
    patch(model, shell.at, "plate_front", "plate", rect(-0.28, v - 0.055, 0.28, v + 0.055), sides="one", du=0.7)
