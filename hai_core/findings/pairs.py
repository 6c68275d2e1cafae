"""Which pairs of images may be copies, and which are: each pair is compared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import progress
from hai_core.neighbors import cosine_neighbors, hamming_pairs, normalize

RADIUS = 10  # bits of 64
COSINE, NEIGHBORS = 0.8, 8
FRUITFUL = 0.05  # share of matches below which asking for the nearest only takes longer than asking for all
_AT_ONCE = 2048  # pairs, and thumbnails, in hand at a time

Rows = npt.NDArray[np.int64]
Thumbnails = Callable[[Sequence[str]], Mapping[str, bytes]]


def candidates(images: pd.DataFrame, features: npt.NDArray[np.float32] | None,
                reference: npt.NDArray[np.bool_] | None) -> Rows:
    """Pairs (P, 2), a < b, of rows of `images` that may be copies of each other.

    Those of equal bytes or pixels (each with the first of them), and of different content those near in Hamming space (as they
    are, or one mirrored) or, with `features` (N, D), in cosine space. With `reference` (N,) only pairs of a reference image
    and another one.
    """
    first = _first(images["sha256"])
    distinct = np.flatnonzero(first == np.arange(len(images)))
    found = [np.stack([first, np.arange(len(images))]), np.stack([_first(images["pixel_hash"]), np.arange(len(images))])]
    if reference is not None:  # of equal images each with each across the two folders
        found += [_across(images[name], reference) for name in ("sha256", "pixel_hash")]
    hashes, mirrored = (images[name].to_numpy()[distinct].view(np.uint64) for name in ("phash", "phash_mirror"))
    for others in (None, mirrored):
        found.append(distinct[np.stack(hamming_pairs(hashes, RADIUS, others)[:2])])
    if features is not None:
        near, similarity = cosine_neighbors(features[distinct], NEIGHBORS)
        i, k = np.nonzero(similarity >= COSINE)
        found.append(distinct[np.stack([i, near[i, k]])])
    pairs = np.concatenate(found, axis=1)
    if reference is not None:
        pairs = pairs[:, reference[pairs[0]] != reference[pairs[1]]]
    pairs = np.sort(pairs[:, pairs[0] != pairs[1]], axis=0)
    return np.unique(pairs.T, axis=0)


def _first(names: pd.Series) -> Rows:
    """For each row the first row with the same value."""
    codes = pd.factorize(names)[0]
    return np.unique(codes, return_index=True)[1][codes]


def _across(names: pd.Series, reference: npt.NDArray[np.bool_]) -> Rows:
    """Pairs (2, P): every row of ours with the first reference row of the same value."""
    theirs = np.flatnonzero(reference)
    first = pd.Series(theirs, index=names.to_numpy()[theirs]).groupby(level=0).first()
    partner = first.reindex(names.to_numpy()[~reference]).to_numpy()
    ours = np.flatnonzero(~reference)
    known = ~np.isnan(partner.astype(float))
    return np.stack([ours[known], partner[known].astype(np.int64)])


@dataclass(frozen=True)
class Match:
    """How row b matches row a: `scale` is how much wider and higher a's view is."""

    mirrored: bool
    scale: tuple[float, float]


class Pairs:
    """Verdicts on pairs of rows, each compared once."""

    def __init__(self, images: pd.DataFrame, features: npt.NDArray[np.float32] | None, thumbnails: Thumbnails) -> None:
        self._sha256, self._pixels = (images[name].to_numpy() for name in ("sha256", "pixel_hash"))
        self._hash, self._mirror = (images[name].to_numpy().view(np.uint64) for name in ("phash", "phash_mirror"))
        self._unit = None if features is None else normalize(features)
        self._thumbnails = thumbnails
        self._grey: dict[int, npt.NDArray[np.uint8]] = {}
        self._known: dict[tuple[int, int], Match | None] = {}

    def connect(self, maybe: Rows, rows: npt.NDArray[np.bool_]) -> Rows:
        """The pairs that match among `rows` (N,), after comparing as many of `maybe` (P, 2), a < b, as connect all copies.

        Each connected set is compared with the nearest of the others (Boruvka, 1926) as long as that finds enough matches, then
        all that is left: of many copies of one photo few pairs are compared.
        """
        open_ = maybe[rows[maybe].all(axis=1)]
        open_ = open_[np.array([tuple(pair) not in self._known for pair in open_.tolist()], bool)]
        bits = np.bitwise_count(np.stack([self._hash, self._mirror])[:, open_[:, 1]] ^ self._hash[open_[:, 0]]).min(axis=0)
        open_ = open_[np.argsort(bits, kind="stable")]
        matches, fruitful = self._matching(rows), True
        while True:
            part = _components(matches, len(rows))[open_]
            apart = part[:, 0] != part[:, 1]
            open_, part = open_[apart], part[apart]
            if not len(open_):
                return matches
            asked = np.arange(len(open_))
            if fruitful:
                asked = np.unique(np.concatenate([np.unique(part[:, end], return_index=True)[1] for end in (0, 1)]))
            found = self.confirm(open_[asked])
            fruitful = len(found) > FRUITFUL * len(asked)
            matches, open_ = np.concatenate([matches, found]), np.delete(open_, asked, axis=0)

    def _matching(self, rows: npt.NDArray[np.bool_]) -> Rows:
        pairs = np.array([pair for pair, found in self._known.items() if found], np.int64).reshape(-1, 2)
        return pairs[rows[pairs].all(axis=1)]

    def confirm(self, asked: Rows) -> Rows:
        """Compare the pairs (P, 2), a < b, that were not compared yet; those of them that match."""
        from hai_core.findings import alignment

        new = [(i, j) for i, j in asked.tolist() if (i, j) not in self._known]
        equal = {pair for pair in new if self._equal(*pair)}
        self._known |= dict.fromkeys(equal, Match(False, (1.0, 1.0)))
        open_ = np.array([pair for pair in new if pair not in equal], np.int64).reshape(-1, 2)
        if len(open_):
            with progress.track("Comparing", len(open_), "pairs") as bar:
                for start in range(0, len(open_), _AT_ONCE):
                    part = open_[start:start + _AT_ONCE]
                    rows, place = np.unique(part, return_inverse=True)
                    place = place.reshape(part.shape)
                    found = alignment.compare(self.grey(rows), place[:, 0], place[:, 1])
                    for (i, j), copy, mirrored, scale in zip(part.tolist(), found.copy, found.mirrored, found.scale.tolist(),
                                                             strict=True):
                        self._known[i, j] = Match(bool(mirrored), (scale[0], scale[1])) if copy else None
                    bar.advance(len(part))
        return np.array([pair for pair in new if self._known[pair]], np.int64).reshape(-1, 2)

    def match(self, a: int, b: int) -> Match | None:
        """How b matches a, of a pair that was compared; None when they are no copies."""
        found = self._known[min(a, b), max(a, b)]
        if found is None or a < b:
            return found
        return Match(found.mirrored, (1 / found.scale[0], 1 / found.scale[1]))

    def grey(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """Grey thumbnails (M, 64, 64) of rows."""
        from hai_core.findings import alignment

        missing = [row for row in rows.tolist() if row not in self._grey]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start:start + _AT_ONCE]
            jpegs = self._thumbnails([self._sha256[row] for row in some])
            self._grey |= {row: alignment.grey(jpegs[self._sha256[row]]) for row in some}
        return np.stack([self._grey[row] for row in rows.tolist()])

    def relation(self, kept: int, member: int) -> tuple[str, float, str]:
        """kind, distance, unit of a member of a group to its kept image."""
        if self._sha256[kept] == self._sha256[member]:
            return "exact", 0.0, "bits"
        if self._pixels[kept] == self._pixels[member]:
            return "pixels", 0.0, "bits"
        match = self.match(kept, member)
        assert match is not None
        bits = int(np.bitwise_count(self._hash[kept] ^ (self._mirror if match.mirrored else self._hash)[member]))
        if bits <= RADIUS or self._unit is None:
            return "perceptual", float(bits), "bits"
        return "embedding", float(np.clip(1 - self._unit[kept] @ self._unit[member], 0, 2)), "cosine"

    def _equal(self, a: int, b: int) -> bool:
        return bool(self._sha256[a] == self._sha256[b] or self._pixels[a] == self._pixels[b])


def _components(edges: Rows, size: int) -> Rows:
    """Number of the connected set of each of `size` rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def connected(edges: Rows) -> list[list[int]]:
    """Connected sets of the rows that have an edge, in order of their first row."""
    rows, codes = np.unique(edges, return_inverse=True)
    component = _components(codes.reshape(edges.shape), len(rows))
    order = np.argsort(component, kind="stable")
    return [rows[part].tolist() for part in np.split(order, np.flatnonzero(np.diff(component[order])) + 1)]
