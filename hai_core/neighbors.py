"""Nearest neighbours in Hamming and in cosine space, block by block: memory never grows with N x N."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from hai_core.workers import cores

FEW = 10**9  # pairs of hashes up to which comparing all is faster than loading the compiler
_TILE = 512, 8192  # hashes: a tile of distances stays in the processor's cache

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]


def hamming_pairs(a: Hashes, radius: int, b: Hashes | None = None) -> tuple[Rows, Rows, npt.NDArray[np.uint8]]:
    """All pairs of 64-bit hashes that differ in at most `radius` bits: (i, j, distance), each of shape (pairs,).

    Pairs i < j within `a` (N,), or every i of `a` with every j of `b` (M,). Sorted by i, then j. Exact: up to some 30,000
    hashes all distances are computed, beyond that an index finds the pairs (`hamming.Index`; benchmarks/hamming times both).
    """
    others = a if b is None else b
    search = _all_distances if len(a) * len(others) <= FEW else _indexed
    found = search(a, others, radius, b is None)
    i, j = found[np.lexsort((found[:, 1], found[:, 0]))].T
    return i, j, np.bitwise_count(a[i] ^ others[j]) if len(i) else np.zeros(0, np.uint8)


def _all_distances(a: Hashes, b: Hashes, radius: int, within: bool) -> Rows:
    found = [np.zeros((0, 2), np.int64)]
    for top in range(0, len(a), _TILE[0]):
        rows = a[top:top + _TILE[0], None]
        for left in range(top if within else 0, len(b), _TILE[1]):
            i, j = np.nonzero(np.bitwise_count(rows ^ b[None, left:left + _TILE[1]]) <= radius)
            pairs = np.stack([i + top, j + left], axis=1)
            found.append(pairs[pairs[:, 0] < pairs[:, 1]] if within else pairs)
    return np.concatenate(found)


def _indexed(a: Hashes, b: Hashes, radius: int, within: bool) -> Rows:
    from hai_core.hamming import Index

    index = Index(b, radius)
    starts = range(0, len(a), 1 << 15)
    with ThreadPoolExecutor(cores()) as pool:
        return np.concatenate(list(pool.map(lambda start: index.near(a[start:start + (1 << 15)], start, within), starts)))


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
