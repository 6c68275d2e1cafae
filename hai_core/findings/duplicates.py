"""Copies of one photo: the same bytes, the same pixels, or the same picture saved, cropped, mirrored or edited.

Candidates are pairs with equal pixel hashes, with perceptual hashes within 10 of 64 bits (also of one mirrored), and
neighbours by cosine of features; `alignment` confirms each by comparing the two thumbnails. A group is the image to keep
and the images that match it: every member is compared with the kept image itself, so that groups do not chain.

Finds re-encoding, resizing, crops (to about three quarters), mirror images, changes of colour, watermarks, borders, grey.
Misses rotations, collages, and heavy crops. Takes photos from one place of a burst, or renderings that differ in a detail
smaller than a tenth of the picture, for copies: look before excluding.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.findings import keep
from hai_core.findings.pairs import Pairs, Rows, Thumbnails, candidates, connected

COLUMNS = ["group", "path", "label", "kind", "distance", "unit", "keep", "reason", "cross_class"]
TYPES = {"group": "int64", "path": "str", "label": "str", "kind": "str", "distance": "float64", "unit": "str", "keep": "bool",
         "reason": "str", "cross_class": "bool"}

Steps = Callable[[pd.DataFrame], npt.NDArray[np.float64]]


def duplicates(images: pd.DataFrame, features: npt.NDArray[np.float32] | None, thumbnails: Thumbnails, *,
               steps: Steps, not_duplicates: Collection[frozenset[str]] = (),
               excluded: npt.NDArray[np.bool_] | None = None,
               reference: npt.NDArray[np.bool_] | None = None) -> pd.DataFrame:
    """Groups of copies among `images` (catalog rows of readable images, sorted by path): COLUMNS, the kept image first.

    `features` (N, D), or None to do with hashes; `thumbnails` gives JPEG bytes by content hash, `steps` the JPEG quantisation
    steps of catalog rows (`keep.jpeg_step`). Pairs of paths in `not_duplicates` never share a group as kept image and member.
    An image of `excluded` (N,) is kept only where all are. `distance` is 0 for equal: differing bits, or 1 - cosine (`unit`).
    With `reference` (N,), only copies of the reference images are looked for, which are always kept.
    """
    outside = np.zeros(len(images), bool) if reference is None else reference
    images = images.assign(excluded=np.zeros(len(images), bool) if excluded is None else excluded)
    images = images.astype(dict.fromkeys(("path", "label"), object))  # whose arrays, asked for by each group, are no copies
    pairs = Pairs(images, features, thumbnails)
    maybe = candidates(images, features, reference)
    involved = np.unique(pairs.connect(maybe, np.ones(len(images), bool)))
    if not len(involved):
        return _table([])
    quality = keep.quality(images.iloc[involved], steps(images.iloc[involved]), pairs.grey(involved))
    judged = _spread(quality, involved, len(images))
    rows: list[dict[str, Any]] = []
    for number, group in enumerate(_groups(images, pairs, maybe, judged, set(not_duplicates), outside)):
        rows += _rows(number, group, images, pairs, judged)
    return _table(rows)


@dataclass(frozen=True)
class _Group:
    kept: int
    reason: str
    members: list[int]


def _groups(images: pd.DataFrame, pairs: Pairs, maybe: Rows, quality: keep.Quality, parted: set[frozenset[str]],
            outside: npt.NDArray[np.bool_]) -> list[_Group]:
    """Take the best image of every connected set and what matches it; go on with what is left."""
    paths, left, groups = images["path"].to_numpy(), np.ones(len(images), bool), []
    while len(matching := pairs.connect(maybe, left)):
        sets = connected(matching)
        chosen = [_choose(rows, images, quality, outside) for rows in sets]
        others = [[row for row in rows if row != kept and not (outside[row] and outside[kept])]
                  for rows, (kept, _) in zip(sets, chosen, strict=True)]
        asked = [sorted((kept, row)) for rows, (kept, _) in zip(others, chosen, strict=True) for row in rows]
        pairs.confirm(np.array(asked, np.int64).reshape(-1, 2))
        for rows, (kept, reason) in zip(others, chosen, strict=True):
            members = [row for row in rows if pairs.match(kept, row) and frozenset((paths[row], paths[kept])) not in parted]
            if members:
                groups.append(_Group(kept, reason, members))
            left[[kept, *members]] = False
    return sorted(groups, key=lambda group: min(group.kept, *group.members))


def _choose(rows: list[int], images: pd.DataFrame, quality: keep.Quality, outside: npt.NDArray[np.bool_]) -> tuple[int, str]:
    theirs = [row for row in rows if outside[row]]
    if theirs:
        return theirs[0], "kept: it belongs to the other folder"
    return keep.best(rows, images, quality)


def _spread(quality: keep.Quality, rows: Rows, size: int) -> keep.Quality:
    """The same by row of all images."""
    def place(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        spread = np.zeros(size, values.dtype)
        spread[rows] = values
        return spread

    return keep.Quality(place(quality.border), place(quality.grey), place(quality.step), place(quality.detail))


def _rows(number: int, group: _Group, images: pd.DataFrame, pairs: Pairs, quality: keep.Quality) -> list[dict[str, Any]]:
    labels, paths = images["label"].to_numpy(), images["path"].to_numpy()
    relations = {row: pairs.relation(group.kept, row) for row in group.members}
    strongest = min(relations.values(), key=lambda relation: ["exact", "pixels", "perceptual", "embedding"].index(relation[0]))
    cross_class = len({labels[row] for row in [group.kept, *group.members]} - {""}) > 1
    told = [(group.kept, (strongest[0], 0.0, strongest[2]), True, group.reason)]
    told += [(row, relation, False, _derived(group.kept, row, relation, images, pairs, quality))
             for row, relation in relations.items()]
    return [{"group": number, "path": paths[row], "label": labels[row], "kind": kind, "distance": distance, "unit": unit,
             "keep": kept, "reason": reason, "cross_class": cross_class} for row, (kind, distance, unit), kept, reason in told]


def _derived(kept: int, row: int, relation: tuple[str, float, str], images: pd.DataFrame, pairs: Pairs,
             quality: keep.Quality) -> str:
    """How a member differs from the kept image, in words."""
    kind, distance, unit = relation
    if kind in ("exact", "pixels"):
        return "the same bytes" if kind == "exact" else "the same pixels in another file"
    match = pairs.match(kept, row)
    assert match is not None
    area = match.scale[0] * match.scale[1]
    size = [f"{images[name].iat[row]}" for name in ("width", "height")]
    kept_size = [f"{images[name].iat[kept]}" for name in ("width", "height")]
    words = [
        "mirror image" if match.mirrored else "",
        "with a border" if quality.border[row] and not quality.border[kept] else "",
        "grey" if quality.grey[row] and not quality.grey[kept] else "",
        "shows less at the edges" if area > 1.04 else "",
        "shows more at the edges" if area < 0.96 and not quality.border[row] else "",
        f"{' x '.join(size)} instead of {' x '.join(kept_size)} pixels" if size != kept_size else "",
        "compressed more" if quality.step[row] > quality.step[kept] else "",
    ]
    differs = ", ".join(word for word in words if word) or "saved anew"
    return f"{differs}; {int(distance)} of 64 hash bits differ" if unit == "bits" else f"{differs}; cosine {1 - distance:.2f}"


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
