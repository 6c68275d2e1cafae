from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from hai_core.findings.class_tree import class_tree, classes, groups


def directions(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_classes_are_the_means_of_their_images_in_name_order():
    features = directions(0, 90, 10, 20)
    found = classes(features, np.array(["b", "a", "b", ""], dtype=object))
    assert found.names == ["a", "b"]
    assert found.images.tolist() == [1, 2]
    assert found.means == pytest.approx(np.stack([features[1], features[[0, 2]].mean(axis=0)]))


def test_no_images_are_no_classes():
    found = classes(np.empty((0, 3), np.float32), [])
    assert found.names == []
    assert len(class_tree(found.means)) == 0


def test_merges_are_at_the_average_cosine_distance_whatever_the_lengths():
    means = directions(0, 10, 60) * np.array([[1], [5], [0.1]], np.float32)
    tree = class_tree(means)
    assert tree[0, :2].tolist() == [0, 1]
    assert tree[0, 2] == pytest.approx(cosine(means[0], means[1]), abs=1e-6)
    assert tree[1, 2] == pytest.approx((cosine(means[0], means[2]) + cosine(means[1], means[2])) / 2, abs=1e-6)


def test_groups_follow_the_distance_and_the_order_of_the_tree():
    tree = class_tree(directions(0, 90, 5, 95, 180))
    near = groups(tree, 0.01)
    assert near[0] == near[2] != near[1] == near[3]
    assert len(set(near)) == 3
    assert len(set(groups(tree, 0.0))) == 5
    assert set(groups(tree, 2.0)) == {0}


@pytest.mark.parametrize("count", [0, 1])
def test_one_class_and_none_have_no_merges(count):
    assert class_tree(directions(*[0] * count).reshape(count, 2)).shape == (0, 4)
