"""Near pairs among a million hashes: the inner loop of `neighbors.hamming_pairs`, compiled. Importing it takes a second."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

PARTS, BITS = 4, 16
_MASK = np.uint64(2**BITS - 1)
_START = 1 << 14  # pairs that there is room for at first

Hashes = npt.NDArray[np.uint64]


class Index:
    """Hashes (M,) by each of their four 16-bit parts, for all within `radius` of a query.

    By the pigeonhole principle two hashes within `radius` bits agree in some part up to `radius // 4` bits (multi-index
    hashing: Norouzi, Punjani, Fleet, CVPR 2012), so that only the few hashes in such buckets are compared. Exact.
    """

    def __init__(self, hashes: Hashes, radius: int) -> None:
        self.radius, self._limit = radius, radius // PARTS
        flips = [chosen for count in range(min(self._limit, BITS) + 1) for chosen in combinations(range(BITS), count)]
        self._flips = np.array([sum(1 << bit for bit in chosen) for chosen in flips], np.uint64)
        self._parts = [self._buckets(hashes, np.uint64(BITS * part)) for part in range(PARTS)]

    @staticmethod
    def _buckets(hashes: Hashes, shift: np.uint64) -> tuple[npt.NDArray[np.int64], Hashes, npt.NDArray[np.int64]]:
        key = (hashes >> shift) & _MASK
        order = np.argsort(key, kind="stable")
        return order, hashes[order], np.searchsorted(key[order], np.arange(2**BITS + 1)).astype(np.int64)

    def near(self, queries: Hashes, first: int, within: bool) -> npt.NDArray[np.int64]:
        """Pairs (P, 2): number of the query, from `first` on, and of the hash; with `within`, only hashes after the query."""
        found = [np.empty((0, 2), np.int64)]
        for part, (order, sorted_, start) in enumerate(self._parts):
            room = _START
            while True:
                out = np.empty((room, 2), np.int64)
                count = _probe(queries, first, order, sorted_, start, part, self._flips, self._limit, self.radius, within, out)
                if count <= room:
                    break
                room = count
            found.append(out[:count])
        return np.concatenate(found)


def _compiled(function: Any) -> Any:
    return numba.njit(nogil=True)(function)


@_compiled
def _ones(x: Any) -> Any:
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@_compiled
def _probe(queries: Any, first: Any, order: Any, sorted_: Any, start: Any, part: Any, flips: Any, limit: Any, radius: Any,
           within: Any, out: Any) -> Any:
    """Fill `out` with the pairs that this part finds and no earlier part; return how many there are, also beyond its end."""
    mask, count = np.uint64(0xFFFF), 0
    for flip in flips:
        for row in range(len(queries)):
            key = ((queries[row] >> np.uint64(16 * part)) & mask) ^ flip
            for at in range(start[key], start[key + np.uint64(1)]):
                differing = queries[row] ^ sorted_[at]
                if _ones(differing) > radius or (within and order[at] <= first + row):
                    continue
                known = False
                for earlier in range(part):
                    known = known or _ones((differing >> np.uint64(16 * earlier)) & mask) <= limit
                if not known:
                    if count < len(out):
                        out[count, 0], out[count, 1] = first + row, order[at]
                    count += 1
    return count
