"""Which files a demo dataset has: so many pictures a class, the faults planted among them, and a row of truth for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hai_core.demo.vehicles import VEHICLES

TRUTH = ["path", "fault", "detail", "source", "true_label"]
DRAWN = 650  # pictures of vehicles, before copies and other planted files are added
NEAR = ("jpeg", "resize", "crop", "flip", "colour", "watermark", "border", "grey")
FORMATS = ("cmyk", "exif", "png16", "palette", "gif", "webp", "tiff", "bmp", "nfd")
SUFFIX = {"png16": ".png", "palette": ".png", "gif": ".gif", "webp": ".webp", "tiff": ".tiff", "bmp": ".bmp"}
JUNK, UNREADABLE = ("uniform", "noise", "text"), ("truncated", "empty", "text")
TWIN = ("한빛 아리아 2016_2018", "Hanbit Aria 2016-2018")  # one class under two names
COUNTS = {"wrong_label": 28, "exact_duplicate": 12, "near_duplicate": 24, "dark": 6, "blurry": 6, "junk": 6, "unreadable": 6,
          "format": len(FORMATS)}


@dataclass(frozen=True)
class File:
    """A file to write: `kind` is '' for the picture as it is, else what is done to it; `path` is below the image root, NFC."""

    path: str
    kind: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Drawing:
    """One picture, by its vehicle (index into VEHICLES, -1 none) and seed, and the files made from it, the original first."""

    vehicle: int
    seed: tuple[int, int]
    files: tuple[File, ...]


def make(seed: int) -> tuple[list[Drawing], pd.DataFrame]:
    """The drawings of a demo and its truth (columns TRUTH), by seed alone."""
    rng = np.random.default_rng([seed, 1])
    names = [v.name for v in VEHICLES]
    vehicles = _sizes(rng, names.index(TWIN[0]))
    numbers = iter(rng.permutation(np.arange(10_000, 99_999))[: 2 * DRAWN].tolist())
    roles = _roles(rng, len(vehicles))
    rows: list[tuple[str, ...]] = []

    def path(label: str, suffix: str = ".jpg", stem: str = "") -> str:
        folder = TWIN[1] if label == TWIN[0] and rng.random() < 0.5 else label
        return f"{folder}/{stem}{next(numbers)}{suffix}"

    def planted(kind: str, index: int, vehicle: int) -> tuple[File, ...]:
        own = names[vehicle]
        if kind == "wrong_label":
            near = index % 2 == 0
            file = File(path(_other(rng, vehicle, near)))
            rows.append((file.path, kind, "near" if near else "random", "", own))
            return (file,)
        if kind == "format":
            detail = FORMATS[index % len(FORMATS)]
            file = File(path(own, SUFFIX.get(detail, ".jpg"), "차량_" if detail == "nfd" else ""), kind, detail)
            rows.append((file.path, kind, detail, "", own))
            return (file,)
        file = File(path(own), kind if kind in ("dark", "blurry") else "")
        if file.kind:
            rows.append((file.path, kind, "", "", own))
        if kind == "exact_duplicate":
            copy = File(path(_other(rng, vehicle, False) if index % 2 else own), kind)
            rows.append((copy.path, kind, "cross_class" if index % 2 else "same_class", file.path, own))
            return file, copy
        if kind == "near_duplicate":
            detail = NEAR[index % len(NEAR)]
            copy = File(f"{file.path.split('/')[0]}/{next(numbers)}.jpg", kind, detail)
            rows.append((copy.path, kind, detail, file.path, own))
            return file, copy
        return (file,)

    drawings = [Drawing(vehicle, (seed, 100 + i), planted(*role, vehicle)) for i,
                (vehicle, role) in enumerate(zip(vehicles, roles, strict=True))]
    for kind, details in (("junk", JUNK), ("unreadable", UNREADABLE)):
        for i in range(COUNTS[kind]):
            vehicle, detail = int(rng.integers(len(names))), details[i % len(details)]
            file = File(path(names[vehicle]), kind, detail)
            rows.append((file.path, kind, detail, "", ""))
            drawings.append(Drawing(vehicle if detail == "truncated" else -1, (seed, 10_000 + len(drawings)), (file,)))
    rows.append((TWIN[1], "twin_class", "", TWIN[0], TWIN[0]))
    return drawings, pd.DataFrame(rows, columns=TRUTH)


def _sizes(rng: np.random.Generator, twin: int) -> list[int]:
    """The vehicle of each picture: 20 to 34 a class, 38 for the class that is split in two, DRAWN in all."""
    sizes = rng.integers(21, 33, len(VEHICLES))
    sizes[twin] = 38
    others = np.delete(np.arange(len(VEHICLES)), twin)
    while sizes.sum() != DRAWN:
        sizes[rng.choice(others)] += np.sign(DRAWN - sizes.sum())
    return np.repeat(np.arange(len(VEHICLES)), sizes).tolist()


def _roles(rng: np.random.Generator, count: int) -> list[tuple[str, int]]:
    """(fault, running number) for each picture, ('', 0) for the clean ones."""
    roles = [("", 0)] * count
    faults = [(kind, i) for kind in ("wrong_label", "exact_duplicate", "near_duplicate", "dark", "blurry", "format")
              for i in range(COUNTS[kind])]
    for place, role in zip(rng.permutation(count)[: len(faults)].tolist(), faults, strict=True):
        roles[place] = role
    return roles


def _other(rng: np.random.Generator, vehicle: int, near: bool) -> str:
    """The name of another class: another model year of the same series when `near`, else of another series."""
    own = VEHICLES[vehicle]
    choice = [v.name for v in VEHICLES if v is not own and (v.series == own.series) == near]
    return choice[int(rng.integers(len(choice)))]
