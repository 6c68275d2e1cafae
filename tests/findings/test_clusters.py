from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from hai_core.findings import clusters as module
from hai_core.findings.clusters import cluster
from hai_core.workspace import InputError


def groups(sizes, dim=32, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (rng.normal(size=(len(sizes), dim))[codes] * 5 + rng.normal(size=(len(codes), dim))).astype(np.float32), codes


def test_groups_are_found_and_numbered_by_size():
    features, codes = groups([30, 80, 50])
    found = cluster(features, count=3)
    assert adjusted_rand_score(np.random.default_rng(0).permutation(codes), found) < 0.1
    assert adjusted_rand_score(codes, found) == 1.0
    assert np.bincount(found).tolist() == [80, 50, 30]


@pytest.mark.parametrize("cut", [{"count": 12}, {"distance": 5.0}])
def test_mini_clusters_give_the_same_answer_by_count_and_by_distance(monkeypatch, cut):
    features, _ = groups([100, 80, 60, 50, 40, 40, 30, 30, 20, 20, 15, 15])
    full = cluster(features, **cut)
    assert 10 <= full.max() + 1 <= 14
    monkeypatch.setattr(module, "FULL", 100)
    monkeypatch.setattr(module, "MINI", 60)
    assert adjusted_rand_score(full, cluster(features, **cut)) > 0.99


def test_mini_clusters_survive_copies_of_one_image_and_give_more_clusters_than_there_are(monkeypatch):
    monkeypatch.setattr(module, "FULL", 50)
    monkeypatch.setattr(module, "MINI", 20)
    features = np.repeat(groups([5, 5])[0], 20, axis=0)  # the ten nearest of each are copies of it: a graph in pieces
    assert adjusted_rand_score(np.repeat(np.arange(10), 20), cluster(features, count=10)) == 1.0
    assert len(set(cluster(groups([60, 60])[0], count=80).tolist())) == 80


def test_a_larger_distance_gives_fewer_clusters():
    features, _ = groups([40, 40, 40])
    fine, coarse = (len(set(cluster(features, distance=d).tolist())) for d in (0.5, 50.0))
    assert coarse == 1 < fine


@pytest.mark.parametrize("choice", [{}, {"count": 3, "distance": 1.0}, {"count": 0}, {"count": 1000}, {"distance": 0.0}])
def test_impossible_choices_are_refused(choice):
    with pytest.raises(InputError, match=r"--clusters|--distance"):
        cluster(groups([5, 5])[0], **choice)


def test_one_image_and_none():
    assert cluster(np.ones((1, 4), np.float32), count=1).tolist() == [0]
    assert cluster(np.ones((0, 4), np.float32), count=1).tolist() == []
