"""From a vehicle, a camera and a light to pixels: materials, shading, and drawing back to front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from hai_core.demo import front, rear, sides
from hai_core.demo.shell import Cabin, Shell
from hai_core.demo.solid import Array, Camera, Faces, Model
from hai_core.demo.vehicles import Vehicle
from hai_core.demo.wheels import wheel

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Light:
    """How a scene lights the vehicle. Colours are RGB, 1 being full."""

    sky: tuple[float, float, float]  # from above
    ground: tuple[float, float, float]  # bounced from below
    key: tuple[float, float, float]  # sun or lamp
    key_azimuth: float = 0.7  # radians, relative to the camera
    key_height: float = 0.8  # radians above the ground
    lamps: float = 0.0  # 0 off .. 1 headlights and tail lights on
    shadow: float = 0.5  # 0 none .. 1 black


# base colour, share of diffuse light, share of mirrored surroundings, share that glows when the lamps are on
MATERIALS: dict[str, tuple[RGB, float, float, float]] = {
    "void": ((14, 15, 18), 0.7, 0.0, 0), "seam": ((24, 25, 29), 0.8, 0.02, 0), "trim": ((40, 42, 46), 0.9, 0.06, 0),
    "chrome": ((176, 182, 190), 0.6, 0.55, 0), "grille": ((74, 77, 84), 0.9, 0.12, 0), "rail": ((150, 153, 158), 0.8, 0.3, 0),
    "glare": ((120, 140, 155), 0.6, 0.45, 0), "interior": ((22, 28, 34), 0.8, 0.14, 0),
    "lamp": ((150, 160, 172), 0.7, 0.3, 0.5), "lens": ((224, 232, 240), 0.8, 0.3, 1.0),
    "glint": ((250, 252, 255), 1.0, 0.2, 1.0),
    "drl": ((236, 242, 250), 1.0, 0.1, 1.0), "amber": ((232, 138, 40), 0.9, 0.1, 0.15),
    "reverse": ((226, 224, 220), 0.9, 0.1, 0),
    "tail": ((170, 22, 26), 0.85, 0.14, 0.8), "tail_bright": ((242, 70, 62), 1.0, 0.1, 1.0),
    "tail_dark": ((110, 12, 18), 0.85, 0.1, 0.3),
    "plate": ((238, 240, 236), 1.0, 0.0, 0), "emblem": ((34, 46, 84), 0.9, 0.1, 0),
    "tyre": ((33, 33, 36), 1.0, 0.02, 0), "tyre_dark": ((22, 22, 24), 1.0, 0.0, 0), "tread": ((26, 26, 28), 1.0, 0.0, 0),
    "rim_edge": ((150, 153, 158), 0.9, 0.2, 0), "rim": ((190, 194, 200), 0.9, 0.2, 0), "rim_dark": ((40, 41, 45), 0.9, 0.05, 0),
    "rim_steel": ((92, 94, 98), 0.9, 0.05, 0), "brake": ((104, 102, 102), 0.9, 0.1, 0),
    "bed": ((46, 47, 50), 0.9, 0.0, 0),
}
RIMS: dict[str, RGB] = {"silver": (176, 181, 188), "bright": (220, 223, 228), "dark": (74, 77, 84)}
GLASS: dict[str, tuple[RGB, float, float, float]] = {"clear": ((40, 58, 66), 0.7, 0.55, 0),
                                                     "smoke": ((22, 30, 38), 0.6, 0.48, 0),
                                                     "privacy": ((8, 10, 13), 0.6, 0.34, 0)}


@dataclass(frozen=True)
class Look:
    """What is drawn at random within a class."""

    paint: RGB
    roof: RGB
    wheel: tuple[str, int]
    plate: str
    plate_colour: RGB
    steer: float = 0.0  # radians


@lru_cache(maxsize=32)
def model(vehicle: Vehicle) -> tuple[Faces, list[Array], list[Array]]:
    """The faces of a vehicle without its wheels, and the left wheel arches: as openings and as what is dark in them."""
    body, face, made = vehicle.body, vehicle.face, Model()
    shell = Shell(body)
    cabin = Cabin(body, shell)
    shell.build(made)
    sides.flanks(made, shell, body, face)
    if body.bed:
        sides.bed(made, shell, body)
    front.build(made, shell, face)
    rear.build(made, shell, body, face)
    cabin.build(made, "roof" if face.two_tone else "paint")
    sides.windows(made, cabin, body, face)
    sides.mirrors(made, cabin, body, face)
    sides.roof_parts(made, cabin, body, face)
    openings, liners = ([sides.arch(shell, body, axle, body.wheel * 1.14, below) for axle in body.axles]
                        for below in (0.08, -0.01))
    return made.finish(), openings, liners


def draw(image: Image.Image, vehicle: Vehicle, look: Look, camera: Camera, light: Light, mirrored: bool = False) -> None:
    """Draw the vehicle into an RGB image; `mirrored` draws its reflection in the ground."""
    faces, arches, liners = model(vehicle)
    ground = np.diag([1.0, 1.0, -1.0 if mirrored else 1.0])
    faces = faces.placed(ground, np.zeros(3)) if mirrored else faces
    palette = colours(vehicle, look)
    near, far = ("left", "right") if camera.position[1] > 0 else ("right", "left")
    flip = np.array([1.0, 1.0 if near == "left" else -1.0, ground[2, 2]])
    pen = ImageDraw.Draw(image)
    _draw(pen, faces, ["under"], palette, camera, light)
    _wheels(pen, vehicle, look, palette, camera, light, far, ground)
    outlines = [[tuple(p) for p in camera.project(arch * flip)] for arch in arches]
    for liner in liners:
        pen.polygon([tuple(p) for p in camera.project(liner * flip)], fill=(12, 12, 14))
    _wheels(pen, vehicle, look, palette, camera, light, near, ground)
    below = [(box, image.crop(box)) for box in (_bounds(outline) for outline in outlines)]
    _draw(pen, faces, ["body"] if mirrored else ["body", "detail", "plate_front", "plate_rear"], palette, camera,
          light)
    for outline, (box, seen) in zip(outlines, below, strict=True):
        hole = Image.new("L", seen.size)
        ImageDraw.Draw(hole).polygon([(x - box[0], y - box[1]) for x, y in outline], fill=255)
        image.paste(seen, box[:2], hole)
    _draw(pen, faces, [f"rail_{far}", f"mirror_{far}", "cabin", "glass", "roof", f"rail_{near}", f"mirror_{near}"], palette,
          camera, light)


def _bounds(outline: list[tuple[float, ...]]) -> tuple[int, int, int, int]:
    x, y = zip(*outline, strict=True)
    return int(min(x)) - 1, int(min(y)) - 1, int(max(x)) + 2, int(max(y)) + 2


def colours(vehicle: Vehicle, look: Look) -> dict[str, tuple[RGB, float, float, float]]:
    tone = np.array(look.paint)
    paints: dict[str, tuple[RGB, float, float, float]] = {
        "paint": (look.paint, 0.92, 0.2, 0), "roof": (look.roof, 0.92, 0.2, 0),
        "shade": (_rgb(tone * 0.62), 0.9, 0.08, 0), "shine": (_rgb(tone + (255 - tone) * 0.32), 0.95, 0.2, 0),
        "rim": (RIMS[vehicle.face.rim], 0.9, 0.2, 0), "glass": GLASS[vehicle.face.glass],
        "plate": (look.plate_colour, 1.0, 0.0, 0)}
    return MATERIALS | paints


def _rgb(values: Array) -> RGB:
    r, g, b = np.clip(values, 0, 255).astype(int)
    return int(r), int(g), int(b)


def _wheels(pen: ImageDraw.ImageDraw, vehicle: Vehicle, look: Look, palette: dict[str, tuple[RGB, float, float, float]],
            camera: Camera, light: Light, side: str, ground: Array) -> None:
    body, sign = vehicle.body, 1.0 if side == "left" else -1.0
    ends = sorted(body.axles, key=lambda x: -abs(x - camera.position[0]))
    for axle in ends:
        turn = look.steer if axle > 0 else 0.0
        c, s = np.cos(turn), np.sin(turn)
        matrix = ground @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.diag([1.0, sign, 1.0]) * body.wheel
        placed = wheel(*look.wheel).placed(matrix, ground @ np.array([axle, sign * (body.width / 2 - 0.035), body.wheel]))
        _draw(pen, placed, ["wheel"], palette, camera, light)


def _draw(pen: ImageDraw.ImageDraw, faces: Faces, groups: Sequence[str], palette: dict[str, tuple[RGB, float, float, float]],
          camera: Camera, light: Light) -> None:
    order = np.concatenate([faces.groups[g] for g in groups if g in faces.groups])
    away = camera.position - faces.centres[order]
    order = order[np.einsum("ij,ij->i", faces.normals[order], away) > 0]
    fills = shade(faces, order, palette, camera, light)
    screen = camera.project(faces.points)
    starts = faces.starts
    for i, fill in zip(order.tolist(), fills.tolist(), strict=True):
        pen.polygon(screen[starts[i]:starts[i + 1]].ravel().tolist(), fill=tuple(fill))


def shade(faces: Faces, order: NDArray[np.int64], palette: dict[str, tuple[RGB, float, float, float]],
          camera: Camera, light: Light) -> NDArray[np.int64]:
    """Colours (N, 3) of faces: diffuse sky, ground and key light, plus mirrored surroundings by the reflected ray's height."""
    table = [palette[name] for name in faces.materials]
    index = faces.index[order]
    base = np.array([row[0] for row in table], float)[index] / 255
    diffuse, gloss, glow = (np.array([row[k] for row in table], float)[index][:, None] for k in (1, 2, 3))
    normal = faces.normals[order]
    azimuth = camera.azimuth + light.key_azimuth
    key = np.array([np.cos(azimuth) * np.cos(light.key_height), np.sin(azimuth) * np.cos(light.key_height),
                    np.sin(light.key_height)])
    up = (0.5 + 0.5 * normal[:, 2:3])
    sky, ground, sun = np.array(light.sky), np.array(light.ground), np.array(light.key)
    lit = ground * (1 - up) + sky * up + sun * np.clip(normal @ key, 0, 1)[:, None]
    ray = faces.centres[order] - camera.position
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    cosine = np.einsum("ij,ij->i", ray, normal)
    height = (ray - 2 * cosine[:, None] * normal)[:, 2:3]
    above, clear = (1 / (1 + np.exp(-(height - limit) / soft)) for limit, soft in ((-0.02, 0.04), (0.3, 0.07)))
    around = (sky + ground) * 0.36  # houses and trees between the ground and the open sky
    mirror = ground * 0.4 * (1 - above) + around * above * (1 - clear) + (sky * (0.85 + 0.35 * np.clip(height, 0,
                                                                                                       1)) + sun * 0.15) * clear
    fresnel = gloss + (1 - gloss) * 0.35 * (gloss > 0.1) * (1 + np.minimum(cosine, 0))[:, None] ** 4
    colour = base * diffuse * lit + fresnel * mirror
    glowing = base * (0.9 + 0.25 * (glow >= 1))
    colour = colour * (1 - light.lamps * glow) + glowing * light.lamps * glow
    colour = np.where(colour > 0.78, 0.78 + 0.22 * np.tanh((colour - 0.78) / 0.22), colour)
    return np.asarray(np.clip(colour * 255, 0, 255).astype(np.int64))
