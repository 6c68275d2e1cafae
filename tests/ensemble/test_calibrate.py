import numpy as np
import pytest
from scipy.optimize import minimize

from hai_core.ensemble.calibrate import ece, ece_by_chance, reliability, sharpened, sharpness
from hai_core.probabilities import log_loss, softmax


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


@pytest.mark.parametrize("n", [300, 4000])
def test_error_by_chance_is_that_of_labels_drawn_from_the_probabilities(n):
    probabilities, _ = answers(n=n)
    rng = np.random.default_rng(1)
    drawn = [ece(probabilities, (rng.random((n, 1)) > probabilities.cumsum(1)).sum(1)) for _ in range(300)]
    assert ece_by_chance(probabilities) == pytest.approx(np.mean(drawn), rel=0.05)
    assert ece_by_chance(np.eye(3)) == 0


def test_bins_count_every_image_once_edges_included():
    probabilities = np.array([[1.0, 0.0], [0.5, 0.5], [0.6, 0.4], [0.6, 0.4]])
    table = reliability(probabilities, np.array([0, 0, 0, 1]), bins=10)
    assert table["images"].tolist() == [0, 0, 0, 0, 1, 2, 0, 0, 0, 1]
    assert table["accuracy"].tolist()[4:6] == [1.0, 0.5]
    assert table["confidence"].isna().sum() == 7
    assert ece(probabilities, np.array([0, 0, 0, 1]), 10) == pytest.approx((0.5 + 2 * 0.1 + 0) / 4)


GROUPS = np.array([0, 0, 1, 1, 2])


def slow_sharpened(probabilities, factors):
    out = np.array([[(len(row) * p) ** a for p, a in zip(row, factors, strict=True)] for row in probabilities])
    return out / out.sum(1, keepdims=True)


def unevenly_sure(n=4000):
    """Probabilities that are too sure of group 0 and not sure enough of group 1."""
    right, labels = answers(1.0, n)
    return slow_sharpened(right, [1.8, 1.8, 0.6, 0.6, 1.0]), labels


def test_sharpening_agrees_with_a_slow_one():
    probabilities, _ = answers(n=50)
    assert np.allclose(sharpened(probabilities, [2, 2, 0.5, 0.5, 1]), slow_sharpened(probabilities, [2, 2, 0.5, 0.5, 1]))
    assert np.allclose(sharpened(probabilities, np.ones(5)), probabilities)


@pytest.mark.parametrize("prior", [1e-9, 100.0])
def test_factors_agree_with_a_general_optimiser(prior):
    probabilities, labels = unevenly_sure(400)

    def loss(a):
        return log_loss(slow_sharpened(probabilities, a[GROUPS]), labels) + prior / 800 * ((a - 1) ** 2).sum()

    expected = minimize(loss, np.ones(3), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 2000}).x
    found = sharpness(probabilities, labels, GROUPS, prior)
    assert found == pytest.approx(expected[GROUPS], abs=1e-3)
    assert loss(found[[0, 2, 4]]) <= loss(expected) + 1e-8


def test_factors_put_right_what_one_temperature_cannot_and_leave_what_is_right():
    probabilities, labels = unevenly_sure()
    factors = sharpness(probabilities[:2000], labels[:2000], GROUPS)
    assert factors[0] < 0.75 < 1.3 < factors[2]
    one = min(log_loss(softmax(np.log(probabilities[2000:]), t), labels[2000:]) for t in np.geomspace(0.3, 3, 60))
    assert log_loss(sharpened(probabilities[2000:], factors), labels[2000:]) < one - 0.02
    right, labels = answers(1.0)
    assert sharpness(right, labels, GROUPS) == pytest.approx(np.ones(5), abs=0.08)


def test_few_images_leave_the_common_temperature():
    probabilities, labels = unevenly_sure()
    off = [np.abs(sharpness(probabilities[:n], labels[:n], GROUPS) - 1).max() for n in (20, 4000)]
    assert off[0] < 0.2 < off[1]
