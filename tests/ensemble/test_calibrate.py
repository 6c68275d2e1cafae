import numpy as np
import pytest

from hai_core.ensemble.calibrate import ece, reliability
from hai_core.probabilities import softmax


def answers(t=1.0, n=4000, k=5, seed=0):
    """Probabilities at temperature t of logits whose labels were drawn at temperature 1."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, k))
    labels = np.array([rng.choice(k, p=row) for row in softmax(logits)])
    return softmax(logits, t), labels


def slow_ece(probabilities, labels, bins):
    total = 0.0
    for b in range(bins):
        inside = [i for i, row in enumerate(probabilities) if b / bins < max(row) <= (b + 1) / bins]
        if inside:
            right = np.mean([np.argmax(probabilities[i]) == labels[i] for i in inside])
            sure = np.mean([max(probabilities[i]) for i in inside])
            total += len(inside) * abs(right - sure)
    return total / len(labels)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_agrees_with_a_slow_one(bins):
    probabilities, labels = answers(0.5)
    assert ece(probabilities, labels, bins) == pytest.approx(slow_ece(probabilities, labels, bins), abs=1e-12)


def test_calibrated_probabilities_have_a_small_error_and_others_a_large_one():
    assert ece(*answers(1.0)) < 0.03
    assert ece(*answers(0.3)) > 0.1
    assert ece(*answers(3.0)) > 0.1


def test_bins_count_every_image_once_edges_included():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.6, 0.4], [0.6, 0.4]])
    table = reliability(probabilities, np.array([0, 0, 0, 1]), bins=10)
    assert table["images"].tolist() == [0, 0, 0, 0, 1, 2, 0, 0, 0, 1]
    assert table["accuracy"].tolist()[4:6] == [1.0, 0.5]
    assert table["confidence"].isna().sum() == 7
    assert ece(probabilities, np.array([0, 0, 0, 1]), 10) == pytest.approx((0.5 + 2 * 0.1 + 0) / 4)
