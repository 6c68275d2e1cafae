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


def slowly(probabilities, features, labels, a, b):
    """The evidence beside the score, image by image."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    mean = {c: np.mean([x for x, label in zip(unit, labels, strict=True) if label == c], axis=0) for c in (a, b)}
    centre = {c: m / np.linalg.norm(m) for c, m in mean.items()}
    spread = {c: np.mean([1 - x @ centre[c] for x, label in zip(unit, labels, strict=True) if label == c]) for c in (a, b)}
    taken = {(c, d): sum(label == c and max(range(len(row)), key=row.__getitem__) == d
                         for row, label in zip(probabilities.tolist(), labels, strict=True)) for c, d in ((a, b), (b, a))}
    distance = 1 - centre[a] @ centre[b]
    return taken, distance, spread, distance / np.mean([spread[a], spread[b]])


def test_the_evidence_is_that_of_a_slow_reference_both_ways():
    probabilities, features, labels, classes = world(n=12, k=4)
    labels[:3] = 2  # sizes differ, and so do the two directions
    table = merges(probabilities, features, labels, classes).set_index(["class_a", "class_b"])
    for (name_a, name_b), row in table.iterrows():
        a, b = classes.index(name_a), classes.index(name_b)
        taken, distance, spread, ratio = slowly(probabilities, features, labels, a, b)
        assert (row["images_a"], row["images_b"]) == (np.sum(labels == a), np.sum(labels == b))
        assert (row["taken_ab"], row["taken_ba"]) == (taken[a, b], taken[b, a])
        assert row["confusion_ab"] == pytest.approx(taken[a, b] / np.sum(labels == a))
        assert row["centroid_distance"] == pytest.approx(distance, abs=1e-5)
        assert (row["spread_a"], row["spread_b"]) == pytest.approx((spread[a], spread[b]), abs=1e-5)
        assert row["spread_ratio"] == pytest.approx(ratio, rel=1e-3)
    assert table["taken_ab"].max() > 0
    assert (table["taken_ab"] != table["taken_ba"]).any()
    assert table["spread_ratio"].idxmin() == ("c0", "c1")
    assert table.loc[("c0", "c1"), "spread_ratio"] < 1 < table["spread_ratio"].drop(("c0", "c1")).min()


def test_names_are_evidence_beside_the_score_and_no_part_of_it():
    probabilities, features, labels, _ = world()
    alike = merges(probabilities, features, labels, ["RAV4_5세대", "라브4_5세대", "K5", "K7", "a", "b"])
    other = merges(probabilities, features, labels, ["RAV4_5세대", "쏘나타", "K5", "K7", "a", "b"])
    assert alike["name_similarity"][0] == 1 > 0.5 > other["name_similarity"][0]
    assert alike["score"][0] == other["score"][0]
