"""The drawn vehicles: eight series with a body each, and 24 model years ("facelifts") that differ in their details.

Brands are invented. All lengths are in metres, x forward from the vehicle's middle, z above the ground.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Body:
    """What the model years of a series share."""

    length: float
    width: float
    height: float  # of the roof
    ride: float  # of the sill
    wheel: float  # radius of the tyre
    axles: tuple[float, float]  # x of the front and the rear axle
    top: Pairs  # (x, z) of hood, shoulder and deck, from tail to nose
    nose: Pairs  # (share of the height, x beyond the length's end), front profile
    tail: Pairs
    base: tuple[float, float]  # x of the cabin's rear and front end at the shoulder
    roof: tuple[float, float]  # the same at the roof
    roof_width: float  # share of the cabin's base width
    camber: float  # how far the roof's ends drop
    windows: tuple[float, ...]  # pillars between side windows, 0 at the windscreen .. 1 at the rear end
    outline: Pairs  # side windows in (0 front .. 1 rear, 0 shoulder .. 1 roof), convex
    doors: tuple[float, ...] = (0.95, 0.0, -0.95)  # x of the shut lines
    bed: bool = False
    hatch: bool = False  # the tail opens up to the rear window
    cladding: bool = False  # dark plastic sills and arches
    plan: tuple[float, float, float, float] = (0.5, 3.3, 0.42, 3.6)  # depth and exponent of the ends' curves, front and rear


@dataclass(frozen=True)
class Face:
    """What differs between the model years of one series."""

    lamps: str = "swept"  # outline of the headlights
    signature: str = "none"  # daytime light
    grille: str = "trapezoid"
    pattern: str = "hbars"
    intake: str = "wide"
    fog: str = "none"
    tail: str = "wrap"
    tail_mark: str = "two"
    wheels: tuple[tuple[str, int], ...] = (("spokes", 5),)
    plate_low: bool = False
    exhaust: str = "none"
    badge: str = "round"
    brightwork: float = 0.0  # chrome around the windows: 0 none, 0.5 below, 1 all round
    moulding: str = "none"
    handles: str = "paint"
    crease: float = 0.62  # height of the side crease as share of the shoulder's height
    mirror: str = "paint"
    rails: bool = False
    fin: bool = False
    spoiler: bool = False
    two_tone: bool = False
    rim: str = "silver"
    glass: str = "clear"
    wheel: float = 1.0  # size of the wheels relative to the body's
    roof_lift: float = 0.0  # metres


@dataclass(frozen=True)
class Vehicle:
    """One class: its folder name, its series and how it looks."""

    name: str
    series: str
    body: Body
    face: Face


NOSE = ((0.0, -0.13), (0.18, -0.02), (0.42, 0.0), (0.7, -0.03), (0.88, -0.1), (1.0, -0.22))
FLAT_NOSE = ((0.0, -0.1), (0.2, -0.01), (0.45, 0.0), (0.75, -0.02), (0.92, -0.06), (1.0, -0.16))
TAIL = ((0.0, -0.14), (0.2, -0.02), (0.45, 0.0), (0.75, -0.03), (0.92, -0.05), (1.0, -0.1))
FLAT_TAIL = ((0.0, -0.1), (0.25, -0.01), (0.45, 0.0), (0.8, -0.02), (1.0, -0.05))

SEDAN = Body(4.75, 1.84, 1.45, 0.2, 0.335, (1.42, -1.4),
             ((-2.37, 0.93), (-2.1, 0.99), (-1.5, 0.98), (0.0, 0.93), (1.0, 0.91), (1.7, 0.82), (2.1, 0.74), (2.37, 0.66)),
             NOSE, TAIL, (-1.95, 1.15), (-0.98, 0.2), 0.76, 0.05, (0.33, 0.69),
             ((-0.1, 0.1), (0.86, 0.12), (1.0, 0.34), (0.97, 0.6), (0.9, 0.84), (-0.1, 0.84)), doors=(1.0, 0.05, -0.92))
HATCH = Body(3.85, 1.7, 1.56, 0.19, 0.315, (1.24, -1.24),
             ((-1.92, 0.98), (-1.2, 1.0), (0.0, 0.95), (1.0, 0.95), (1.45, 0.9), (1.75, 0.83), (1.92, 0.74)),
             FLAT_NOSE, FLAT_TAIL, (-1.86, 1.16), (-1.6, 0.42), 0.82, 0.05, (0.42, 0.82),
             ((-0.1, 0.1), (0.8, 0.12), (0.95, 0.28), (0.94, 0.84), (-0.1, 0.84)), doors=(0.96, -0.1, -0.92), hatch=True)
SUV = Body(4.65, 1.89, 1.7, 0.27, 0.385, (1.38, -1.38),
           ((-2.32, 1.06), (-1.6, 1.12), (0.0, 1.07), (0.95, 1.06), (1.7, 0.99), (2.1, 0.92), (2.32, 0.82)),
           FLAT_NOSE, FLAT_TAIL, (-2.2, 1.05), (-1.8, 0.32), 0.8, 0.05, (0.34, 0.67, 0.9),
           ((-0.1, 0.1), (0.86, 0.13), (0.97, 0.34), (0.93, 0.84), (-0.1, 0.84)), doors=(0.98, 0.0, -0.95),
           hatch=True, cladding=True, plan=(0.42, 3.6, 0.36, 3.8))
WAGON = Body(4.9, 1.84, 1.5, 0.18, 0.345, (1.5, -1.42),
             ((-2.45, 0.96), (-1.5, 0.97), (0.0, 0.93), (1.0, 0.93), (1.7, 0.9), (2.2, 0.85), (2.45, 0.78)),
             FLAT_NOSE, FLAT_TAIL, (-2.38, 1.05), (-2.08, 0.22), 0.8, 0.04, (0.27, 0.54, 0.79),
             ((-0.1, 0.1), (0.93, 0.1), (0.96, 0.2), (0.95, 0.84), (-0.1, 0.84)), doors=(0.98, 0.0, -0.92), hatch=True,
             plan=(0.4, 3.8, 0.36, 3.8))
COUPE = Body(4.42, 1.87, 1.29, 0.15, 0.345, (1.35, -1.28),
             ((-2.21, 0.86), (-1.9, 0.92), (-1.2, 0.91), (0.0, 0.83), (0.8, 0.83), (1.5, 0.78), (1.95, 0.68), (2.21, 0.58)),
             ((0.0, -0.16), (0.2, 0.0), (0.4, 0.0), (0.7, -0.06), (0.88, -0.16), (1.0, -0.3)), TAIL,
             (-1.85, 0.8), (-0.72, -0.12), 0.72, 0.05, (0.62,),
             ((-0.1, 0.1), (0.66, 0.12), (0.86, 0.38), (0.8, 0.82), (-0.1, 0.84)), doors=(0.86, -0.6),
             plan=(0.66, 2.9, 0.5, 3.2))
PICKUP = Body(5.3, 1.94, 1.84, 0.42, 0.43, (1.72, -1.62),
              ((-2.65, 1.16), (-1.0, 1.17), (0.2, 1.16), (1.1, 1.14), (1.8, 1.1), (2.35, 1.05), (2.65, 0.95)),
              FLAT_NOSE, ((0.0, -0.12), (0.25, 0.0), (1.0, -0.01)), (-0.92, 1.22), (-0.68, 0.5), 0.8, 0.04, (0.47,),
              ((-0.1, 0.1), (0.94, 0.1), (0.93, 0.84), (-0.1, 0.84)), doors=(1.12, 0.18, -0.72), bed=True, cladding=True,
              plan=(0.36, 3.8, 0.12, 5.0))
VAN = Body(4.95, 1.94, 1.95, 0.24, 0.36, (1.52, -1.5),
           ((-2.47, 1.1), (-1.0, 1.14), (0.8, 1.12), (1.5, 1.08), (2.0, 0.98), (2.3, 0.88), (2.47, 0.76)),
           NOSE, FLAT_TAIL, (-2.4, 1.78), (-2.22, 0.86), 0.86, 0.05, (0.3, 0.62, 0.88),
           ((-0.1, 0.1), (0.97, 0.1), (0.95, 0.8), (-0.1, 0.8)), doors=(1.1, 0.1, -1.1), hatch=True,
           plan=(0.55, 3.1, 0.25, 4.0))
BUBBLE = Body(3.5, 1.66, 1.53, 0.19, 0.335, (1.18, -1.12),
              ((-1.75, 0.86), (-1.2, 0.95), (0.0, 0.93), (0.9, 0.92), (1.35, 0.82), (1.62, 0.7), (1.75, 0.62)),
              NOSE, TAIL, (-1.7, 1.28), (-0.78, 0.22), 0.72, 0.14, (0.48, 0.86),
              ((-0.1, 0.1), (0.72, 0.12), (0.88, 0.34), (0.78, 0.8), (-0.1, 0.8)), doors=(0.9, -0.45), hatch=True,
              plan=(0.62, 2.6, 0.6, 2.6))


def _series(series: str, body: Body, years: dict[str, Face]) -> list[Vehicle]:
    """Vehicles of a series; a name's place for the year is marked by `{}`, so that series and class names go together."""
    return [Vehicle(series.format(year), series.replace("{}", "").strip(" ,"),
                    replace(body, height=body.height + face.roof_lift, wheel=body.wheel * face.wheel), face) for year,
                    face in years.items()]


VEHICLES: list[Vehicle] = [
    *_series("한빛 아리아 {}", SEDAN, {
        "2010_2012": Face("block", "none", "slats", "hbars", "wide", "round", "block", "two", (("spokes", 7), ("cap", 8)),
                          badge="oval", brightwork=0.5, moulding="rub", handles="chrome", crease=0.7, mirror="black",
                          wheel=0.92),
        "2013_2015": Face("swept", "none", "trapezoid", "hbars", "smile", "slit", "wrap", "two", (("spokes", 5), ("y", 5)),
                          badge="oval", brightwork=1.0, handles="chrome", crease=0.66, exhaust="round",
                          wheel=0.98, rim="bright"),
        "2016_2018": Face("slim", "strip", "hexagon", "vbars", "three", "slit", "wrap", "l", (("double", 5), ("blade", 10)),
                          badge="oval", brightwork=1.0, handles="paint", crease=0.6, exhaust="wide",
                          wheel=1.03, glass="smoke"),
        "2019_2021": Face("split", "claw", "cascade", "diamond", "three", "none", "bar", "bar", (("turbine", 9), ("y", 7)),
                          badge="wing", brightwork=0.5, handles="paint", crease=0.56, plate_low=True, exhaust="wide", fin=True,
                          wheel=1.07, rim="dark", glass="privacy", roof_lift=-0.03)}),
    *_series("한빛 누리 {}", SUV, {
        "2012_2015": Face("block", "none", "slats", "hbars", "wide", "round", "vertical", "two", (("spokes", 5), ("spokes", 6)),
                          badge="oval", moulding="rub", handles="black", crease=0.68, mirror="black", rails=True,
                          wheel=0.93, rim="silver"),
        "2016_2019": Face("swept", "strip", "hexagon", "mesh", "skid", "round", "wrap", "l", (("double", 5), ("y", 5)),
                          badge="oval", brightwork=0.5, handles="paint", crease=0.62, rails=True, spoiler=True,
                          wheel=1.0, rim="bright", glass="smoke", roof_lift=0.02),
        "2020_2023": Face("split", "claw", "cascade", "diamond", "skid", "none", "bar", "bar", (("blade", 8), ("turbine", 6)),
                          badge="wing", brightwork=1.0, handles="paint", crease=0.58, rails=True, plate_low=True, spoiler=True,
                          fin=True,
                          wheel=1.06, rim="dark", glass="privacy", roof_lift=-0.02)}),
    *_series("새솔 도담 {}", HATCH, {
        "2011_2014": Face("round", "none", "smile", "hbars", "wide", "round", "round", "two", (("cap", 6), ("spokes", 6)),
                          badge="shield", handles="black", crease=0.66, mirror="black",
                          wheel=0.92, roof_lift=0.04),
        "2015_2017": Face("drop", "ring", "smile", "mesh", "smile", "round", "vertical", "two", (("spokes", 8), ("double", 5)),
                          badge="shield", brightwork=0.5, handles="paint", crease=0.62, spoiler=True,
                          wheel=0.98, rim="bright"),
        "2018_2021": Face("drop", "strip", "slot", "mesh", "three", "slit", "c", "l", (("blade", 6), ("y", 5)),
                          badge="shield", handles="paint", crease=0.58, spoiler=True, two_tone=True, fin=True,
                          wheel=1.06, rim="dark", glass="privacy")}),
    *_series("Norden Kestrel {}", WAGON, {
        "2012-2015": Face("block", "none", "shield", "vbars", "wide", "slit", "tall", "two", (("spokes", 5), ("spokes", 9)),
                          badge="bar", brightwork=1.0, moulding="rub", handles="paint", crease=0.68, rails=True,
                          wheel=0.94, glass="clear"),
        "2016-2019": Face("slim", "tee", "shield", "vbars", "three", "none", "tall", "l", (("y", 5), ("double", 6)),
                          badge="bar", brightwork=1.0, handles="paint", crease=0.62, rails=True, exhaust="wide",
                          wheel=1.0, rim="bright", glass="smoke"),
        "2020-2023": Face("slim", "strip", "wide", "mesh", "three", "slit", "boomerang", "bar", (("turbine", 8), ("blade", 12)),
                          badge="bar", brightwork=0.5, handles="paint", crease=0.57, rails=True, fin=True,
                          wheel=1.07, rim="dark", glass="privacy", roof_lift=-0.03)}),
    *_series("Alvero Lince, 2 doors {}", COUPE, {
        "2011-2013": Face("round", "ring", "slot", "mesh", "smile", "round", "round", "rings", (("spokes", 5), ("spokes", 10)),
                          badge="shield", handles="paint", crease=0.66, exhaust="round",
                          wheel=0.95),
        "2014-2017": Face("swept", "strip", "wide", "mesh", "three", "none", "round", "bar", (("y", 5), ("double", 5)),
                          badge="shield", handles="paint", crease=0.62, exhaust="quad", spoiler=True,
                          wheel=1.0, rim="dark", glass="smoke"),
        "2018-2021": Face("slim", "claw", "wide", "vbars", "smile", "slit", "bar", "bar", (("blade", 10), ("turbine", 10)),
                          badge="wing", handles="flush", crease=0.57, exhaust="quad", plate_low=True,
                          wheel=1.06, rim="bright", glass="privacy", roof_lift=-0.03)}),
    *_series("Harrow Drover {}", PICKUP, {
        "2010-2014": Face("square", "none", "slats", "hbars", "bull", "round", "tall", "two", (("spokes", 6), ("steel", 8)),
                          badge="bar", moulding="rub", handles="black", crease=0.66, mirror="black",
                          wheel=0.94),
        "2015-2019": Face("block", "c", "cross", "mesh", "bull", "round", "tall", "l", (("spokes", 5), ("double", 6)),
                          badge="bar", handles="chrome", crease=0.66, mirror="chrome", brightwork=0.5,
                          wheel=1.03, rim="bright", glass="privacy")}),
    *_series("가람 나들이 {}", VAN, {
        "2010_2014": Face("square", "none", "smile", "hbars", "wide", "round", "vertical", "two", (("cap", 8), ("steel", 10)),
                          badge="round", moulding="rub", handles="black", crease=0.64, mirror="black",
                          wheel=0.92, roof_lift=0.05),
        "2015_2019": Face("swept", "strip", "trapezoid", "hbars", "wide", "slit", "tall", "l", (("spokes", 7), ("double", 5)),
                          badge="round", handles="chrome", crease=0.6, brightwork=0.5,
                          wheel=0.98, rim="bright", glass="smoke"),
        "2020_2023": Face("split", "tee", "cascade", "diamond", "skid", "none", "bar", "bar", (("turbine", 7), ("blade", 10)),
                          badge="wing", handles="paint", crease=0.56, brightwork=1.0, rails=True, plate_low=True, fin=True,
                          wheel=1.06, rim="dark", glass="privacy", roof_lift=-0.04)}),
    *_series("Vallon L'Étoile {}", BUBBLE, {
        "2009-2012": Face("round", "none", "smile", "hbars", "smile", "round", "round", "two", (("cap", 5), ("spokes", 8)),
                          badge="star", handles="paint", crease=0.64, mirror="black",
                          wheel=0.93),
        "2013-2016": Face("drop", "ring", "smile", "vbars", "wide", "none", "round", "rings", (("spokes", 5), ("y", 6)),
                          badge="star", handles="chrome", crease=0.62, brightwork=0.5, two_tone=True,
                          wheel=0.99, rim="bright", glass="smoke"),
        "2017-2020": Face("round", "ring", "closed", "hbars", "slim", "none", "c", "rings", (("disc", 6), ("blade", 7)),
                          badge="star", handles="flush", crease=0.58, two_tone=True, fin=True,
                          wheel=1.06, rim="dark", glass="privacy")}),
]
