"""The record types that flow between modules, and the direction of every score.

Tables of many records are pandas DataFrames whose columns are the fields below, in this order; the dataclasses are for
one record at a time. Directions: every `score` is 0 bad .. 1 good, except a merge proposal's, which is 0 .. 1 with
higher meaning "more likely the same class"; every `distance` is 0 for equal; a `loss` is in nats.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

OK, UNREADABLE = "ok", "unreadable"

FINDING_KINDS = ("duplicates", "quality", "noise", "outliers", "clusters", "merges")

IMAGE_ACTIONS = ("exclude", "restore", "label_ok", "quality_ok", "not_duplicates", "relabel", "unsure", "tag")
CLASS_ACTIONS = ("merge", "keep_apart", "rename", "drop_class", "series")
ACTIONS = IMAGE_ACTIONS + CLASS_ACTIONS


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One file of the image root: a catalog row.

    `path` is the identity (relative to the image root, POSIX separators, NFC); `file` is the same path spelled as on
    disk (it may be NFD) and is used only to open the file. Measured fields are NaN / 0 / '' for unreadable files.
    """

    path: str
    file: str
    label: str  # '' when unlabelled
    status: Literal["ok", "unreadable"]
    reason: str  # why it is unreadable, in plain words
    sha256: str  # of the file's bytes, hex; '' only when the bytes could not be read at all
    pixel_hash: str  # of the oriented RGB pixels, hex
    phash: int  # imagehash.phash (64 bits) as a signed integer; view as uint64 for distances
    phash_mirror: int  # the same of the left-right mirrored image
    width: int  # pixels, after EXIF rotation, of the full image
    height: int
    format: str  # Pillow's name: JPEG, PNG, ...
    mode: str  # Pillow's mode as stored: RGB, L, CMYK, ...
    decoded: str  # 'full' or 'scaled 1/2', ...: how the pixels behind the hashes were decoded
    size: int  # bytes
    mtime_ns: int
    inode: int
    brightness: float  # mean luma, 0 black .. 1 white
    luma_p05: float  # 5th and 95th percentile of luma, 0 .. 1
    luma_p95: float
    contrast: float  # standard deviation of luma, 0 .. 0.5
    entropy: float  # of the 256-bin luma histogram, bits, 0 .. 8
    sharpness: float  # standard deviation of the Laplacian at a common size; higher is sharper
    colorfulness: float  # mean (max - min) over R, G, B, 0 grey .. 1


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious thing that a detector reports about one image; a finding never acts by itself."""

    kind: str  # one of FINDING_KINDS
    path: str
    label: str
    score: float  # 0 bad .. 1 good
    reason: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person did about an image or a class; one row of the journal (DESIGN.md section 4b).

    `label` names the class that a class action is about (the CSV column is `class`). `evidence` holds what the
    person saw (a finding's score, the page, ...) and, under `anchor`, what lets the decision follow a renamed file or folder.
    """

    action: str
    path: str = ""
    label: str = ""
    other: str = ""
    value: str = ""
    reason: str = ""
    sha256: str = ""  # of the image when it was decided on
    evidence: dict[str, Any] = field(default_factory=dict)
    seq: int = 0  # journal order, 1-based; 0 before it is written
    batch: str = ""
    author: str = ""
    time: str = ""  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image of a manifest."""

    path: str
    label: str  # after relabels, then merges and renames
    original_label: str
    series: str
    group: int  # duplicate group; -1 when the image has no copy
    split: Literal["train", "holdout"]
    sha256: str


@dataclass(frozen=True, slots=True)
class MemberCard:
    """One trained member: a recipe on a fold, and how it did on the images that it did not train on."""

    name: str
    recipe: str  # backbones joined by '+'
    fold: int
    n_train: int
    n_validation: int
    log_loss: float  # nats, of the averaged weights that ship, on the validation fold
    accuracy: float
    temperature: float
    weight: float  # in the ensemble
    seconds: float
    images_per_second: float | None = None  # of fine-tuning
    wait_share: float | None = None  # of those seconds, in which the device waited for images


def columns(record: type) -> list[str]:
    """Field names of a record type, in table order."""
    return [f.name for f in dataclasses.fields(record)]
