"""The stage that scenes are painted on: times of day, and brushes for skies, hills, floors, trees and lamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageChops, ImageDraw, ImageFont

from hai_core.demo.paint import RGB, Light
from hai_core.demo.solid import Array, Camera


@dataclass(frozen=True)
class Time:
    """A time of day or kind of weather: sky colours, what it does to every other colour, and how it lights vehicles."""

    zenith: RGB
    low: RGB  # sky at the horizon; distant things fade towards it
    tint: tuple[float, float, float]  # multiplies the colours of the scene
    light: Light
    stars: bool = False
    clouds: RGB | None = (255, 255, 255)
    sun: RGB | None = None


TIMES: dict[str, Time] = {
    "day": Time((94, 158, 220), (206, 230, 242), (1, 1, 1),
                Light((0.66, 0.74, 0.84), (0.4, 0.38, 0.36), (0.56, 0.53, 0.46), shadow=0.52)),
    "morning": Time((132, 178, 214), (250, 226, 196), (1.0, 0.96, 0.9),
                    Light((0.66, 0.68, 0.72), (0.42, 0.38, 0.34), (0.6, 0.5, 0.36), 0.9, 0.45, shadow=0.46),
                    clouds=(255, 240, 226), sun=(255, 244, 214)),
    "golden": Time((112, 128, 182), (255, 190, 120), (1.0, 0.84, 0.7),
                   Light((0.58, 0.52, 0.56), (0.36, 0.28, 0.24), (0.74, 0.48, 0.24), 1.0, 0.32, shadow=0.5),
                   clouds=(255, 208, 160), sun=(255, 236, 190)),
    "overcast": Time((168, 178, 188), (214, 219, 222), (0.86, 0.88, 0.9),
                     Light((0.78, 0.8, 0.83), (0.4, 0.4, 0.4), (0.14, 0.14, 0.14), shadow=0.36),
                     clouds=(190, 197, 204)),
    "dusk": Time((58, 62, 118), (240, 142, 128), (0.66, 0.56, 0.66),
                 Light((0.46, 0.42, 0.58), (0.26, 0.22, 0.28), (0.5, 0.32, 0.32), -0.9, 0.3, 1.0, 0.42),
                 clouds=(190, 110, 140), sun=(255, 190, 140)),
    "night": Time((14, 20, 46), (50, 60, 104), (0.4, 0.42, 0.58),
                  Light((0.34, 0.38, 0.54), (0.2, 0.2, 0.24), (0.46, 0.4, 0.3), 0.5, 1.0, 1.0, 0.5),
                  stars=True, clouds=None),
    "indoor": Time((236, 236, 234), (226, 227, 228), (1, 1, 1),
                   Light((0.84, 0.85, 0.88), (0.5, 0.5, 0.5), (0.34, 0.34, 0.32), 0.4, 1.1, shadow=0.42), clouds=None),
    "garage": Time((60, 62, 64), (90, 92, 92), (0.8, 0.82, 0.8),
                   Light((0.66, 0.68, 0.66), (0.24, 0.24, 0.24), (0.3, 0.3, 0.28), 0.2, 1.2, shadow=0.55), clouds=None),
}


class Stage:
    """An RGB image under way, with the camera that looks at it and the time of day."""

    def __init__(self, size: tuple[int, int], camera: Camera, time: str, rng: np.random.Generator) -> None:
        self.image = Image.new("RGB", size)
        self.pen = ImageDraw.Draw(self.image)
        self.width, self.height = size
        self.camera, self.name, self.time, self.rng = camera, time, TIMES[time], rng
        self.horizon = float(np.clip(camera.horizon, 0.02 * self.height, 0.7 * self.height))
        self.away = -1.0 if camera.position[1] > 0 else 1.0  # the y direction that leads into the picture
        self.lit = time in ("dusk", "night")

    def tone(self, colour: ArrayLike, haze: float = 0.0) -> RGB:
        """A colour at this time of day; `haze` 0 near .. 1 lost in the distance."""
        mixed = np.asarray(colour, float) * self.time.tint * (1 - haze) + np.asarray(self.time.low, float) * haze
        r, g, b = mixed.tolist()
        return min(255, max(0, int(r))), min(255, max(0, int(g))), min(255, max(0, int(b)))

    def gradient(self, top: ArrayLike, bottom: ArrayLike, y0: float, y1: float, power: float = 1.0) -> None:
        """A vertical gradient over the rows y0 .. y1."""
        first, last = max(0, int(y0)), min(self.height, int(np.ceil(y1)))
        if last <= first:
            return
        t = np.clip((np.arange(first, last) - y0) / max(y1 - y0, 1), 0, 1)[:, None] ** power
        rows = np.asarray(top, float) * (1 - t) + np.asarray(bottom, float) * t
        column = np.zeros((last - first, 4), np.uint8)
        column[:, :3] = rows
        band = np.empty((last - first, self.width), np.uint32)
        band[:] = column.view(np.uint32)
        self.image.paste(Image.frombuffer("RGB", (self.width, last - first), band, "raw", "RGBX", 0, 1), (0, first))

    def sky(self) -> None:
        self.gradient(self.time.zenith, self.time.low, 0, self.horizon + 2, 1.2)
        self.box(0, self.horizon, self.width, self.height, self.time.low)
        if self.time.stars:
            for x, y, size in self.rng.random((40, 3)):
                r, shade = 0.5 + size * 1.5, int(120 + 130 * size)
                x, y = x * self.width, y * self.horizon
                self.pen.ellipse((x - r, y - r, x + r, y + r), fill=(shade, shade, min(255, shade + 10)))
        if self.time.sun is not None:
            x, y = self.rng.uniform(0.1, 0.9) * self.width, self.horizon - self.rng.uniform(0.04, 0.2) * self.height
            self.glow(x, y, 0.5 * self.height, self.time.low, 0.7)
            r = 0.045 * self.height
            self.pen.ellipse((x - r, y - r, x + r, y + r), fill=self.time.sun)
        if self.time.clouds is not None:
            for _ in range(int(self.rng.integers(1, 5))):
                self._cloud(self.rng.uniform(0, self.width), self.rng.uniform(0, 0.8) * self.horizon,
                            self.rng.uniform(0.08, 0.2) * self.width)

    def _cloud(self, x: float, y: float, size: float) -> None:
        assert self.time.clouds is not None
        for layer, fade in ((0.0, 0.45), (0.12, 0.75)):
            colour = tuple(int(c * fade + s * (1 - fade)) for c, s in zip(self.time.clouds, self.time.low, strict=True))
            for dx, r in ((-0.62, 0.16), (-0.3, 0.26), (0.05, 0.32), (0.4, 0.22), (0.68, 0.13)):
                cx, cy, rr = x + dx * size, y - layer * size * 0.6, r * size * (1 - layer)
                self.pen.pieslice((cx - rr * 1.3, cy - rr, cx + rr * 1.3, cy + rr), 180, 360, fill=colour)

    def ridge(self, base: float, height: float, colour: RGB, waves: float = 3.0, rough: float = 0.5) -> Array:
        """A range of hills up from row `base`; returns its crest (N, 2)."""
        x = np.linspace(0, 1, 90)
        y = sum(self.rng.uniform(0.4, 1) * rough ** k * np.sin(2 * np.pi * (waves * 2 ** k * x + self.rng.random()))
                for k in range(4))
        crest = base - height * (0.6 + 0.4 * np.asarray(y) / 1.5)
        points = np.column_stack([x * self.width, np.minimum(crest, base)])
        self.pen.polygon([*points.ravel().tolist(), self.width, base, 0, base], fill=colour)
        return points

    def floor(self, polygon: Sequence[tuple[float, float]], colour: RGB) -> None:
        """A polygon painted on the ground; world metres (x along the vehicle, y to its left)."""
        shape = self.camera.ground(np.asarray(polygon, float))
        if len(shape) >= 3:
            self.pen.polygon(shape.ravel().tolist(), fill=colour)

    def stripe(self, start: tuple[float, float], end: tuple[float, float], width: float, colour: RGB) -> None:
        (x0, y0), (x1, y1) = start, end
        length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-9)
        dx, dy = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
        self.floor([(x0 - dx, y0 - dy), (x1 - dx, y1 - dy), (x1 + dx, y1 + dy), (x0 + dx, y0 + dy)], colour)

    def post(self, x: float, y: float, height: float) -> tuple[float, float, float] | None:
        """Screen x, foot row and top row of something upright at world (x, y), or None when it is behind the camera."""
        camera = self.camera
        (px, py, pz), (right, up, ahead) = camera.position.tolist(), camera.axes.tolist()
        x, y, z = x - px, y - py, -pz
        depth = [x * ahead[0] + y * ahead[1] + h * ahead[2] for h in (z, z + height)]
        if min(depth) < 1.0:
            return None
        foot, top = (camera.cy - camera.focal * (x * up[0] + y * up[1] + h * up[2]) / d for h,
                     d in zip((z, z + height), depth, strict=True))
        return camera.cx + camera.focal * (x * right[0] + y * right[1]) / depth[0], foot, top

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: RGB) -> None:
        if x1 >= x0 and y1 >= y0:
            self.pen.rectangle((x0, y0, x1, y1), fill=colour)

    def sign(self, text: str, x: float, y: float, height: float, colour: RGB) -> None:
        """A line of Latin text centred on (x, y)."""
        self.pen.text((x, y), text, fill=colour, font=_font(max(8, int(height))), anchor="mm")

    def tree(self, x: float, foot: float, height: float, leaf: RGB, haze: float = 0.0, pine: bool = False) -> None:
        trunk = self.tone((98, 74, 58), haze)
        self.box(x - height * 0.03, foot - height * 0.4, x + height * 0.03, foot, trunk)
        dark, bright = self.tone(np.array(leaf) * 0.8, haze), self.tone(leaf, haze)
        if pine:
            for i in range(4):
                top, w = foot - height * (0.45 + 0.18 * i + 0.04), height * (0.26 - 0.05 * i)
                self.pen.polygon((x - w, foot - height * (0.16 + 0.18 * i), x + w, foot - height * (0.16 + 0.18 * i), x, top),
                                 fill=dark)
                self.pen.polygon((x - w, foot - height * (0.16 + 0.18 * i), x + w * 0.1, foot - height * (0.16 + 0.18 * i), x,
                                  top), fill=bright)
            return
        blobs = [(dx * height, dy * height, r * height) for dx, dy,
                 r in ((-0.17, 0.52, 0.19), (0.17, 0.54, 0.18), (0.0, 0.74, 0.22), (0.0, 0.5, 0.2))]
        for dx, dy, r in blobs:
            self.pen.ellipse((x + dx - r, foot - dy - r, x + dx + r, foot - dy + r), fill=dark)
        for dx, dy, r in blobs:
            r *= 0.74
            self.pen.ellipse((x + dx * 0.9 - r - height * 0.03, foot - dy - r - height * 0.04, x + dx * 0.9 + r - height * 0.03,
                              foot - dy + r - height * 0.04), fill=bright)

    def glow(self, x: float, y: float, radius: float, colour: Sequence[float], strength: float = 1.0) -> None:
        """Add a round light."""
        r = int(radius)
        box = (max(0, int(x) - r), max(0, int(y) - r), min(self.width, int(x) + r), min(self.height, int(y) + r))
        if r < 2 or box[2] <= box[0] or box[3] <= box[1]:
            return
        sprite = _spot().resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR, tuple(
            (edge - centre + r) * 64 / r for edge, centre in zip(box, (int(x), int(y)) * 2,
                                                                 strict=True)))  # type: ignore[arg-type]
        lit = Image.merge("RGB", [sprite.point([int(v * c * strength / 255) for v in range(256)]) for c in colour])
        self.image.paste(ImageChops.add(self.image.crop(box), lit), box)


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _spot() -> Image.Image:
    """A round spot, 128 pixels, bright in the middle."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    return Image.fromarray((255 * np.clip(1 - np.hypot(x, y), 0, 1) ** 2.2).astype(np.uint8))
