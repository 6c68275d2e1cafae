import numpy as np
import pytest

from hai_core.answers import Answers
from hai_core.probabilities import losses


@pytest.fixture
def four():
    probabilities = np.array([[.9, .1, 0], [.2, .8, 0], [.4, .6, 0], [0, .3, .7]], np.float32)
    return Answers("r", ["a", "b", "c"], {"a": "s", "b": "s"}, np.array(["1", "2", "3", "4"], object), np.array([0, 0, 0, 1]),
                   probabilities)


def test_images_of_a_cell_come_with_both_probabilities_the_least_probable_label_first(four):
    about = four.about(four.rows(["a"], ["b"]))
    assert about.drop(columns="loss").round(2).to_dict("records") == [
        {"path": "2", "label": "a", "predicted": "b", "p_label": np.float32(.2), "p_predicted": np.float32(.8)},
        {"path": "3", "label": "a", "predicted": "b", "p_label": np.float32(.4), "p_predicted": np.float32(.6)}]
    assert about["loss"].tolist() == losses(four.probabilities, four.labels)[[1, 2]].tolist()
    assert list(four.rows(["a", "b"], ["b", "c"])) == [1, 3, 2]


def test_counts_and_the_images_that_cost_most(four):
    assert four.counts.tolist() == [[1, 2, 0], [0, 0, 1], [0, 0, 0]]
    assert list(four.worst()) == [1, 3, 2, 0]
    assert list(four.worst(np.array([0, 2]))) == [2, 0]
    assert four.pairs.iloc[0][["class_a", "class_b", "count"]].tolist() == ["a", "b", 2]
    assert set(four.by_series["series"]) == {"s", "c"}


def test_disagreement_is_told_where_it_is_known(four):
    assert "disagreement" not in four.about(np.array([1]))
    known = Answers(four.run, four.classes, four.series, four.paths, four.labels, four.probabilities, np.array([0, .5, .25, 1]))
    assert known.about(np.array([1, 3]))["disagreement"].tolist() == [.5, 1]
