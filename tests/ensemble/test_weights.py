import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from hai_core.ensemble.weights import PRIOR, inverse_loss_weights, optimised
from hai_core.probabilities import log_loss, softmax, temperature

K = 4


def recipes(noises, n=400, seed=0, shared=0.0):
    """Logits (R, N, K) that see the truth through noise of their own, and through a `shared` one; labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, n)
    truth = 3 * np.eye(K)[labels] + shared * rng.normal(size=(n, K))
    return np.stack([truth + noise * rng.normal(size=(n, K)) for noise in noises]).astype(np.float32), labels


def slow_loss(b, logits, labels, prior=PRIOR):
    total = 0.0
    for n, label in enumerate(labels):
        pooled = sum(weight * z[n].astype(float) for weight, z in zip(b, logits, strict=True))
        total += np.log(np.exp(pooled - pooled[label]).sum())
    return total / len(labels) + prior / (2 * len(labels)) * ((b - np.mean(b)) ** 2).sum()


@pytest.mark.parametrize("prior", [0.0, 30.0, 300.0])
@pytest.mark.parametrize("noises", [[2, 4], [2, 2.5, 5]])
def test_optimised_exponents_agree_with_a_slow_optimiser(noises, prior):
    logits, labels = recipes(noises, 150, shared=1.0)
    found = optimised(logits, labels, prior=prior)
    expected = minimize(slow_loss, np.full(len(noises), 0.5), (logits, labels, prior), "Nelder-Mead",
                        options={"xatol": 1e-6, "fatol": 1e-10, "maxiter": 400})
    assert found == pytest.approx(expected.x, abs=1e-3)
    assert slow_loss(found, logits, labels, prior) <= expected.fun + 1e-9


def test_no_other_exponents_are_better_and_none_is_negative():
    logits, labels = recipes([2, 3, 3])
    logits[2] *= -1  # wrong wherever it can be
    found = optimised(logits, labels, prior=0.0)
    assert found.min() == found[2] == 0
    rng = np.random.default_rng(1)
    best = slow_loss(found, logits, labels, 0.0)
    others = [slow_loss(np.maximum(found + 0.1 * rng.normal(size=3), 0), logits, labels, 0.0) for _ in range(100)]
    assert min(others) > best


def test_of_two_classes_it_is_logistic_regression_without_an_offset():
    """Exponents and temperature by scikit-learn: p(1) = sigmoid(sum_r b_r (z_r1 - z_r0))."""
    logits, labels = recipes([2, 3, 3])
    pair = np.isin(labels, [0, 1])
    logits, labels = logits[:, pair, :2], labels[pair]
    differences = (logits[:, :, 1] - logits[:, :, 0]).T
    official = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(differences, labels).coef_[0]
    assert official.min() > 0
    assert optimised(logits, labels, prior=0.0) == pytest.approx(official, rel=1e-3)
    alone = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(differences[:, :1], labels).coef_[0, 0]
    assert temperature(logits[0], labels) == pytest.approx(1 / alone, rel=1e-3)


def test_of_one_recipe_it_is_the_temperature():
    logits, labels = recipes([3])
    assert 1 / optimised(logits, labels)[0] == pytest.approx(temperature(logits[0], labels), rel=1e-3)


def test_temperatures_only_change_the_unit():
    logits, labels = recipes([2, 4])
    scaled = logits * np.array([2, 7], np.float32)[:, None, None]
    assert optimised(scaled, labels, [2, 7]) == pytest.approx(optimised(logits, labels), abs=1e-4)


def test_independent_recipes_add_up_and_copies_share():
    logits, labels = recipes([2, 2, 2], 3000)
    alone = optimised(logits[:1], labels)[0]
    assert optimised(logits, labels) == pytest.approx(np.full(3, alone), rel=0.1)  # evidence of each counts in full
    assert optimised(np.concatenate([logits[:1]] * 2), labels) == pytest.approx(np.full(2, alone / 2), rel=1e-3)


def test_it_beats_the_weighted_mean_of_probabilities_on_images_it_has_not_seen():
    logits, labels = recipes([2, 2.5, 6], 2000)
    seen, new = slice(0, 1000), slice(1000, None)
    b = optimised(logits[:, seen], labels[seen])
    pooled = log_loss(softmax(np.tensordot(b, logits[:, new], 1)), labels[new])
    mean = np.log(np.mean([softmax(z, temperature(z[seen], labels[seen])) for z in logits], axis=0))
    assert pooled < 0.95 * log_loss(softmax(mean[new], temperature(mean[seen], labels[seen])), labels[new])


def test_the_prior_draws_towards_equal_exponents_and_fades_with_many_images():
    logits, labels = recipes([1.5, 4])
    apart = [np.ptp(optimised(logits, labels, prior=prior)) for prior in (0.0, 100.0, 1e6)]
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 0.001
    few = np.ptp(optimised(logits[:, :30], labels[:30]))
    many = np.ptp(optimised(np.tile(logits[:, :30], (1, 50, 1)), np.tile(labels[:30], 50)))
    assert few < 0.9 * many


def test_weights_are_inverse_to_the_loss():
    assert inverse_loss_weights([1.0, 2.0, 4.0]) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert inverse_loss_weights([0.0, 1.0])[0] == pytest.approx(1)
