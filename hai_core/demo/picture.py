"""One photo-like picture of a vehicle: pose, place, light, paint, reflections, number plate and camera noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from hai_core.demo import paint
from hai_core.demo.paint import RGB, Look
from hai_core.demo.scenes import SCENES
from hai_core.demo.solid import Array, Camera
from hai_core.demo.stage import Stage
from hai_core.demo.vehicles import Vehicle

FINER = 3  # pictures are drawn this many times larger, then averaged down
SIZES = ((320, 240), (320, 240), (304, 248), (288, 240), (320, 256), (300, 225), (336, 264))
PAINTS: tuple[tuple[RGB, float], ...] = (
    ((236, 237, 236), 18), ((206, 209, 212), 12), ((126, 131, 138), 10), ((70, 75, 82), 8), ((32, 34, 38), 12),
    ((28, 46, 84), 7), ((46, 98, 164), 8),
    ((178, 28, 34), 8), ((110, 22, 36), 4), ((34, 74, 60), 5), ((120, 142, 124), 4), ((196, 178, 148), 4), ((104, 78, 62), 3),
    ((224, 112, 40), 3),
    ((232, 184, 52), 4), ((98, 172, 180), 4), ((150, 190, 220), 3))


def picture(vehicle: Vehicle, seed: tuple[int, ...]) -> Image.Image:
    """The picture of `vehicle` that belongs to `seed`: the same arguments give the same pixels."""
    rng = np.random.default_rng(seed)
    width, height = SIZES[int(rng.integers(len(SIZES)))]
    names = list(SCENES)
    scene, times = SCENES[names[int(rng.integers(len(names)))]]
    time = times[int(rng.integers(len(times)))]
    camera = _camera(vehicle, width * FINER, height * FINER, rng)
    stage = Stage((width * FINER, height * FINER), camera, time, rng)
    look = _look(vehicle, rng)
    scene(stage)
    _shadow(stage, vehicle)
    if time == "indoor" or (time in ("night", "dusk", "overcast", "garage") and rng.random() < 0.35):
        _reflection(stage, vehicle, look, 0.3 if time == "indoor" else 0.2)
    light = stage.time.light
    paint.draw(stage.image, vehicle, look, camera, light)
    _plates(stage, vehicle, look)
    if light.lamps:
        _beams(stage, vehicle)
    if scene.__name__ == "snow" and rng.random() < 0.6:
        _flakes(stage)
    return _develop(stage.image.reduce(FINER), rng)


def _camera(vehicle: Vehicle, width: int, height: int, rng: np.random.Generator) -> Camera:
    """A view from the side (26 %), the front quarter (48 %) or the rear quarter, so near that the vehicle fills the picture."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    kind = rng.random()
    degrees = 90 + rng.uniform(-12, 12) if kind < 0.26 else rng.uniform(28, 58) if kind < 0.74 else rng.uniform(124, 152)
    pitch, distance = np.radians(rng.uniform(3.0, 9.5)), rng.uniform(7.5, 14)
    plain = Camera(np.radians(degrees) * side, pitch, distance, 1.0, 0.0, 0.0)
    seen = plain.project(paint.model(vehicle)[0].points)
    low, high = seen.min(axis=0), seen.max(axis=0)
    fill = rng.uniform(0.7, 0.93) if rng.random() < 0.94 else rng.uniform(1.0, 1.1)
    focal = min(fill * width / (high[0] - low[0]), 0.78 * max(fill, 0.8) * height / (high[1] - low[1]))
    room = np.maximum(1 - focal * (high - low) / [width, height], 0.0)
    middle = (low + high) / 2 * focal
    cx = width * (0.5 + rng.uniform(-0.25, 0.25) * room[0]) - middle[0]
    cy = height * (0.5 + (0.1 + rng.uniform(-0.12, 0.2)) * room[1]) - middle[1]
    return Camera(np.radians(degrees) * side, pitch, distance, focal, cx, cy)


def _look(vehicle: Vehicle, rng: np.random.Generator) -> Look:
    weights = _popular(vehicle.series, 5, 2.5) * _popular(vehicle.name, 4, 2.0) * [w for _, w in PAINTS]
    base = np.array(PAINTS[int(rng.choice(len(PAINTS), p=weights / weights.sum()))][0])
    colour = np.clip(base + rng.integers(-7, 8, 3), 0, 255).tolist()
    roof = (236, 236, 232) if sum(colour) < 330 else (34, 35, 38)
    rims = vehicle.face.wheels
    number = f"{rng.integers(10, 99)} {rng.integers(1000, 9999)}"
    plate = ((238, 240, 236), (238, 240, 236), (246, 214, 84), (196, 226, 206))[int(rng.integers(4))]
    return Look((colour[0], colour[1], colour[2]), roof if vehicle.face.two_tone else (0, 0, 0),
                rims[int(rng.random() < 0.35) % len(rims)],
                number, plate, float(rng.uniform(-0.4, 0.4)) if rng.random() < 0.35 else 0.0)


@lru_cache(maxsize=64)
def _popular(name: str, count: int, factor: float) -> Array:
    """Weights of PAINTS: `factor` for the few that a series or a model year is known for, 1 for the others."""
    weights = np.ones(len(PAINTS))
    weights[np.random.default_rng(list(name.encode())).permutation(len(PAINTS))[:count]] = factor
    return weights


def _shadow(stage: Stage, vehicle: Vehicle) -> None:
    """Darken the ground under the vehicle and on the side away from the key light."""
    body, light, camera = vehicle.body, stage.time.light, stage.camera
    small = 6
    mask = Image.new("L", (stage.width // small, stage.height // small))
    pen = ImageDraw.Draw(mask)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    plan = np.column_stack([np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.35 * body.length / 2,
                            np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.35 * body.width / 2])
    azimuth = camera.azimuth + light.key_azimuth
    cast = -np.array([np.cos(azimuth), np.sin(azimuth)]) * 0.5 * body.height / max(np.tan(light.key_height), 0.5) * 0.6
    for shift, grow, value in ((cast, 1.03, 150), (cast * 0.3, 1.0, 215), (cast * 0, 0.9, 255)):
        shape = camera.ground(plan * grow + shift) / small
        if len(shape) >= 3:
            pen.polygon(shape.ravel().tolist(), fill=int(value))
    strength = min(1.0, light.shadow * 1.5)
    mask = mask.filter(ImageFilter.GaussianBlur(stage.height / small / 70)).point(lambda value: int(value * strength))
    box = mask.getbbox()
    if box is not None:
        soft = mask.crop(box).resize(((box[2] - box[0]) * small, (box[3] - box[1]) * small), Image.Resampling.BILINEAR)
        stage.image.paste((14, 15, 22), (box[0] * small, box[1] * small), soft)


def _reflection(stage: Stage, vehicle: Vehicle, look: Look, strength: float) -> None:
    """Mirror the vehicle in a polished or wet floor."""
    other = stage.image.copy()
    paint.draw(other, vehicle, look, stage.camera, stage.time.light, mirrored=True)
    fade = np.clip(1 - (np.arange(stage.height) - stage.height * 0.55) / (stage.height * 0.5), 0, 1) * 255 * strength
    mask = Image.fromarray(fade.astype(np.uint8)[:, None]).resize(stage.image.size, Image.Resampling.NEAREST)
    soft = other.reduce(4).filter(ImageFilter.GaussianBlur(1.2)).resize(stage.image.size, Image.Resampling.BILINEAR)
    stage.image.paste(soft, mask=mask)


def _plates(stage: Stage, vehicle: Vehicle, look: Look) -> None:
    faces = paint.model(vehicle)[0]
    for group in ("plate_front", "plate_rear"):
        face = int(faces.groups[group][0])
        if faces.normals[face] @ (stage.camera.position - faces.centres[face]) <= 0.3:
            continue
        corners = stage.camera.project(faces.points[faces.starts[face]:faces.starts[face + 1]])
        if len(corners) == 4:
            _text(stage.image, look, corners)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(30)


def _text(image: Image.Image, look: Look, corners: Array) -> None:
    """Write the number onto the quadrilateral whose screen corners are given."""
    order = corners[np.argsort(corners[:, 0])]
    left, right = order[:2][np.argsort(order[:2, 1])], order[2:][np.argsort(order[2:, 1])]
    quad = np.array([left[0], right[0], right[1], left[1]])
    card = Image.new("L", (180, 36), 0)
    ImageDraw.Draw(card).text((90, 18), look.plate, fill=255, font=_font(), anchor="mm")
    x0, y0 = np.floor(quad.min(axis=0)).astype(int)
    x1, y1 = np.ceil(quad.max(axis=0)).astype(int) + 1
    rows, goal = [], np.array([(0, 0), (180, 0), (180, 36), (0, 36)], float)
    for (x, y), (u, v) in zip(quad - [x0, y0], goal, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solution = np.linalg.solve(np.array(rows), goal.ravel())
    mask = card.transform((int(x1 - x0), int(y1 - y0)), Image.Transform.PERSPECTIVE, solution.tolist(),
                          Image.Resampling.BILINEAR)
    image.paste((36, 40, 52), (int(x0), int(y0)), mask)


def _beams(stage: Stage, vehicle: Vehicle) -> None:
    """Glow around the lamps that can be seen."""
    faces = paint.model(vehicle)[0]
    for material, colour, size in (("lens", (255, 246, 220), 0.16), ("tail", (255, 50, 40), 0.1)):
        if material not in faces.materials:
            continue
        chosen = np.flatnonzero(faces.index == faces.materials.index(material))
        for side in (1.0, -1.0):
            lamps = chosen[(faces.centres[chosen, 1] * side > 0.3) & (faces.centres[chosen, 2] > 0.5)]
            away = stage.camera.position - faces.centres[lamps]
            lamps = lamps[np.einsum("ij,ij->i", faces.normals[lamps], away) > 0.25 * np.linalg.norm(away, axis=1)]
            if len(lamps):
                x, y = stage.camera.project(faces.centres[lamps].mean(axis=0)[None])[0]
                stage.glow(float(x), float(y), size * stage.height, colour, 0.85 if stage.name == "night" else 0.55)


def _flakes(stage: Stage) -> None:
    for x, y, r in stage.rng.random((int(stage.rng.integers(40, 130)), 3)):
        radius = (0.002 + 0.006 * r ** 3) * stage.height
        x, y = x * stage.width, y * stage.height
        stage.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(250, 252, 255))


def _develop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """What a camera adds: exposure, white balance, vignette, and luminance noise."""
    pixels = np.array(image, np.float32)
    height, width = pixels.shape[:2]
    gain = (rng.uniform(0.98, 1.14) * (1 + rng.uniform(-0.03, 0.03, 3))).astype(np.float32)
    vignette = 1 - np.float32(rng.uniform(0, 0.16)) * _radius(width, height)
    grain = np.float32(rng.choice([0.6, 1.2, 2.4, 4.0], p=[0.4, 0.35, 0.18, 0.07]))
    pixels *= gain
    pixels *= vignette[:, :, None]
    pixels += (rng.standard_normal((height, width), np.float32) * grain)[:, :, None]
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8))


@lru_cache(maxsize=16)
def _radius(width: int, height: int) -> NDArray[np.float32]:
    """Squared distance from the middle of the picture, 1 at the middle of each side."""
    y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    return np.asarray(y[:, None] ** 2 + x ** 2)
