from __future__ import annotations

import numpy as np
import pytest

from hai_core.findings.merges import COLUMNS, merges


def world(n=40, k=6, dim=24, seed=0):
    """Classes of well separated features; c0 and c1 are one class dealt at random in two; calibrated-looking probabilities."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(k), n)
    kind = np.where(labels == 1, 0, labels)
    features = (rng.normal(size=(k, dim))[kind] * 2 + rng.normal(size=(len(labels), dim))).astype(np.float32)
    logits = rng.normal(size=(len(labels), k))
    logits[np.arange(len(labels)), kind] += 5
    logits[kind == 0, 1] += 5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities, features, labels, [f"c{i}" for i in range(k)]


def test_a_class_split_in_two_comes_first():
    table = merges(*world())
    assert list(table.columns) == COLUMNS
    assert table.loc[0, ["class_a", "class_b"]].tolist() == ["c0", "c1"]
    assert table["score"][0] > 0.8 > 0.4 > table["score"][1]
    assert (table.loc[0, ["confusion", "joint", "overlap"]] > 0.7).all()
    assert table["centroid_distance"][0] < table["centroid_distance"][1:].min()
    assert table["score"].is_monotonic_decreasing


def test_each_pair_stands_once_and_kept_apart_ones_not_at_all():
    table = merges(*world(), keep_apart=frozenset({frozenset({"c0", "c1"})}))
    pairs = [frozenset(pair) for pair in table[["class_a", "class_b"]].itertuples(index=False)]
    assert len(pairs) == len(set(pairs)) > 3
    assert frozenset({"c0", "c1"}) not in pairs


@pytest.mark.parametrize("sizes", [[1, 1], [1, 5, 0], [0, 3]])
def test_rare_and_empty_classes(sizes):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    probabilities = rng.dirichlet(np.ones(len(sizes)), len(labels))
    features = rng.normal(size=(len(labels), 4)).astype(np.float32)
    table = merges(probabilities, features, labels, [f"c{i}" for i in range(len(sizes))])
    assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
    assert ((table["score"] >= 0) & (table["score"] <= 1)).all()
