import gc
import math
import weakref

import numpy as np
import pytest

from hai_core.probabilities import log_loss, losses, softmax, temperature


def problem(scale, n=400, k=6, seed=0):
    """Logits whose true temperature is `scale`: labels are drawn from softmax(logits / scale)."""
    rng = np.random.default_rng(seed)
    calm = 2 * rng.normal(size=(n, k))
    labels = np.array([rng.choice(k, p=row) for row in np.exp(calm) / np.exp(calm).sum(1, keepdims=True)])
    return calm * scale, labels


def slow_loss(logits, labels, t):
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        exponentials = [math.exp(value / t - max(row) / t) for value in row]
        total -= math.log(exponentials[label] / sum(exponentials))
    return total / len(labels)


@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_the_temperature_is_the_best_of_a_fine_grid(scale):
    logits, labels = problem(scale)
    found = temperature(logits, labels)
    grid = np.geomspace(0.1, 20, 400)
    best = min(grid, key=lambda t: log_loss(softmax(logits, t), labels))
    assert found == pytest.approx(best, rel=0.02)
    assert found == pytest.approx(scale, rel=0.2)
    assert slow_loss(logits, labels, found) <= slow_loss(logits, labels, best) + 1e-6


def test_log_loss_agrees_with_a_slow_one():
    logits, labels = problem(3.0)
    assert log_loss(softmax(logits, 2.0), labels) == pytest.approx(slow_loss(logits, labels, 2.0), rel=1e-12)


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e5, -1e5], [-1e5, 1e5]], np.float32)
    assert np.allclose(softmax(logits), np.eye(2))
    assert temperature(logits, np.array([0, 1])) == 1  # all right, and nothing to gain
    assert temperature(logits, np.array([1, 0])) == pytest.approx(50, rel=0.01)


def test_probabilities_of_zero_cost_34_5_nats():
    assert losses(np.array([[1.0, 0.0]]), np.array([1]))[0] == pytest.approx(-math.log(1e-15))
    assert losses(np.array([[1.0, 0.0]]), np.array([0]))[0] == 0


def test_rows_sum_to_one_in_double_precision():
    answers = softmax(np.random.default_rng(0).normal(size=(50, 400)).astype(np.float32) * 30)
    assert answers.dtype == np.float64
    assert np.abs(answers.sum(1) - 1).max() < 1e-12


def test_the_fit_of_a_temperature_keeps_no_logits_alive():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 5))
    gc.disable()
    try:
        temperature(logits, rng.integers(0, 5, 200))
        left = weakref.ref(logits)
        del logits
        assert left() is None
    finally:
        gc.enable()
