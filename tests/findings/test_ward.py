from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score

from hai_core.findings.ward import merges


def clouds(sizes, dim=50):
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (rng.normal(size=(len(sizes), dim))[codes] * 5 + rng.normal(size=(len(codes), dim))).astype(np.float32)


def test_the_hierarchy_is_that_of_scipy():
    points = clouds([50, 40, 60])
    wanted = linkage(points, "ward")
    pairs, heights = merges(points, np.ones(len(points)))
    np.testing.assert_allclose(heights, wanted[:, 2], rtol=1e-5)
    for count in (2, 7, 50):
        forest = coo_array((np.ones(150 - count), pairs[:150 - count].T), shape=(150, 150))
        assert adjusted_rand_score(fcluster(wanted, count, "maxclust"), connected_components(forest)[1]) == 1.0


def test_a_point_of_weight_three_merges_as_three_equal_points_do():
    points = clouds([20, 20])
    weights = np.random.default_rng(1).integers(1, 4, len(points))
    heights = merges(points, weights.astype(float))[1]
    repeated = linkage(np.repeat(points, weights, axis=0), "ward")[:, 2]
    np.testing.assert_allclose(heights, repeated[-len(heights):], rtol=1e-5)
    assert not np.allclose(heights, merges(points, np.ones(len(points)))[1], rtol=0.1)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_points_have_one_merge_less(n):
    pairs, heights = merges(np.eye(4, dtype=np.float32)[:n], np.ones(n))
    assert pairs.shape == (max(n - 1, 0), 2)
    assert len(heights) == len(pairs)
    assert n < 2 or heights[0] == pytest.approx(np.sqrt(2))
