from __future__ import annotations

import numpy as np
import pytest

from hai_core import projection as module
from hai_core.projection import place, project, seconds
from hai_core.workspace import InputError


def groups(n=30, size=4, dim=64, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(size), n)
    return (rng.normal(size=(size, dim))[codes] * 4 + rng.normal(size=(n * size, dim))).astype(np.float32), codes


def purity(points, codes):
    """Share of images whose nearest neighbour has the same code."""
    distance = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    return (codes[distance.argmin(1)] == codes).mean()


@pytest.mark.parametrize("method", ["tsne", "umap", "pca"])
def test_groups_stay_together_and_a_seed_repeats(method):
    features, codes = groups()
    points = project(features, method, seed=3)
    assert points.shape == (120, 2)
    assert purity(np.random.default_rng(0).normal(size=(120, 2)), codes) < 0.5 < 0.95 < purity(points, codes)
    np.testing.assert_array_equal(points, project(features, method, seed=3))


@pytest.mark.parametrize("n", [0, 1, 2, 5, 7])
@pytest.mark.parametrize("method", ["tsne", "umap", "pca"])
def test_few_images(method, n):
    features = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    assert project(features, method).shape == (n, 2)


def test_the_map_does_not_depend_on_the_number_of_threads(monkeypatch):
    features, _ = groups()
    alone = project(features)
    monkeypatch.setattr(module, "THREADED", 0)
    monkeypatch.setattr(module, "cores", lambda: 2)
    np.testing.assert_array_equal(alone, project(features))
    assert not np.array_equal(alone, project(features, seed=1))


def test_images_that_are_all_the_same_have_a_place():
    assert np.isfinite(project(np.ones((30, 8), np.float32))).all()


def test_the_time_said_beforehand_is_round_and_grows_with_the_images():
    assert seconds("pca", 33_000) < 10 < seconds("tsne", 33_000) < 100
    assert [seconds(method, 5) for method in ("pca", "tsne", "umap")] == [1, 3, 20]
    assert [seconds("tsne", count) for count in (33_000, 100_000, 1_000_000)] == [35, 120, 2880]
    assert seconds("tsne", 330_000) > 10 * seconds("tsne", 33_000)


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match="mds"):
        project(np.zeros((9, 3), np.float32), "mds")


def test_new_images_are_placed_among_those_they_resemble():
    features, codes = groups()
    points = project(features, "pca")
    rng = np.random.default_rng(9)
    order = rng.permutation(len(features))
    old, new = order[:90], order[90:]
    placed = place(features[new], features[old], points[old])
    everything = np.concatenate([points[old], placed])
    assert purity(everything, codes[order]) > 0.95
    assert purity(np.concatenate([points[old], placed[::-1]]), codes[order]) < 0.9  # places of other images
