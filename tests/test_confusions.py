import itertools

import numpy as np
import pandas as pd
import pytest

from hai_core import confusions
from hai_core.probabilities import losses

CLASSES = ["가", "b", "c", "d,\"", "e"]
SERIES = {"가": "S", "b": "S", "c": "T"}


def answers(n=300, seed=0):
    """Class b is often taken for c; e has no image."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    probabilities = rng.dirichlet(np.full(5, 0.5), n) + np.eye(5)[labels]
    probabilities[labels == 1, 2] += 0.9
    return labels, probabilities / probabilities.sum(1, keepdims=True)


def test_pairs_agree_with_counting_one_by_one():
    labels, probabilities = answers()
    found = confusions.pairs(labels, probabilities, CLASSES).set_index(["class_a", "class_b"])
    predicted = probabilities.argmax(1)
    for a, b in itertools.permutations(range(5), 2):
        count = sum(1 for x, y in zip(labels, predicted, strict=True) if (x, y) == (a, b))
        back = sum(1 for x, y in zip(labels, predicted, strict=True) if (x, y) == (b, a))
        if count == 0:
            assert (CLASSES[a], CLASSES[b]) not in found.index
            continue
        row = found.loc[(CLASSES[a], CLASSES[b])]
        assert row["count"] == count
        assert row["both"] == count + back
        assert row["rate"] == pytest.approx(count / (labels == a).sum())
        assert row["mass"] == pytest.approx(probabilities[labels == a, b].mean())


def test_the_planted_confusion_comes_first():
    found = confusions.pairs(*answers(), CLASSES)
    assert found[["class_a", "class_b"]].iloc[0].tolist() == ["b", "c"]
    assert found["count"].is_monotonic_decreasing


def test_perfect_answers_have_no_pairs():
    assert confusions.pairs(np.arange(5), np.eye(5), CLASSES).empty


def test_per_class_agrees_with_counting():
    labels, probabilities = answers()
    found = confusions.per_class(labels, probabilities, CLASSES, SERIES).set_index("class")
    predicted, cost = probabilities.argmax(1), losses(probabilities, labels)
    for number, name in enumerate(CLASSES[:4]):
        row = found.loc[name]
        assert row["images"] == (labels == number).sum()
        assert row["recall"] == pytest.approx((predicted[labels == number] == number).mean())
        assert row["precision"] == pytest.approx((labels[predicted == number] == number).mean())
        assert row["loss"] == pytest.approx(cost[labels == number].mean())
        assert row["series"] == SERIES.get(name, "")
    assert found.loc["b", "taken_for"] == "c"
    assert found.loc["e", "images"] == 0
    assert np.isnan(found.loc["e", "recall"])
    assert found.index[0] == "b"
    assert found.index[-1] == "e"


def test_per_series_adds_up_the_probability_of_its_classes():
    labels, probabilities = answers()
    found = confusions.per_series(labels, probabilities, CLASSES, SERIES).set_index("series")
    assert set(found.index) == {"S", "T", "d,\"", "e"}
    inside = np.isin(labels, [0, 1])
    s = probabilities[:, :2].sum(1)
    summed = np.stack([s, probabilities[:, 2], probabilities[:, 3], probabilities[:, 4]], 1)
    assert found.loc["S", "images"] == inside.sum()
    assert found.loc["S", "classes"] == 2
    assert found.loc["S", "recall"] == pytest.approx((summed[inside].argmax(1) == 0).mean())
    assert found.loc["S", "loss"] == pytest.approx(-np.log(s[inside]).mean())
    predicted = probabilities.argmax(1)
    same = inside & np.isin(predicted, [0, 1])
    assert found.loc["S", "class_accuracy"] == pytest.approx((predicted[same] == labels[same]).mean())


def test_the_matrix_counts_labels_by_row():
    labels, probabilities = answers()
    found = confusions.matrix(labels, probabilities.argmax(1), 5)
    reference = pd.crosstab(labels, probabilities.argmax(1)).reindex(index=range(5), columns=range(5), fill_value=0)
    assert (found == reference.to_numpy()).all()


def test_leaf_order_puts_confused_classes_side_by_side():
    rng = np.random.default_rng(0)
    size, block = 60, 3
    counts = np.diag(rng.integers(20, 40, size)) + rng.integers(0, 2, (size, size))
    team = rng.permutation(np.repeat(np.arange(size // block), block))
    counts[team[:, None] == team[None, :]] += 10
    order = confusions.leaf_order(counts)
    assert sorted(order) == list(range(size))
    neighbours = (team[order][1:] == team[order][:-1]).mean()
    assert neighbours > 0.6
    assert (team[1:] == team[:-1]).mean() < 0.2


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_leaf_order_of_few_classes(size):
    assert sorted(confusions.leaf_order(np.ones((size, size), int))) == list(range(size))


def test_beyond_the_limit_the_least_confused_classes_are_added_up():
    counts = np.diag(np.full(6, 50))
    for a, b, n in ((0, 5, 30), (1, 2, 3), (2, 0, 1), (3, 4, 2)):
        counts[a, b] = n
    found = confusions.arranged(counts, 2)
    assert sorted(found.shown) == [0, 5]
    assert found.rest.tolist() == [1, 2, 3, 4]
    at = found.shown.tolist().index(0)
    assert found.counts[2].tolist() == [1 if i == at else 0 for i in range(2)] + [4 * 50 + 3 + 2]
    assert found.counts.sum() == counts.sum()
    whole = confusions.arranged(counts, 6)
    assert whole.rest.size == 0
    assert (whole.counts == counts[np.ix_(whole.shown, whole.shown)]).all()
    assert abs(whole.shown.tolist().index(0) - whole.shown.tolist().index(5)) == 1


def test_disagreement_agrees_with_the_divergence_written_out():
    rng = np.random.default_rng(0)
    recipes = rng.dirichlet(np.full(4, 0.4), (3, 20))
    recipes[0, 0] = [1, 0, 0, 0]
    found = confusions.disagreement(recipes)
    for i in range(20):
        mean = recipes[:, i].mean(0)
        divergence = np.mean([sum(p * np.log(p / m) for p, m in zip(one, mean, strict=True) if p > 0) for one in recipes[:, i]])
        assert found[i] == pytest.approx(divergence / np.log(3))


def test_disagreement_is_nothing_when_all_agree_and_one_when_each_is_sure_of_its_own_class():
    sure = np.eye(3)[:, None, :]
    assert confusions.disagreement(sure) == pytest.approx([1])
    assert confusions.disagreement([sure[0], sure[0]]) == pytest.approx([0])
