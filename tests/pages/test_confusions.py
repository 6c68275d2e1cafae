import json
from dataclasses import replace

import pandas as pd
import pytest

from hai_core import catalog, runs
from hai_core.decisions import Journal
from hai_core.records import Decision
from hai_core.runs import PREFIX


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


def as_cells(pair):
    return (pair[0],), (pair[1],)


def test_without_a_run_the_page_says_where_to_train_one(open_page):
    page = open_page("confusions")
    assert not page.exception
    assert "before a first run is trained" in words(page)


def test_the_page_opens_on_the_images_whose_label_is_least_probable(open_page, trained):
    page = open_page("confusions")
    assert not page.exception
    assert f"The {len(trained.oof)} images whose label is least probable" in words(page)
    assert page.segmented_control(key="confusions.order").value == "loss"


def test_an_image_relabelled_since_the_run_shows_its_label_now(open_page, trained, workspace):
    path, was = trained.oof[["path", "label"]].iloc[0]
    other = next(name for name in trained.classes if name != was)
    images = catalog.load(workspace)
    Journal(workspace).append([Decision("relabel", path=path, value=other)], images, author="t")
    sent = [json.loads(component.proto.json) for component in open_page("confusions").get("bidi_component")]
    [data] = [data for data in sent if data.get("mode") == "select"]
    captions = {tile["path"]: tile["caption"] for tile in data["tiles"]}
    assert captions[path].endswith(f"label is now {other}")
    assert sum("label is now" in caption for caption in captions.values()) == 1


def test_a_chosen_cell_shows_its_images_and_offers_to_merge_its_classes(open_page, trained, confused, workspace):
    label, predicted = confused
    page = open_page("confusions", **{"confusions.cells": as_cells(confused)})
    assert not page.exception
    labels, answers = labels_and_answers(trained)
    n = int(((labels == label) & (answers == predicted)).sum())
    assert f"· {n} image" in words(page)
    page.button(key=f"confusions.merge-{predicted}").click().run()
    assert [(d.action, d.label, d.value) for d in Journal(workspace).live()] == [("merge", label, predicted)]
    assert not page.exception


def test_closing_a_cell_goes_back_to_the_worst_images(open_page, trained, confused):
    page = open_page("confusions", **{"confusions.cells": as_cells(confused)})
    page.button(key="confusions.close").click().run()
    assert "least probable" in words(page)


def test_a_cell_of_another_run_is_not_shown(open_page, trained):
    assert "least probable" in words(open_page("confusions", **{"confusions.cells": (("gone",), ("gone too",))}))


def test_the_pairs_are_called_by_their_full_names(open_page, trained):
    [pairs, *_] = [table.value for table in open_page("confusions").dataframe if "class_a" in table.value]
    assert {*pairs["class_a"], *pairs["class_b"]} <= set(trained.classes)


def test_of_a_box_the_errors_are_shown_and_of_right_cells_what_is_in_them(open_page, trained):
    labels, answers = labels_and_answers(trained)
    everything = tuple(trained.classes), tuple(trained.classes)
    assert f"· {(labels != answers).sum()} image" in words(open_page("confusions", **{"confusions.cells": everything}))
    right = next(label for label, answer in zip(labels, answers, strict=True) if label == answer)
    n = int(((labels == right) & (answers == right)).sum())
    page = open_page("confusions", **{"confusions.cells": as_cells((right, right))})
    assert "predicted right" in words(page)
    assert f"· {n} image" in words(page)


def test_what_disagreement_needs_is_said_of_a_run_of_one_recipe(open_page, trained):
    page = open_page("confusions", **{"confusions.order": "disagreement"})
    assert "two or more recipes" in words(page)
    assert "least probable" in words(page)


def test_of_several_recipes_those_images_come_first_on_which_they_disagree(open_page, trained, more_runs):
    page = open_page("confusions", **{"confusions.run": str(more_runs("recipes=[[tiny],[tiny, other]]").path),
                                      "confusions.order": "disagreement"})
    assert not page.exception
    assert "on which the recipes disagree most" in words(page)


def test_two_runs_are_compared_cell_by_cell(open_page, trained, more_runs):
    other = more_runs("epochs=30", "seed=3")
    page = open_page("confusions", **{"confusions.run": str(other.path), "confusions.other": str(trained.path)})
    assert not page.exception
    assert f"On {len(trained.oof)} images that both runs trained on" in words(page)
    labels, before = labels_and_answers(trained)
    after = labels_and_answers(other)[1]
    offered = page.segmented_control(key="confusions.change").options
    assert offered == [f"All ({((before != labels) | (after != labels)).sum()})",
                       f"Newly broken ({((before == labels) & (after != labels)).sum()})",
                       f"Fixed ({((before != labels) & (after == labels)).sum()})",
                       f"Wrong in both ({((before != labels) & (after != labels)).sum()})"]
    [cells, *_] = [table.value for table in page.dataframe if "fixed" in table.value and "class_a" in table.value]
    assert cells["before"].sum() == (before != labels).sum()


def test_a_run_is_not_compared_with_itself(open_page, trained, more_runs):
    other = more_runs("seed=3")
    page = open_page("confusions", **{"confusions.run": str(other.path), "confusions.other": str(trained.path)})
    page.selectbox(key="confusions.run").set_value(str(trained.path)).run()
    assert not page.exception
    assert page.selectbox(key="confusions.other").value is None


def test_a_cell_of_two_runs_shows_all_that_is_in_it_in_either(open_page, trained, more_runs):
    other = more_runs("epochs=30", "seed=3")
    labels, before = labels_and_answers(trained)
    after = labels_and_answers(other)[1]
    label, predicted = next((x, y) for x, y, z in zip(labels, before, after, strict=True) if x not in (y, z))
    page = open_page("confusions", **{"confusions.run": str(other.path), "confusions.other": str(trained.path),
                                      "confusions.cells": as_cells((label, predicted))})
    assert not page.exception
    n = int(((labels == label) & ((before == predicted) | (after == predicted))).sum())
    assert page.segmented_control(key="confusions.change-in-cells").options[0] == f"All ({n})"
    assert f"· {n} image" in words(page)


def test_a_series_is_reported_and_its_errors_can_be_chosen(open_page, trained, workspace, more_runs):
    in_series = replace(trained.manifest, series={"K5_2019": "K5", "K5_2021": "K5"})
    run = runs.train(in_series, trained.config, images=workspace.images, runs=workspace.runs, command="test")
    page = open_page("confusions", **{"confusions.run": str(run.path), "confusions.table": "series"})
    assert not page.exception
    [table] = [shown.value for shown in page.dataframe if "class_accuracy" in shown.value]
    assert table.set_index("series").loc["K5", "classes"] == 2


def test_classes_that_one_of_two_manifests_merged_are_one_class_and_cannot_be_merged_again(open_page, trained, workspace):
    table = trained.manifest.table.assign(label=trained.manifest.table["label"].replace("K5_2021", "K5_2019"))
    merged = replace(trained.manifest, table=table, classes=[name for name in trained.classes if name != "K5_2021"],
                     mapping=trained.manifest.mapping | {"K5_2021": "K5_2019"})
    coarse = runs.train(merged, trained.config, images=workspace.images, runs=workspace.runs, command="test")
    joined, other = "K5_2019 + K5_2021", trained.classes[0]
    page = open_page("confusions", **{"confusions.run": str(trained.path), "confusions.other": str(coarse.path),
                                      "confusions.cells": as_cells((joined, other))})
    assert not page.exception
    assert f"On {len(trained.oof)} images" in words(page)
    assert "K5\\_2019 \\+ K5\\_2021" in words(page)
    assert not [button for button in page.button if button.key and button.key.startswith("confusions.merge")]
    [cells, *_] = [table.value for table in page.dataframe if "fixed" in table.value and "class_a" in table.value]
    assert "K5_2021" not in set(cells["class_a"]) | set(cells["class_b"])
