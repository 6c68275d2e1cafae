import tracemalloc

import numpy as np
import pytest

from hai_core import neighbors


def planted_hashes(rng, count):
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    for copy in range(0, count - 1, 7):
        flips = rng.choice(64, rng.integers(0, 16), replace=False)
        hashes[copy + 1] = hashes[copy] ^ np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0))
    return hashes


def by_hand(a, b, radius, within):
    return [(i, j, bin(int(x) ^ int(y)).count("1")) for i, x in enumerate(a) for j, y in enumerate(b)
            if bin(int(x) ^ int(y)).count("1") <= radius and (i < j or not within)]


@pytest.fixture(params=[neighbors.FEW, 0], ids=["all distances", "index"], autouse=True)
def way(request, monkeypatch):
    monkeypatch.setattr(neighbors, "FEW", request.param)
    return request.param


@pytest.mark.parametrize("tile", [(512, 8192), (7, 11), (64, 5)])
def test_hamming_pairs_are_all_those_within_the_radius(monkeypatch, tile):
    monkeypatch.setattr(neighbors, "_TILE", tile)
    hashes = planted_hashes(np.random.default_rng(0), 90)
    pairs = list(zip(*(part.tolist() for part in neighbors.hamming_pairs(hashes, 10)), strict=True))
    assert pairs == by_hand(hashes, hashes, 10, within=True)
    assert 3 < len(pairs) < 30


def test_hamming_pairs_between_two_sets():
    rng = np.random.default_rng(1)
    a, b = planted_hashes(rng, 40), planted_hashes(rng, 50)
    b[9], b[30] = a[3], a[3] ^ np.uint64(0b111)
    pairs = list(zip(*(part.tolist() for part in neighbors.hamming_pairs(a, 5, b)), strict=True))
    assert pairs == by_hand(a, b, 5, within=False)
    assert (3, 9, 0) in pairs
    assert (3, 30, 3) in pairs


@pytest.mark.parametrize("radius", [0, 3, 4, 8, 11, 17])
def test_the_index_finds_what_all_distances_do(monkeypatch, radius):
    hashes = planted_hashes(np.random.default_rng(3), 3000)
    hashes[100:400] = hashes[7]  # more pairs than there is room for at first
    found = []
    for few in (10**9, 0):
        monkeypatch.setattr(neighbors, "FEW", few)
        found.append(np.stack(neighbors.hamming_pairs(hashes, radius)))
    np.testing.assert_array_equal(*found)
    assert len(found[0][0]) > 300 * 299 / 2


def test_no_hashes_have_no_pairs():
    none = np.zeros(0, np.uint64)
    assert [len(part) for part in neighbors.hamming_pairs(none, 10)] == [0, 0, 0]
    assert [len(part) for part in neighbors.hamming_pairs(none, 10, np.zeros(3, np.uint64))] == [0, 0, 0]


def test_memory_does_not_grow_with_the_square():
    hashes = np.random.default_rng(2).integers(0, 2**64, 12_000, dtype=np.uint64)
    tracemalloc.start()
    neighbors.hamming_pairs(hashes, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6 < 12_000**2


@pytest.mark.parametrize("block", [3, 1024])
def test_cosine_neighbors_equal_brute_force(block):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 8)).astype(np.float32) * rng.uniform(0.1, 9, (50, 1)).astype(np.float32)
    indices, similarity = neighbors.cosine_neighbors(x, 4, block=block)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    every = unit @ unit.T
    np.fill_diagonal(every, -9)
    expected = np.argsort(-every, axis=1)[:, :4]
    assert (indices == expected).all()
    np.testing.assert_allclose(similarity, np.take_along_axis(every, expected, 1), atol=1e-6)


def test_queries_find_themselves_and_k_is_cut():
    x = np.random.default_rng(4).normal(size=(5, 3)).astype(np.float32)
    indices, similarity = neighbors.cosine_neighbors(x, 9, queries=x[2:4])
    assert indices.shape == similarity.shape == (2, 5)
    assert indices[:, 0].tolist() == [2, 3]
    assert neighbors.cosine_neighbors(x, 9)[0].shape == (5, 4)
    assert neighbors.cosine_neighbors(x[:1], 9)[0].shape == (1, 0)


def test_a_row_of_zeros_is_similar_to_nothing():
    x = np.array([[0, 0], [1, 0], [1, 0.1]], np.float32)
    similarity = neighbors.cosine_neighbors(x, 2)[1]
    assert similarity[0].tolist() == [0, 0]
    assert np.isfinite(similarity).all()
