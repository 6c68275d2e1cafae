import numpy as np
import pytest

from hai_core.ensemble.hierarchy import Hierarchy, fit, numbered
from hai_core.probabilities import log_loss, softmax

SERIES = np.array([1, 0, 0, 2, 0, 2])


def answers(series_scale, class_scale, n=3000, seed=0):
    """Probabilities that are wrong about the series by one temperature and about the class within it by another; labels."""
    rng = np.random.default_rng(seed)
    top, inner = 2 * rng.normal(size=(n, 3)), 1.5 * rng.normal(size=(n, 6))
    true, given = product(top, inner), product(top * series_scale, inner * class_scale)
    return given, np.array([rng.choice(6, p=row) for row in true])


def product(top, inner):
    """p(series) p(class | series), one image at a time."""
    out = np.zeros_like(inner)
    for n in range(len(inner)):
        of_series = np.exp(top[n]) / np.exp(top[n]).sum()
        for s in range(3):
            here = s == SERIES
            out[n, here] = of_series[s] * np.exp(inner[n, here]) / np.exp(inner[n, here]).sum()
    return out


def slow(p, a, b):
    """Both factors to the power of 1 / their temperature, one image at a time."""
    out = np.zeros_like(p)
    for n, row in enumerate(p):
        sums = np.array([row[s == SERIES].sum() for s in range(3)])
        top = sums ** (1 / a) / (sums ** (1 / a)).sum()
        for s in range(3):
            here = s == SERIES
            within = (row[here] / sums[s]) ** (1 / b)
            out[n, here] = top[s] * within / within.sum()
    return out


def test_the_product_agrees_with_a_slow_one():
    p, _ = answers(1, 1, n=50)
    found = Hierarchy(tuple(SERIES), 0.7, 2.5, (0.0, 1.0))(p)
    assert np.allclose(found, slow(p, 0.7, 2.5), atol=1e-12)
    pooled = Hierarchy(tuple(SERIES), 0.7, 2.5, (0.7, 0.4))(p)
    expected = p ** 0.7 * slow(p, 0.7, 2.5) ** 0.4
    assert np.allclose(pooled, expected / expected.sum(1, keepdims=True), atol=1e-12)


def test_temperatures_of_one_change_nothing_and_no_probability_is_lost_at_zero():
    p, _ = answers(1, 1, n=50)
    p[0] = [1, 0, 0, 0, 0, 0]
    assert np.allclose(Hierarchy(tuple(SERIES), 1.0, 1.0, (0.4, 0.6))(p), p, atol=1e-12)
    odd = Hierarchy(tuple(SERIES), 0.05, 20.0, (0.0, 1.0))(p)
    assert np.isfinite(odd).all()
    assert odd.sum(1) == pytest.approx(np.ones(50))


@pytest.mark.parametrize(("series_scale", "class_scale"), [(1, 3), (0.5, 2), (2, 0.5)])
def test_the_temperatures_are_those_of_a_grid_and_undo_what_was_done(series_scale, class_scale):
    p, labels = answers(series_scale, class_scale)
    found = fit(p, labels, SERIES)
    assert found.series_temperature == pytest.approx(series_scale, rel=0.15)
    assert found.class_temperature == pytest.approx(class_scale, rel=0.15)
    grid = np.geomspace(0.3, 4, 60)
    p, labels = p[:300], labels[:300]
    few = fit(p, labels, SERIES)
    by_series = [log_loss(slow(p, a, few.class_temperature), labels) for a in grid]
    by_class = [log_loss(slow(p, few.series_temperature, b), labels) for b in grid]
    assert few.series_temperature == pytest.approx(grid[np.argmin(by_series)], rel=0.05)
    assert few.class_temperature == pytest.approx(grid[np.argmin(by_class)], rel=0.05)


def test_it_helps_where_one_temperature_cannot_and_hardly_changes_what_is_right():
    p, labels = answers(0.5, 2.5)
    train, test = np.arange(1500), np.arange(1500, 3000)
    found = fit(p[train], labels[train], SERIES)
    one = min(log_loss(softmax(np.log(p[test]), t), labels[test]) for t in np.geomspace(0.3, 3, 40))
    assert log_loss(found(p[test]), labels[test]) < 0.97 * one
    assert found.exponents[1] > found.exponents[0] + 0.5
    right, labels = answers(1, 1)
    found = fit(right[train], labels[train], SERIES)
    assert abs(log_loss(found(right[test]), labels[test]) - log_loss(right[test], labels[test])) < 0.005


def test_classes_alone_in_their_series_have_no_temperature_within():
    p, labels = answers(1, 1, n=200)
    found = fit(p, labels, np.arange(6))
    assert found.class_temperature == 1.0
    assert np.allclose(found.product(p), softmax(np.log(p), found.series_temperature))


def test_series_are_numbered_and_a_class_without_one_is_its_own():
    numbers = numbered(["K5_2019", "K5_2021", "=Ray", "싼타페", "K5"], {"K5_2019": "K5", "K5_2021": "K5", "=Ray": ""})
    assert numbers[0] == numbers[1] == numbers[4]
    assert len(np.unique(numbers)) == 3
    assert sorted(set(numbers.tolist())) == [0, 1, 2]
