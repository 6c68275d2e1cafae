import json

import numpy as np
import pytest

from hai_core.ensemble import combine
from hai_core.ensemble.combine import Combination, Plan, plans
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
    combination = Combination((1.3, 5.0), (0.7, 0.3), 0.8, "linear")
    assert np.allclose(combination(logits), slow_mixture(logits, combination), atol=1e-12)
    logarithmic = Combination((1.3, 5.0), (0.7, 0.3), 0.8)
    product = (softmax(logits[0], 1.3) ** 0.7 * softmax(logits[1], 5.0) ** 0.3) ** (1 / 0.8)
    assert np.allclose(logarithmic(logits), product / product.sum(1, keepdims=True), atol=1e-12)


def test_recipes_that_know_less_than_nothing_are_weighed_evenly():
    logits, labels, _ = recipes([1, 1], [-1, -1])
    fitted = combine.fit(logits, labels, Plan("optimised"))
    assert fitted.weights == (0.5, 0.5)
    assert log_loss(fitted(logits), labels) < np.log(K) + 0.01


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
    assert found.reliability["images"].sum() == found.reliability["images_before"].sum() == N


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
    _, even = member_weights(logits, labels, folds, fitted, "uniform")
    assert even == pytest.approx(np.repeat(np.array(fitted.weights)[:, None] / 5, 5, axis=1))


SERIES = np.array([0, 0, 1, 1, 2])
ALL = [Plan(way, calibration, level) for level in ("none", "series") for calibration in ("temperature", "groups")
       for way in ("uniform", "inverse_log_loss", "optimised")]


def test_plans_that_share_their_parts_are_fitted_as_each_alone():
    logits, labels, _ = recipes([2, 3], [1, 4])
    together = dict(combine.fits(logits, labels, ALL, SERIES))
    assert set(together) == set(ALL)
    for plan in ALL:
        assert together[plan] == combine.fit(logits, labels, plan, SERIES)
    assert len({combination(logits).tobytes() for combination in together.values()}) == len(ALL)  # each does something


def test_a_combination_comes_back_from_the_results_as_it_was():
    logits, labels, _ = recipes([2, 3], [1, 4])
    for plan in ALL:
        fitted = combine.fit(logits, labels, plan, SERIES)
        table = [{"weight": w, "temperature": t} for w, t in zip(fitted.weights, fitted.temperatures, strict=True)]
        assert combine.of_results(json.loads(json.dumps({"recipes": table, **fitted.fields()}))) == fitted
    old = {"recipes": [{"weight": 0.4, "temperature": 1.5}, {"weight": 0.6, "temperature": 2.0}], "temperature": 0.9}
    assert combine.of_results(old) == Combination((1.5, 2.0), (0.4, 0.6), 0.9, "linear")


def copies():
    """Three recipes that are the same and one that is not: each should count by what it alone knows."""
    logits, labels, folds = recipes([2, 2], [1, 4])
    return logits[[0, 0, 0, 1]], labels, folds


def slow_comparison(logits, labels, folds, some):
    """Losses (P, N) and the nested answers, written as the definition says."""
    losses, answers = np.zeros((len(some), N)), np.zeros((N, K))
    for f in range(5):
        here, rest = folds == f, folds != f
        inner = []
        for p, plan in enumerate(some):
            fitted = combine.fit(logits[:, rest], labels[rest], plan, SERIES)
            losses[p, here] = one_by_one(fitted(logits[:, here]), labels[here])
            inner.append(sum(one_by_one(
                combine.fit(logits[:, rest & (folds != g)], labels[rest & (folds != g)], plan, SERIES)(logits[:, folds == g]),
                labels[folds == g]).sum() for g in range(5) if g != f))
        best = some[int(np.argmin(inner))]
        answers[here] = combine.fit(logits[:, rest], labels[rest], best, SERIES)(logits[:, here])
    return losses, answers


def one_by_one(probabilities, labels):
    return np.array([-np.log(row[label]) for row, label in zip(probabilities, labels, strict=True)])


def test_plans_are_compared_as_nested_cross_validation_says():
    logits, labels, folds = copies()
    some = [Plan("uniform"), Plan("optimised"), Plan("inverse_log_loss", "groups"), Plan("uniform", "temperature", "series")]
    compared = combine.compare(logits, labels, folds, some, SERIES)
    losses, answers = slow_comparison(logits, labels, folds, some)
    assert np.allclose(compared.losses, losses)
    assert np.allclose(compared.answers, answers)
    assert compared.plan == some[int(losses.mean(1).argmin())] == Plan("optimised")
    assert losses[0].mean() > losses[1].mean() + 0.01


def test_a_choice_never_uses_the_images_that_it_answers_for():
    logits, labels, folds = copies()
    some = [Plan("uniform"), Plan("optimised")]
    compared = combine.compare(logits, labels, folds, some)
    here = folds == 2
    wrong = np.where(here, (labels + 1) % K, labels)
    other = combine.compare(logits, wrong, folds, some)
    assert np.array_equal(other.answers[here], compared.answers[here])
    assert not np.allclose(other.answers[~here], compared.answers[~here])


def test_of_many_images_some_are_enough_to_choose_by(monkeypatch):
    logits, labels, folds = copies()
    some = [Plan("uniform"), Plan("optimised")]
    whole = combine.compare(logits, labels, folds, some)
    monkeypatch.setattr(combine, "ENOUGH", 60)
    sizes = []
    monkeypatch.setattr(combine, "fits", lambda logits, *rest, fits=combine.fits: sizes.append(logits.shape[1]) or fits(
        logits, *rest))
    thinned = combine.compare(logits, labels, folds, some)
    assert sorted(sizes)[9] <= 60 < sorted(sizes)[10]  # ten pairs of parts, then five fits that answer
    assert np.array_equal(thinned.losses, whole.losses)
    assert np.array_equal(thinned.answers, whole.answers)  # chosen alike here


def test_two_folds_choose_too():
    logits, labels, folds = copies()
    compared = combine.compare(logits, labels, folds % 2, [Plan("uniform"), Plan("optimised")])
    assert compared.plan == Plan("optimised")
    expected = combine.cross_fitted(logits, labels, folds % 2, Plan("optimised"))
    assert np.allclose(compared.answers, expected)


def test_many_folds_are_gathered_whole():
    logits, labels, _ = recipes([2, 2], [1, 5])
    folds = np.random.default_rng(1).integers(0, 12, N).astype(np.int8)
    answers = combine.cross_fitted(logits, labels, folds)
    assert np.array_equal(answers, combine.cross_fitted(logits, labels, folds % 5))
    rest = ~np.isin(folds, [2, 7])
    assert np.allclose(answers[folds == 7], combine.fit(logits[:, rest], labels[rest])(logits[:, folds == 7]))


def test_best_lets_all_ways_compete_and_what_cannot_differ_is_not_tried_twice():
    some = np.array([0, 0, 1])
    assert plans("best", "temperature", "none", 2, some) == (Plan("uniform"), Plan("inverse_log_loss"), Plan("optimised"))
    assert plans("optimised", "groups", "none", 2, some) == (Plan("optimised", "groups"),)
    assert plans("best", "temperature", "best", 1, some) == (Plan("uniform"), Plan("uniform", "temperature", "series"))
    assert len(plans("best", "temperature", "best", 2, some)) == 6
    assert plans("best", "temperature", "best", 1, np.arange(3)) == (Plan("uniform"),)
    assert plans("inverse_log_loss", "temperature", "series", 1, some) == (Plan("inverse_log_loss", "temperature", "series"),)
