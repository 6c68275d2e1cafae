import numpy as np
import pytest

from hai_core.ensemble import combine
from hai_core.ensemble.combine import Combination, inverse_loss_weights
from hai_core.ensemble.outcome import member_weights, outcome
from hai_core.probabilities import log_loss, softmax

N, K = 600, 5


def recipes(noises, scales, seed=0):
    """Logits (R, N, K) that see the truth through noise, at scales of their own; labels; folds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, N)
    truth = 3 * np.eye(K)[labels]
    logits = np.stack([scale * (truth + noise * rng.normal(size=(N, K))) for noise, scale in zip(noises, scales, strict=True)])
    return logits.astype(np.float32), labels, rng.integers(0, 5, N).astype(np.int8)


def slow_mixture(logits, combination):
    out = []
    for n in range(logits.shape[1]):
        mixed = np.zeros(K)
        for r, (t, w) in enumerate(zip(combination.temperatures, combination.weights, strict=True)):
            e = np.exp((logits[r, n].astype(float) - logits[r, n].max()) / t)
            mixed += w * e / e.sum()
        sharp = mixed ** (1 / combination.temperature)
        out.append(sharp / sharp.sum())
    return np.array(out)


def test_mixing_agrees_with_a_slow_one():
    logits, _, _ = recipes([1, 2], [1, 4])
    combination = Combination((1.3, 5.0), (0.7, 0.3), 0.8)
    assert np.allclose(combination(logits), slow_mixture(logits, combination), atol=1e-12)


def test_weights_are_inverse_to_the_loss():
    assert inverse_loss_weights([1.0, 2.0, 4.0]) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert inverse_loss_weights([0.0, 1.0])[0] == pytest.approx(1)


def test_recipes_at_different_scales_are_brought_to_one_first():
    logits, labels, _ = recipes([1.5, 1.5], [1, 30])
    fitted = combine.fit(logits, labels)
    assert fitted.temperatures[1] / fitted.temperatures[0] == pytest.approx(30, rel=0.2)
    assert fitted.weights == pytest.approx((0.5, 0.5), abs=0.05)
    naive = Combination((1.0, 1.0), (0.5, 0.5), 1.0)
    assert log_loss(fitted(logits), labels) < 0.9 * log_loss(naive(logits), labels)


def test_two_recipes_beat_each_alone_and_the_better_one_weighs_more():
    logits, labels, _ = recipes([1.6, 2.4], [1, 1])
    both = combine.fit(logits, labels)
    alone = [combine.fit(logits[i:i + 1], labels) for i in range(2)]
    losses = [log_loss(one(logits[i:i + 1]), labels) for i, one in enumerate(alone)]
    assert log_loss(both(logits), labels) < min(losses)
    assert both.weights[0] > both.weights[1]
    assert both.temperature < 1  # averaging makes unsure


def test_one_recipe_needs_no_second_temperature():
    logits, labels, _ = recipes([2], [3])
    fitted = combine.fit(logits, labels)
    assert (fitted.weights, fitted.temperature) == ((1.0,), 1.0)
    assert np.allclose(fitted(logits), softmax(logits[0], fitted.temperatures[0]))


def test_cross_fitting_never_uses_the_images_it_answers_for():
    logits, labels, folds = recipes([2, 2], [1, 5])
    answers = combine.cross_fitted(logits, labels, folds)
    here = folds == 2
    expected = combine.fit(logits[:, ~here], labels[~here])(logits[:, here])
    assert np.allclose(answers[here], expected)
    wrong = labels.copy()
    wrong[here] = (wrong[here] + 1) % K
    assert np.allclose(combine.cross_fitted(logits, wrong, folds)[here], expected)
    assert not np.allclose(combine.cross_fitted(logits, wrong, folds)[~here], answers[~here])


def test_the_outcome_tells_honest_figures_and_in_sample_ones_apart():
    logits, labels, folds = recipes([2, 3], [4, 1])
    found = outcome(logits, labels, folds, ["a", "b"])
    assert found.metrics["log_loss"] == pytest.approx(log_loss(combine.cross_fitted(logits, labels, folds), labels), rel=1e-5)
    assert found.metrics["log_loss_in_sample"] == pytest.approx(log_loss(combine.fit(logits, labels)(logits), labels))
    assert found.metrics["log_loss_in_sample"] <= found.metrics["log_loss"]
    assert found.metrics["ece"] < found.metrics["ece_before"]
    assert found.metrics["n"] == N
    assert [recipe["recipe"] for recipe in found.recipes] == ["a", "b"]
    assert found.recipes[0]["log_loss"] < found.recipes[1]["log_loss"]
    assert found.metrics["log_loss"] < found.recipes[0]["log_loss"]
    assert found.reliability["images"].sum() == N


def test_member_weights_are_dealt_within_their_recipe():
    logits, labels, folds = recipes([2, 3], [1, 1])
    fitted = combine.fit(logits, labels)
    losses, weights = member_weights(logits, labels, folds, fitted)
    assert losses.shape == weights.shape == (2, 5)
    assert weights.sum(1) == pytest.approx(fitted.weights)
    for r in range(2):
        for k in range(5):
            here = folds == k
            assert losses[r, k] == pytest.approx(log_loss(softmax(logits[r, here], fitted.temperatures[r]), labels[here]))
            assert weights[r, k] * losses[r, k] == pytest.approx(weights[r, 0] * losses[r, 0])
