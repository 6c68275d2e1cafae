"""Nearest neighbours in Hamming and in cosine space, block by block: memory never grows with N x N."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_TILE = 512, 8192  # hashes: a tile of distances stays in the processor's cache


def hamming_pairs(a: npt.NDArray[np.uint64], radius: int, b: npt.NDArray[np.uint64] | None = None
                  ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """All pairs of 64-bit hashes that differ in at most `radius` bits: (i, j, distance), each of shape (pairs,).

    Pairs i < j within `a` (N,), or every i of `a` with every j of `b` (M,). Sorted by i, then j. Exact: all distances are
    computed, N x M / 2e9 seconds on one core.
    """
    others = a if b is None else b
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]] = []
    for top in range(0, len(a), _TILE[0]):
        rows = a[top:top + _TILE[0], None]
        for left in range(top if b is None else 0, len(others), _TILE[1]):
            distance = np.bitwise_count(rows ^ others[None, left:left + _TILE[1]])
            i, j = np.nonzero(distance <= radius)
            upper = i + top < j + left if b is None else np.ones(len(i), bool)
            i, j = i[upper], j[upper]
            found.append((i + top, j + left, distance[i, j]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
    i, j, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((j, i))
    return i[order], j[order], distance[order]


def cosine_neighbors(x: npt.NDArray[np.float32], k: int, *, queries: npt.NDArray[np.float32] | None = None,
                     block: int = 1024) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The k most similar rows of `x` (N, D): indices and cosine similarities, both (Q, k), most similar first.

    Of every row of `x` itself (never its own neighbour), or of `queries` (Q, D). `k` is cut to the number of rows there are.
    Exact; holds block x N similarities at a time. A row of zeros has similarity 0 to everything.
    """
    import torch

    base = torch.from_numpy(normalize(x))
    asked = base if queries is None else torch.from_numpy(normalize(queries))
    k = min(k, len(base) - (queries is None))
    if k <= 0 or not len(asked):
        return np.zeros((len(asked), 0), np.int64), np.zeros((len(asked), 0), np.float32)
    indices, similarities = [], []
    for start in range(0, len(asked), block):
        similarity = asked[start:start + block] @ base.T
        if queries is None:
            rows = torch.arange(len(similarity))
            similarity[rows, rows + start] = -2.0
        top = similarity.topk(k, dim=1)
        indices.append(top.indices.numpy())
        similarities.append(top.values.numpy())
    return np.concatenate(indices), np.concatenate(similarities)


def normalize(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Rows of `x` (N, D) at length 1; rows of zeros stay."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float32] = (x / np.where(length > 0, length, 1)).astype(np.float32, copy=False)
    return scaled
