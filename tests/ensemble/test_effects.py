import numpy as np
import pytest

from hai_core.ensemble import combine
from hai_core.ensemble.combine import Plan
from hai_core.ensemble.effects import gain
from hai_core.ensemble.outcome import outcome
from hai_core.probabilities import log_loss

N, K = 500, 5
SERIES = np.array([0, 0, 1, 1, 2])


def recipes(noises, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, N)
    logits = np.stack([3 * np.eye(K)[labels] + noise * rng.normal(size=(N, K)) for noise in noises]).astype(np.float32)
    return logits, labels, rng.integers(0, 5, N).astype(np.int8)


def test_the_interval_agrees_with_a_slow_bootstrap_and_with_theory():
    rng = np.random.default_rng(0)
    without, having = rng.gamma(2, 1, N), rng.gamma(2, 0.9, N)
    found = gain(without, having)
    d = without - having
    means = [d[rng.integers(0, N, N)].mean() for _ in range(4000)]
    assert found["gain"] == pytest.approx(d.mean())
    assert (found["low"], found["high"]) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.02)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * d.std() / np.sqrt(N), rel=0.1)


def test_pairing_by_image_is_what_makes_the_interval_narrow():
    rng = np.random.default_rng(0)
    hard = rng.gamma(0.5, 4, N)
    paired = gain(hard + 0.1 + 0.01 * rng.normal(size=N), hard)
    apart = gain(rng.permutation(hard) + 0.1, hard)
    assert paired["low"] > 0.09
    assert apart["low"] < 0 < apart["high"]


def test_each_part_is_what_is_lost_without_it():
    logits, labels, folds = recipes([2, 2, 4])
    plan = Plan("inverse_log_loss")
    found = outcome(logits, labels, folds, ["a", "b", "c"], plans=[plan])
    rows = {(row["part"], row["name"]): row for row in found.effects}
    assert set(rows) == {("recipes", found.recipes[int(np.argmin([r["log_loss"] for r in found.recipes]))]["recipe"]),
                         ("recipe", "a"), ("recipe", "b"), ("recipe", "c"), ("temperature", "")}
    for i, name in enumerate("abc"):
        without = combine.cross_fitted(np.delete(logits, i, axis=0), labels, folds, plan)
        assert rows["recipe", name]["log_loss"] == pytest.approx(log_loss(without, labels))
        assert rows["recipe", name]["gain"] == pytest.approx(log_loss(without, labels) - found.metrics["log_loss"], abs=1e-6)
    assert rows["recipe", "a"]["low"] > 0.1
    assert rows["recipe", "a"]["gain"] > 2 * rows["recipe", "c"]["gain"]
    best = next(row for row in found.effects if row["part"] == "recipes")
    assert best["log_loss"] == pytest.approx(min(recipe["log_loss"] for recipe in found.recipes))
    assert best["low"] > 0
    assert all(row["low"] <= row["gain"] <= row["high"] for row in found.effects)


def test_views_groups_weights_and_hierarchy_have_rows_where_they_were_compared():
    logits, labels, folds = recipes([2, 2])
    logits = logits[[0, 0, 0, 1]]  # each should count by what it alone knows
    noisy = logits + np.random.default_rng(1).normal(size=logits.shape).astype(np.float32)
    some = combine.plans("best", "groups", "best", 4, SERIES)
    found = outcome(logits, labels, folds, list("abcd"), plans=some, series=SERIES, one_view=noisy)
    rows = {row["part"]: row for row in found.effects if row["part"] != "recipe"}
    assert set(rows) == {"recipes", "views", "temperature", "groups", "weights", "hierarchy"}
    assert rows["views"]["low"] > 0
    assert found.metrics["log_loss_one_view"] == rows["views"]["log_loss"]
    losses = {(row["weights"], row["hierarchy"]): row["log_loss"] for row in found.plans}
    assert rows["weights"]["used"]
    assert rows["weights"]["log_loss"] == losses["uniform", found.plan.hierarchy]
    flat, series = losses[found.plan.weights, "none"], losses[found.plan.weights, "series"]
    assert rows["hierarchy"]["gain"] == pytest.approx(flat - series)
    assert rows["hierarchy"]["used"] == (series < flat)
    assert sum(row["chosen"] for row in found.plans) == 1
    assert min(found.plans, key=lambda row: row["log_loss"])["chosen"]
    assert all(row["gain"] >= 0 for row in found.plans)  # of the chosen over this one
    assert next(row["gain"] for row in found.plans if row["chosen"]) == 0
