import numpy as np
import pandas as pd
import pytest

from hai_core.decisions import Journal
from hai_core.runs import PREFIX
from pages.ui.answers import Answers


def words(page):
    kinds = (page.markdown, page.caption, page.success, page.info, page.error)
    return " ".join(element.value for kind in kinds for element in kind)


def labels_and_answers(run):
    answers = run.oof[[PREFIX + name for name in run.classes]].to_numpy().argmax(1)
    return run.oof["label"], pd.Series(run.classes).iloc[answers].to_numpy()


@pytest.fixture
def confused(trained):
    """(label, predicted) of some image of the run that was predicted wrong."""
    labels, answers = labels_and_answers(trained)
    wrong = labels[labels != answers].index[0]
    return labels[wrong], answers[wrong]


def test_without_a_run_the_page_says_where_to_train_one(open_page):
    page = open_page("confusions")
    assert not page.exception
    assert "before a first run is trained" in words(page)


def test_the_page_opens_on_the_images_whose_label_is_least_probable(open_page, trained):
    page = open_page("confusions")
    assert not page.exception
    assert f"The {len(trained.oof)} images whose label is least probable" in words(page)
    assert len(page.get("plotly_chart")) == 1


def test_a_chosen_cell_shows_its_images_and_offers_to_merge_its_classes(open_page, trained, confused, workspace):
    label, predicted = confused
    page = open_page("confusions", **{"confusions.cell": confused})
    assert not page.exception
    labels, answers = labels_and_answers(trained)
    n = int(((labels == label) & (answers == predicted)).sum())
    assert f"· {n} image" in words(page)
    page.button(key=f"confusions.merge-{predicted}").click().run()
    assert [(d.action, d.label, d.value) for d in Journal(workspace).live()] == [("merge", label, predicted)]
    assert not page.exception


def test_closing_a_cell_goes_back_to_the_worst_images(open_page, trained, confused):
    page = open_page("confusions", **{"confusions.cell": confused})
    page.button(key="confusions.close").click().run()
    assert "least probable" in words(page)


def test_a_cell_of_another_run_is_not_shown(open_page, trained):
    assert "least probable" in words(open_page("confusions", **{"confusions.cell": ("gone", "gone too")}))


@pytest.fixture
def four():
    probabilities = np.array([[.9, .1, 0], [.2, .8, 0], [.4, .6, 0], [0, .3, .7]], np.float32)
    return Answers("r", ["a", "b", "c"], {"a": "s", "b": "s"}, np.array(["1", "2", "3", "4"], object), np.array([0, 0, 0, 1]),
                   probabilities)


def test_images_of_a_cell_come_with_both_probabilities_the_least_probable_label_first(four):
    about = four.about(four.rows(["a"], ["b"]))
    assert about.round(2).to_dict("records") == [
        {"path": "2", "label": "a", "predicted": "b", "p_label": np.float32(.2), "p_predicted": np.float32(.8)},
        {"path": "3", "label": "a", "predicted": "b", "p_label": np.float32(.4), "p_predicted": np.float32(.6)}]
    assert list(four.rows(["a", "b"], ["b", "c"])) == [1, 3, 2]


def test_counts_and_worst_images(four):
    assert four.counts.tolist() == [[1, 2, 0], [0, 0, 1], [0, 0, 0]]
    assert list(four.worst(2)) == [1, 3]
    assert four.pairs.iloc[0][["class_a", "class_b", "count"]].tolist() == ["a", "b", 2]
    assert set(four.by_series["series"]) == {"s", "c"}


def test_the_pairs_are_called_by_their_full_names(open_page, trained):
    [pairs, *_] = [table.value for table in open_page("confusions").dataframe if "class_a" in table.value]
    assert {*pairs["class_a"], *pairs["class_b"]} <= set(trained.classes)
