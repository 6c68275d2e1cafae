"""Windows, doors, creases, mirrors, rails and wheel arches: what is laid onto a vehicle's flanks and roof."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hai_core.demo.shell import Cabin, Shell, circle, patch, rect, seam
from hai_core.demo.solid import Array, Model, strip
from hai_core.demo.vehicles import Body, Face

PILLAR = 0.022  # width of the strip between side windows, share of the row


def windows(model: Model, cabin: Cabin, body: Body, face: Face) -> None:
    front, rear = cabin.front * 0.92, cabin.rear + (1 - cabin.rear) * 0.08
    patch(model, cabin.at, "glass", "seam", ((-front - 0.008, 0.03), (front + 0.008, 0.03), (front, 0.875), (-front, 0.875)),
          du=0.05, sides="one")
    patch(model, cabin.at, "glass", "glass", ((-front, 0.06), (front, 0.06), (front - 0.004, 0.85), (-front + 0.004, 0.85)),
          du=0.04, dv=0.16, sides="one")
    for side in (-0.5, 0.5):  # headrests behind the glass
        rest = np.array([(-0.2, 0.07), (0.2, 0.07), (0.19, 0.26), (0.12, 0.36), (0.1, 0.44), (0.05, 0.47), (-0.05, 0.47),
                         (-0.1, 0.44), (-0.12, 0.36), (-0.19, 0.26)])
        patch(model, cabin.at, "glass", "interior", rest * [front, 1] + np.array([side * front, 0]), du=0.5, sides="one")
    back = np.array(((rear, 0.12), (2 - rear, 0.12), (2 - rear - 0.012, 0.82), (rear + 0.012, 0.82)))
    patch(model, cabin.at, "glass", "seam", (back - (1, 0.47)) * (1.03, 1.06) + (1, 0.47), du=0.05, sides="one")
    patch(model, cabin.at, "glass", "glass", back, du=0.04, dv=0.16, sides="one")
    _side_windows(model, cabin, body, face)


def _side_windows(model: Model, cabin: Cabin, body: Body, face: Face) -> None:
    row = strip(np.array(body.outline), 0.0, 1.0)
    middle = row.mean(axis=0)
    border = "chrome" if face.brightwork >= 1 else "trim"
    patch(model, cabin.side, "glass", border, (row - middle) * (1.02, 1.09) + middle, du=0.15)
    edges = [0.0, *body.windows, 1.0]
    for low, high in pairwise(edges):
        pane = strip(row, low + PILLAR / 2, high - PILLAR / 2)
        if len(pane) >= 3:
            patch(model, cabin.side, "glass", "glass", pane, du=0.09, dv=0.16)
    if face.brightwork == 0.5:
        seam(model, cabin.side, "glass", "chrome", ((0.0, 0.075), (float(row[:, 0].max()) * 0.93, 0.085)), 0.035)
    for q in (0.24, 0.58) if len(body.windows) > 1 else (0.34,):
        seat = np.array([(-0.045, 0.1), (0.04, 0.1), (0.05, 0.3), (0.035, 0.52), (-0.01, 0.52), (-0.03, 0.3)])
        patch(model, cabin.side, "glass", "interior", seat + np.array([q, 0]), du=0.5)
    glare = strip(np.array([(0.1, 0.86), (0.18, 0.86), (0.06, 0.1), (-0.02, 0.1)]), 0.01, 1)
    for shift in (0.06, 0.42):
        patch(model, cabin.side, "glass", "glare", glare + np.array([shift, 0]), du=0.5)


def flanks(model: Model, shell: Shell, body: Body, face: Face) -> None:
    front, rear, shuts, opening = *body.axles, body.doors, body.wheel * 1.14
    side = shell.side
    sill = rect(side(front - opening), 0.0, side(rear + opening), 0.17 if body.cladding else 0.06)
    patch(model, shell.at, "detail", "trim", sill)
    if body.cladding:
        for axle in body.axles:
            _arch_trim(model, shell, body, axle)
    for x in shuts:
        seam(model, shell.at, "detail", "seam", ((side(x), 0.985), (side(x), 0.5), (side(x - 0.03), 0.12)), 0.012)
    seam(model, shell.at, "detail", "seam", ((side(shuts[0] - 0.03), 0.12), (side(shuts[-1] - 0.03), 0.12)), 0.014)
    crease = np.array([(side(front - 0.25), face.crease), (min(side(rear - 0.5), shell.half - 1.2), face.crease + 0.05)])
    seam(model, shell.at, "detail", "shade", crease, 0.022)
    seam(model, shell.at, "detail", "shine", crease + np.array([0, 0.022]), 0.016)
    if face.moulding == "rub":
        seam(model, shell.at, "detail", "trim", ((side(shuts[0] - 0.05), 0.4), (side(shuts[-1] + 0.05), 0.4)), 0.065)
    _handles(model, shell, body, face)
    if face.lamps not in ("split", "slim"):
        patch(model, shell.at, "detail", "amber", circle(side(front - opening - 0.1), 0.62, 0.035, 0.025, 8))
    filler = side(rear - 0.12)
    patch(model, shell.at, "detail", "seam", circle(filler, 0.8, 0.09, 0.1, 14), sides="right")
    patch(model, shell.at, "detail", "paint", circle(filler, 0.8, 0.08, 0.088, 14), sides="right")


def _handles(model: Model, shell: Shell, body: Body, face: Face) -> None:
    material = {"paint": "shine", "chrome": "chrome", "black": "trim", "flush": "seam"}[face.handles]
    for x in body.doors[1:]:
        s = shell.side(x + 0.14)
        tall = 0.012 if face.handles == "flush" else 0.028
        patch(model, shell.at, "detail", "shade", rect(s - 0.09, 0.775, s + 0.09, 0.825), du=0.3)
        patch(model, shell.at, "detail", material, rect(s - 0.1, 0.81 - tall, s + 0.1, 0.81 + tall), du=0.3)


def arch(shell: Shell, body: Body, axle: float, size: float, below: float = 0.08) -> Array:
    """The opening for a wheel on the left side (N, 3): a half circle on the surface, closed `below` metres under the sill."""
    angle = np.linspace(0, np.pi, 24)
    low = body.ride - below
    x = np.concatenate([[axle + size], axle + size * np.cos(angle), [axle - size]])
    z = np.concatenate([[low], body.wheel + size * np.sin(angle), [low]])
    s = np.array([shell.side(v) for v in x])
    level = np.array([shell.level(h, v) for h, v in zip(z, x, strict=True)])
    points = shell.at(np.column_stack([s, np.clip(level, 0, 1)]))
    points[level < 0, 2] = z[level < 0]
    return points


def _arch_trim(model: Model, shell: Shell, body: Body, axle: float) -> None:
    outer, inner = arch(shell, body, axle, body.wheel * 1.32), arch(shell, body, axle, body.wheel * 1.1)
    for i in range(len(outer) - 1):
        quad = np.array([outer[i], inner[i], inner[i + 1], outer[i + 1]])
        if quad[:, 2].min() > body.ride - 0.02:
            model.add("detail", "trim", quad, quad * [1, -1, 1], wound=False)


def bed(model: Model, shell: Shell, body: Body) -> None:
    """The open box of a pickup, behind the cabin."""
    x, y = np.array([-body.length / 2 + 0.1, body.base[0] - 0.02]), body.width / 2 - 0.17
    z = float(shell.top(x).mean()) + 0.045
    model.add("detail", "bed", np.array([(x[0], -y, z), (x[1], -y, z), (x[1], y, z), (x[0], y, z)]))


def mirrors(model: Model, cabin: Cabin, body: Body, face: Face) -> None:
    root = cabin.side(np.array([[0.05, 0.12]]))[0]
    material = {"paint": "paint", "black": "trim", "chrome": "chrome"}[face.mirror]
    for side, group in ((1.0, "mirror_left"), (-1.0, "mirror_right")):
        centre = root * [1, side, 1] + [0.06, side * 0.2, 0.06]
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        outline = np.column_stack([_bulge(np.cos(angle)) * 0.12, _bulge(np.sin(angle)) * 0.08])
        rings = [np.column_stack([np.full(14, x), outline * k]) + centre for x,
                 k in ((-0.06, 1.0), (0.02, 1.0), (0.08, 0.75), (0.1, 0.3))]
        foot = root * [1, side, 1]
        stalk = np.array([_moved(foot, 0.03, 0), _moved(centre, 0.03, -0.06), _moved(centre, -0.05, -0.06),
                          _moved(foot, -0.06, 0)])
        model.add(group, "trim", stalk, stalk[::-1])
        model.add(group, "glass", rings[0][::-1])
        model.mesh(group, material, np.stack(rings), closed=True)
        model.add(group, material, rings[-1])


def _bulge(values: Array) -> Array:
    return np.asarray(np.sign(values) * np.abs(values) ** 0.7)


def _moved(point: Array, x: float, z: float) -> Array:
    return np.asarray(point + np.array([x, 0.0, z]))


def roof_parts(model: Model, cabin: Cabin, body: Body, face: Face) -> None:
    if face.rails:
        for side, group in ((1.0, "rail_left"), (-1.0, "rail_right")):
            q = np.linspace(0.1, 0.9, 9)
            foot = cabin.side(np.column_stack([q, np.full(9, 0.985)])) * [1, side, 1]
            lift = np.array([0, 0, 1]) * (0.075 * np.sin(np.clip((q - 0.1) / 0.8, 0.02, 0.98) * np.pi) ** 0.35)[:, None]
            upper = foot + lift
            for i in range(8):
                quad = np.array([upper[i] - [0, 0, 0.03], upper[i + 1] - [0, 0, 0.03], upper[i + 1], upper[i]])
                model.add(group, "rail", quad, quad[::-1])
    if face.fin:
        tip = cabin.at(np.array([[1.0, 0.99]]))[0] + [0.35, 0, 0.03]
        fin = np.array([tip, _moved(tip, -0.2, 0.01), _moved(tip, -0.19, 0.09)])
        model.add("roof", "trim", fin, fin[::-1])
    if face.spoiler:
        base = 0.93 if body.hatch else 0.02
        edge = cabin.at(np.array([[r, base] for r in np.linspace(cabin.rear - 0.01, 2 - cabin.rear + 0.01, 9)]))
        out = edge + np.array([-0.17, 0, 0.05 if body.hatch else 0.09])
        for i in range(8):
            quad = np.array([edge[i], out[i], out[i + 1], edge[i + 1]])
            model.add("roof", "paint", quad if np.cross(quad[1] - quad[0], quad[2] - quad[0])[2] > 0 else quad[::-1])
            back = np.array([out[i], out[i + 1], out[i + 1] - [0.01, 0, 0.04], out[i] - [0.01, 0, 0.04]])
            model.add("roof", "shade", back if np.cross(back[1] - back[0], back[2] - back[0])[0] < 0 else back[::-1])
