"""The places where vehicles stand: each paints sky, distance and ground onto a stage."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hai_core.demo.stage import Stage

ASPHALT, CONCRETE, GRASS, SNOW, SAND = (104, 108, 114), (168, 167, 162), (122, 160, 88), (236, 241, 246), (224, 204, 164)
LEAVES = ((88, 142, 78), (112, 158, 84), (72, 124, 86))
AUTUMN = ((222, 140, 60), (206, 96, 58), (232, 184, 84), (150, 146, 74))
SIGNS = ("HANBIT", "SAESOL", "NORDEN", "ALVERO", "HARROW", "VALLON", "GARAM", "FIRST OWNER", "TESTED", "GOOD CARS")
WALLS = ((214, 196, 172), (188, 120, 96), (226, 222, 210), (150, 168, 178), (206, 172, 120), (176, 190, 170), (222, 178, 168))


def coast(s: Stage) -> None:
    s.sky()
    sea, h = np.array((66, 146, 176)), s.horizon
    for k in range(int(s.rng.integers(1, 3))):
        s.ridge(h, 0.09 * s.height * s.rng.uniform(0.4, 1), s.tone((112, 140, 150), 0.6 - 0.2 * k), s.rng.uniform(0.6, 1.6),
                0.45)
    shore = _row(s, 9)
    s.gradient(s.tone(sea, 0.35), s.tone(sea * 0.8), h, shore)
    for _ in range(50):
        x, y = s.rng.uniform(0, s.width), h + (shore - h) * s.rng.random() ** 1.5
        length = (0.01 + 0.06 * (y - h) / max(shore - h, 1)) * s.width
        s.pen.line((x, y, x + length, y), fill=s.tone((206, 232, 236), 0.2), width=max(1, int(s.height / 300)))
    if s.rng.random() < 0.6:
        x, y, m = s.rng.uniform(0.1, 0.9) * s.width, h + 0.3 * (shore - h), 0.03 * s.height
        s.pen.polygon((x - m, y, x + m, y, x + 0.7 * m, y + 0.4 * m, x - 0.7 * m, y + 0.4 * m), fill=s.tone((240, 240, 236)))
        s.pen.polygon((x, y - 0.1 * m, x, y - 2.2 * m, x + m, y - 0.1 * m), fill=s.tone((250, 250, 246)))
    s.gradient(s.tone(SAND), s.tone(np.array(SAND) * 0.9), shore, s.height)
    _lane(s, 4.2, -30, s.tone(CONCRETE))
    _road(s, 2.6, lines=False)
    for x in np.arange(-30, 30, 2.5):
        _bar(s, x, 4.4 * s.away, 0.9, 0.06, s.tone((244, 244, 240)))
    _rail(s, 4.4 * s.away, 0.85, s.tone((244, 244, 240)))


def country(s: Stage) -> None:
    s.sky()
    h, green = s.horizon, np.array(GRASS) + s.rng.integers(-12, 12, 3)
    s.ridge(h + 2, 0.16 * s.height, s.tone((120, 152, 160), 0.55), s.rng.uniform(0.8, 2), 0.5)
    s.ridge(h + 4, 0.08 * s.height, s.tone(green * 0.85, 0.35), s.rng.uniform(0.8, 2), 0.4)
    s.gradient(s.tone(green, 0.3), s.tone(green * 0.9), h, s.height)
    for k in range(4):
        a = 12.0 + 9 * k
        s.floor([(-90, s.away * a), (90, s.away * a), (90, s.away * (a + 4)), (-90, s.away * (a + 4))],
                s.tone(((214, 190, 100), (150, 178, 92), (190, 170, 110))[int(s.rng.integers(3))], 0.15 + 0.1 * k))
    _trees(s, LEAVES, 9, (7, 26), (4.0, 7.5))
    _road(s, 2.9)
    if s.rng.random() < 0.6:
        for x in np.arange(-24, 24, 2.2):
            _bar(s, x, 4.4 * s.away, 1.0, 0.12, s.tone((150, 116, 88)))
        for z in (0.45, 0.85):
            _rail(s, 4.4 * s.away, z, s.tone((150, 116, 88)))


def snow(s: Stage) -> None:
    s.sky()
    h = s.horizon
    for k, (size, haze) in enumerate(((0.34, 0.5), (0.2, 0.25))):
        crest = s.ridge(h + 3, size * s.height, s.tone((120, 140, 168), haze), s.rng.uniform(1.2, 2.4), 0.55)
        cap = crest.copy()
        cap[:, 1] += 0.03 * s.height * (1 + 0.8 * np.sin(np.arange(len(cap)) * 1.7 + k))
        s.pen.polygon([*crest.ravel().tolist(), *cap[::-1].ravel().tolist()], fill=s.tone((246, 249, 252), haze * 0.4))
    s.gradient(s.tone(SNOW, 0.15), s.tone(np.array(SNOW) * 0.95), h, s.height)
    _trees(s, ((70, 106, 104), (86, 122, 116)), 14, (7, 30), (4.5, 9), pine=True)
    _lane(s, 3.0, -3.4, s.tone((206, 214, 222)))
    for y in (-1.0, 1.0):
        s.stripe((-60, y * 0.8), (60, y * 0.8), 0.35, s.tone((188, 197, 208)))


def street(s: Stage) -> None:
    s.sky()
    foot = _row(s, 7.5)
    x = -s.rng.uniform(0, 0.2) * s.width
    while x < s.width:
        w = s.rng.uniform(0.16, 0.34) * s.width
        _shop(s, x, w, foot)
        x += w
    s.gradient(s.tone(CONCRETE), s.tone(np.array(CONCRETE) * 0.96), foot, s.height)
    for y in np.arange(3.2, 7.4, 1.0):
        s.stripe((-40, s.away * y), (40, s.away * y), 0.03, s.tone(np.array(CONCRETE) * 0.86))
    _road(s, 3.0)
    s.stripe((-60, s.away * 2.95), (60, s.away * 2.95), 0.22, s.tone((196, 196, 190)))
    _street_lamps(s, 3.6)
    if s.rng.random() < 0.6:
        _trees(s, LEAVES, 3, (4.2, 5.0), (3.6, 5.0))


def _shop(s: Stage, x: float, w: float, foot: float) -> None:
    wall = np.array(WALLS[int(s.rng.integers(len(WALLS)))], float)
    top = foot - s.rng.uniform(0.5, 1.0) * s.height
    s.box(x, top, x + w, foot, s.tone(wall))
    s.box(x, top, x + w, top + 0.02 * s.height, s.tone(wall * 0.8))
    front = foot - 0.2 * s.height
    columns, pane = int(s.rng.integers(2, 5)), 0.105 * s.height
    for row in range(8):
        y = front - 0.1 * s.height - row * 0.155 * s.height
        for c in range(columns):
            cx = x + w * (c + 0.5) / columns
            on = s.lit and s.rng.random() < 0.55
            glass = (255, 214, 140) if on else s.tone((122, 146, 164))
            if y - pane > top + 4:
                s.box(cx - w * 0.3 / columns, y - pane, cx + w * 0.3 / columns, y, s.tone(wall * 1.12))
                s.box(cx - w * 0.25 / columns, y - pane * 0.94, cx + w * 0.25 / columns, y - pane * 0.06, glass)
    s.box(x + 0.06 * w, front, x + 0.94 * w, foot, (255, 226, 164) if s.lit else s.tone((96, 116, 130)))
    s.box(x + 0.62 * w, front + 0.03 * s.height, x + 0.82 * w, foot, s.tone(wall * 0.5))
    awning = np.array(((190, 70, 66), (70, 120, 140), (226, 172, 80), (84, 132, 100))[int(s.rng.integers(4))])
    n = 8
    for i in range(n):
        a, b = x + w * (0.03 + 0.94 * i / n), x + w * (0.03 + 0.94 * (i + 1) / n)
        s.pen.polygon((a, front - 0.035 * s.height, b, front - 0.035 * s.height, b, front + 0.035 * s.height, a,
                       front + 0.035 * s.height),
                      fill=s.tone(awning if i % 2 else (244, 238, 226)))


def apartments(s: Stage) -> None:
    s.sky()
    foot, x = _row(s, 16), -0.05 * s.width
    s.ridge(s.horizon + 2, 0.14 * s.height, s.tone((120, 146, 140), 0.5), 1.3, 0.4)
    stripe = np.array(((196, 120, 90), (90, 130, 160), (120, 150, 110), (170, 150, 120))[int(s.rng.integers(4))])
    while x < s.width:
        w, top = s.rng.uniform(0.14, 0.26) * s.width, foot - s.rng.uniform(0.6, 1.1) * s.height
        wall = np.array((232, 228, 220)) * s.rng.uniform(0.9, 1.0)
        s.box(x, top, x + w, foot, s.tone(wall, 0.12))
        s.box(x, top, x + 0.16 * w, foot, s.tone(stripe, 0.12))
        step = 0.062 * s.height
        for y in np.arange(top + step, foot - step, step):
            for c in range(4):
                on = s.lit and s.rng.random() < 0.45
                a = x + w * (0.22 + 0.195 * c)
                s.box(a, y, a + 0.15 * w, y + 0.55 * step, (255, 216, 146) if on else s.tone((138, 158, 172), 0.1))
        x += w + s.rng.uniform(0.02, 0.12) * s.width
    s.gradient(s.tone((118, 140, 96), 0.1), s.tone((108, 132, 88)), foot, s.height)
    _parking(s, far=8.5)
    _hedge(s, 8.2)
    _trees(s, LEAVES, 5, (8.5, 13), (3.5, 6))


def skyline(s: Stage) -> None:
    s.sky()
    h, bank = s.horizon, _row(s, 22)
    for k, haze in enumerate((0.6, 0.32)):
        x = -0.02 * s.width
        while x < s.width:
            w, tall = s.rng.uniform(0.03, 0.08) * s.width, s.rng.uniform(0.08, 0.42 - 0.1 * k) * s.height
            s.box(x, h - tall, x + w, bank, s.tone((96, 108, 130), haze))
            for y in np.arange(h - tall + 6, h - 4, 0.028 * s.height):
                for a in np.arange(x + 0.15 * w, x + 0.8 * w, 0.22 * w):
                    if s.rng.random() < (0.5 if s.lit else 0.25):
                        s.box(a, y, a + 0.1 * w, y + 0.012 * s.height,
                              (255, 214, 140) if s.lit else s.tone((206, 222, 232), haze * 0.5))
            x += w + s.rng.uniform(0, 0.03) * s.width
    water = np.array((92, 118, 146))
    s.gradient(s.tone(water, 0.5), s.tone(water * 0.85), h + 0.01 * s.height, bank)
    for _ in range(40):
        x, y = s.rng.uniform(0, s.width), s.rng.uniform(h + 4, max(bank, h + 6))
        s.pen.line((x, y, x + 0.04 * s.width, y), fill=(255, 206, 150) if s.lit and s.rng.random() < 0.5
                   else s.tone((190, 206, 222), 0.3), width=2)
    s.gradient(s.tone(CONCRETE), s.tone(np.array(ASPHALT) * 1.05), bank, s.height)
    _road(s, 3.4)
    for x in np.arange(-40, 40, 1.6):
        _bar(s, x, 5.2 * s.away, 1.0, 0.05, s.tone((70, 76, 88)))
    _rail(s, 5.2 * s.away, 1.0, s.tone((70, 76, 88)))
    _street_lamps(s, 5.6)


def dealership(s: Stage) -> None:
    s.sky()
    foot = _row(s, 12)
    top = foot - 0.42 * s.height
    s.box(0, top - 0.09 * s.height, s.width, top, s.tone((232, 234, 236)))
    brand = np.array(((200, 60, 60), (40, 90, 150), (230, 150, 50), (50, 130, 110))[int(s.rng.integers(4))])
    s.box(0, top - 0.065 * s.height, s.width, top, s.tone(brand))
    s.sign(SIGNS[int(s.rng.integers(len(SIGNS)))], s.rng.uniform(0.2, 0.8) * s.width, top - 0.033 * s.height, 0.05 * s.height,
           s.tone((252, 250, 244)))
    s.gradient((255, 232, 188) if s.lit else s.tone((150, 178, 196)), (250, 214, 160) if s.lit else s.tone((112, 140, 158)),
               top, foot)
    for x in np.arange(0, s.width, 0.11 * s.width):
        s.pen.line((x, top, x, foot), fill=s.tone((214, 218, 220)), width=max(2, s.width // 160))
    for x in s.rng.uniform(0, s.width, 3):  # cars behind the glass
        c, m = s.tone(WALLS[int(s.rng.integers(len(WALLS)))], 0.45), 0.07 * s.width
        s.pen.rounded_rectangle((x - m, foot - 0.55 * m, x + m, foot - 0.2 * m), 0.15 * m, fill=c)
        s.pen.polygon((x - 0.6 * m, foot - 0.5 * m, x - 0.35 * m, foot - 0.95 * m, x + 0.35 * m, foot - 0.95 * m, x + 0.65 * m,
                       foot - 0.5 * m), fill=c)
    if not s.lit:
        for x in s.rng.uniform(0, s.width, 3):
            s.pen.polygon((x, top, x + 0.05 * s.width, top, x - 0.03 * s.width, foot, x - 0.08 * s.width, foot),
                          fill=s.tone((172, 198, 212)))
    s.gradient(s.tone(np.array(ASPHALT) * 1.1), s.tone(ASPHALT), foot, s.height)
    _parking(s, far=9.0)
    y0 = top if top > 0.03 * s.height else 0.03 * s.height
    for i in range(26 if s.rng.random() < 0.75 else 0):
        t = i / 25
        y = y0 + 0.07 * s.height * (4 * ((t * 2) % 1) * (1 - (t * 2) % 1))
        flag = ((226, 84, 76), (250, 206, 90), (90, 160, 190), (248, 248, 244))[i % 4]
        x, m = t * s.width, 0.018 * s.width
        s.pen.polygon((x - m, y, x + m, y, x, y + 2.4 * m), fill=s.tone(flag))


def showroom(s: Stage) -> None:
    h, foot = s.horizon, _row(s, 5.5)
    wall = np.array(((206, 210, 214), (214, 206, 196), (74, 82, 94), (150, 164, 170))[int(s.rng.integers(4))], float)
    s.gradient(wall * 0.8, wall * 1.06, 0, foot)
    for x in np.linspace(0, s.width, int(s.rng.integers(4, 9))):
        s.pen.line((x, 0, x, foot), fill=tuple((wall * 0.78).astype(int)), width=max(2, s.width // 220))
    for x in np.linspace(0.1, 0.9, 4) * s.width:
        s.glow(x, 0, 0.5 * s.height, (255, 250, 236), 0.4)
    accent = np.array(((198, 62, 58), (52, 110, 150), (230, 168, 70), (60, 130, 116))[int(s.rng.integers(4))])
    a = s.rng.uniform(0.05, 0.6) * s.width
    top = max(0.03 * s.height, h - 0.2 * s.height)
    s.box(a, top, a + 0.36 * s.width, top + 0.17 * s.height, (int(accent[0]), int(accent[1]), int(accent[2])))
    s.sign(SIGNS[int(s.rng.integers(len(SIGNS)))], a + 0.18 * s.width, top + 0.085 * s.height, 0.062 * s.height,
           (250, 248, 240))
    floor = wall * 0.9 if wall.mean() > 120 else wall * 1.3
    s.gradient(floor * 0.94, np.minimum(floor * 1.1, 250), foot, s.height)
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    for r, k in ((3.25, 0.84), (3.15, 1.06)):
        s.floor([(r * np.cos(t), r * np.sin(t)) for t in turn], tuple(np.minimum(floor * k, 252).astype(int).tolist()))


def garage(s: Stage) -> None:
    foot = _row(s, 9)
    s.gradient(s.tone((84, 86, 88)), s.tone((150, 152, 148)), 0, foot)
    band = ((210, 150, 60), (84, 140, 150), (120, 150, 90), (190, 90, 80))[int(s.rng.integers(4))]
    s.box(0, foot - 0.12 * s.height, s.width, foot - 0.06 * s.height, s.tone(band))
    s.gradient(s.tone((112, 114, 112)), s.tone((140, 142, 140)), foot, s.height)
    for k in range(4):
        y = s.rng.uniform(0.0, 0.1) * s.height + 0.05 * k * s.height
        x = s.rng.uniform(0, 0.8) * s.width
        s.pen.rectangle((x, y, x + 0.16 * s.width, y + 0.012 * s.height), fill=(250, 252, 240))
        s.glow(x + 0.08 * s.width, y, 0.3 * s.height, (230, 236, 220), 0.5)
    _parking(s, far=8.0, asphalt=False)
    for x in (-8.6, -3.6, 3.6, 8.6):
        place = s.post(x, s.away * 6.0, 3.0)
        if place is not None:
            sx, low, _ = place
            w = 0.055 * s.width
            s.box(sx - w / 2, 0, sx + w / 2, low, s.tone((176, 178, 174)))
            s.box(sx - w / 2, 0, sx - w / 6, low, s.tone((196, 198, 194)))
            s.box(sx - w / 2, low - 0.3 * s.height, sx + w / 2, low - 0.2 * s.height, s.tone(band))


def autumn(s: Stage) -> None:
    s.sky()
    s.ridge(s.horizon + 2, 0.2 * s.height, s.tone((190, 140, 90), 0.4), 1.6, 0.5)
    s.gradient(s.tone((186, 162, 98), 0.15), s.tone((170, 144, 88)), s.horizon, s.height)
    _trees(s, AUTUMN, 18, (6, 24), (5, 9))
    _road(s, 3.0, lines=s.rng.random() < 0.5)
    for _ in range(90):
        x, y = s.rng.uniform(-12, 12), s.rng.uniform(-4, 5) * 1.3
        leaf = AUTUMN[int(s.rng.integers(4))]
        s.stripe((x, y), (x + 0.12, y + 0.05), 0.09, s.tone(leaf))


SCENES: dict[str, tuple[Callable[[Stage], None], tuple[str, ...]]] = {
    "coast": (coast, ("day", "day", "golden", "overcast", "dusk")),
    "country": (country, ("day", "day", "morning", "golden", "overcast")),
    "snow": (snow, ("day", "morning", "overcast", "dusk")),
    "street": (street, ("day", "day", "morning", "golden", "overcast", "dusk", "night")),
    "apartments": (apartments, ("day", "day", "morning", "overcast", "night")),
    "skyline": (skyline, ("day", "day", "golden", "dusk", "night")),
    "dealership": (dealership, ("day", "day", "day", "overcast", "golden")), "showroom": (showroom, ("indoor",)),
    "garage": (garage, ("garage",)),
    "autumn": (autumn, ("day", "day", "morning", "golden", "overcast"))}


def _row(s: Stage, away: float) -> float:
    """The screen row, in the picture's middle, of the ground `away` metres behind the vehicle."""
    forward = s.camera.axes[2] * [1, 1, 0]
    point = forward / np.linalg.norm(forward) * away
    return float(np.clip(s.camera.project(point[None])[0, 1], s.horizon + 2, s.height))


def _lane(s: Stage, far: float, near: float, colour: tuple[int, int, int]) -> None:
    s.floor([(-150, s.away * far), (150, s.away * far), (150, s.away * near), (-150, s.away * near)], colour)


def _road(s: Stage, far: float, lines: bool = True) -> None:
    shade = np.array(ASPHALT) * s.rng.uniform(0.9, 1.12)
    _lane(s, far, -9, s.tone(shade))
    for _ in range(5):
        y = s.rng.uniform(-6, far - 0.3)
        s.stripe((-60, s.away * y), (60, s.away * y), s.rng.uniform(0.1, 0.5), s.tone(shade * s.rng.uniform(0.95, 1.05)))
    if lines:
        s.stripe((-80, s.away * (far - 0.35)), (80, s.away * (far - 0.35)), 0.13, s.tone((236, 234, 224)))
        for x in np.arange(-45, 45, 5.0):
            s.stripe((x, -s.away * 2.2), (x + 2.6, -s.away * 2.2), 0.14,
                     s.tone((240, 200, 90) if s.away > 0 else (236, 234, 224)))


def _parking(s: Stage, far: float, asphalt: bool = True) -> None:
    if asphalt:
        _lane(s, far, -12, s.tone(np.array(ASPHALT) * s.rng.uniform(0.95, 1.15)))
    paint = s.tone((238, 238, 232))
    for k in range(-7, 4):
        y = s.away * (1.35 + 2.7 * k) * -1
        s.stripe((-2.9, y), (2.9, y), 0.11, paint)
    s.stripe((-2.9, 30), (-2.9, -30), 0.11, paint)


def _hedge(s: Stage, y: float) -> None:
    for x in np.arange(-26, 26, 0.8):
        place = s.post(float(x), s.away * y, 0.9)
        if place is not None:
            sx, foot, top = place
            r = (foot - top) * 0.62
            s.pen.ellipse((sx - r, top - 0.2 * r, sx + r, foot), fill=s.tone(LEAVES[int(s.rng.integers(3))], 0.05))


def _trees(s: Stage, leaves: tuple[tuple[int, int, int], ...], count: int, depth: tuple[float, float],
           height: tuple[float, float], pine: bool = False) -> None:
    spots = sorted(((s.rng.uniform(*depth), s.rng.uniform(-1.0, 1.0)) for _ in range(count)), reverse=True)
    right, forward = s.camera.axes[0][:2], s.camera.axes[2][:2] / np.linalg.norm(s.camera.axes[2][:2])
    for away, sideways in spots:
        x, y = forward * away + right * sideways * (away + 10) * 0.55
        tall = s.rng.uniform(*height)
        place = s.post(float(x), float(y), tall)
        if place is not None:
            leaf = np.array(leaves[int(s.rng.integers(len(leaves)))]) + s.rng.integers(-8, 9, 3)
            s.tree(place[0], place[1], place[1] - place[2], tuple(np.clip(leaf, 0, 255).tolist()), min(0.5, away / 60), pine)


def _bar(s: Stage, x: float, y: float, height: float, width: float, colour: tuple[int, int, int]) -> None:
    place, side = s.post(x, y, height), s.post(x + width, y, height)
    if place is not None and side is not None:
        s.box(place[0], place[2], max(place[0] + 2, side[0]), place[1], colour)


def _rail(s: Stage, y: float, z: float, colour: tuple[int, int, int]) -> None:
    ends = [p for p in (s.post(float(x), y, z) for x in np.linspace(-40, 40, 60)) if p is not None]
    if len(ends) > 1:
        s.pen.line([(p[0], p[2]) for p in ends], fill=colour, width=max(2, s.height // 150))


def _street_lamps(s: Stage, y: float) -> None:
    for x in (-16.0, -4.5 + s.rng.uniform(-2, 2), 8.0):
        place = s.post(x, s.away * y, 5.2)
        if place is None:
            continue
        sx, foot, top = place
        s.box(sx - 2, top, sx + 2, foot, s.tone((74, 80, 88)))
        s.pen.line((sx, top, sx + 0.05 * s.width, top - 0.01 * s.height), fill=s.tone((74, 80, 88)), width=4)
        if s.lit:
            s.glow(sx + 0.05 * s.width, top, 0.26 * s.height, (255, 214, 150), 0.9)
