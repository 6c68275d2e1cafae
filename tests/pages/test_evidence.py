"""What speaks for and against a label: the classifier's answers, and the nearest images."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest

from hai_core.decisions import Journal
from hai_core.embeddings import SHARD_ROWS
from hai_core.records import Decision
from pages.ui import loaders
from pages.ui.evidence import Answer, answers, bars, neighbour_tiles


def row(classes, chances, now="A", suggested="B", label="A", own=0.01):
    return ({"now": now, "suggested_label": suggested, "label": label, "self_confidence": own}
            | {f"class_{i}": name for i, name in enumerate(classes, 1)} | {f"p_{i}": p for i, p in enumerate(chances, 1)})


def test_the_likeliest_classes_come_first_and_the_two_in_question_are_marked():
    assert answers(row(["B", "C", "A"], [0.6, 0.3, 0.1]), {}) == [
        Answer("B", 0.6, "suggested"), Answer("C", 0.3, ""), Answer("A", 0.1, "given")]


def test_a_given_label_that_is_not_among_the_likeliest_stands_at_the_end():
    assert answers(row(["B", "C"], [0.6, 0.3]), {})[-1] == Answer("A", 0.01, "given")


def test_nothing_is_said_of_a_label_that_was_given_later_or_when_there_is_none():
    assert [a.label for a in answers(row(["B", "C"], [0.6, 0.3], now="D"), {})] == ["B", "C"]
    assert [a.label for a in answers(row(["B", "C"], [0.6, 0.3], now="", label="", own=np.nan), {})] == ["B", "C"]


def test_classes_are_called_as_they_are_now_merged_ones_add_up_and_dropped_ones_go():
    mapping = {"A": "A", "B": "B", "B2": "B", "C": "", "old": "new"}
    assert answers(row(["B", "C", "B2", "old"], [0.4, 0.3, 0.2, 0.05]), mapping) == [
        Answer("B", pytest.approx(0.6), "suggested"), Answer("new", 0.05, ""), Answer("A", 0.01, "given")]


def test_fewer_than_five_classes_and_a_table_of_an_earlier_version():
    few = answers(row(["B", "A", np.nan, np.nan], [0.7, 0.3, 0, 0]), {})
    assert [a.label for a in few] == ["B", "A"]
    assert answers(row([], []), {}) == []


def test_names_are_text():
    html = bars([Answer("<img src=x onerror=alert(1)>", 0.5, "given")])
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert 'style="width:50.0%"' in html


def test_neighbours_say_which_label_they_have():
    found = pd.DataFrame({"path": list("wxyz"), "sha256": list("1234"), "similarity": 0.5})
    tiles = neighbour_tiles(found, np.array(["A", "B", "C", ""], object), "A", "B")
    assert tiles["caption"].tolist() == ["A", "B", "C", "no label"]
    assert tiles["tone"].tolist() == ["good", "warn", "", ""]
    assert tiles["badge"].tolist() == ["given", "suggested", "", ""]
    assert neighbour_tiles(found, np.array(["A", "B", "C", ""], object), "A", "")["tone"].tolist() == ["good", "", "", ""]


@pytest.fixture
def features(workspace, images, tmp_path):
    """Stored features, but of the last image: on a half circle, so that images are like those next to them in the catalog."""
    folder = tmp_path / "cache" / "embeddings" / "tf_efficientnet_lite0-center-1"
    folder.mkdir(parents=True)
    angle = np.linspace(0, np.pi, len(images)) ** 1.1
    shard = np.zeros((SHARD_ROWS, 2), np.float32)
    shard[:len(images)] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.save(folder / "00000.npy", shard)
    with closing(sqlite3.connect(folder / "index.sqlite")) as db, db:
        db.execute("CREATE TABLE rows (sha256 TEXT PRIMARY KEY, row INTEGER NOT NULL UNIQUE) WITHOUT ROWID")
        db.executemany("INSERT INTO rows VALUES (?, ?)", [(name, at) for at, name in enumerate(images["sha256"][:-1])])


def test_neighbours_come_nearest_first_without_the_image_and_excluded_ones(workspace, images, features):
    paths = images["path"].tolist()
    found = loaders.neighbours(workspace, paths[0], 3)
    assert found["path"].tolist() == paths[1:4]
    assert found["sha256"].tolist() == images["sha256"][1:4].tolist()
    assert found.index.tolist() == [1, 2, 3]
    assert found["similarity"].is_monotonic_decreasing
    Journal(workspace).append([Decision("exclude", path=paths[2])], images, author="t")
    assert loaders.neighbours(workspace, paths[0], 3)["path"].tolist() == [paths[1], paths[3], paths[4]]


def test_what_is_asked_for_soon_is_the_same_as_when_asked_for_alone(workspace, images, features):
    paths = images["path"].tolist()
    alone = [loaders.neighbours(workspace, path, 4) for path in paths[5:8]]
    loaders._nearest.clear()
    loaders.neighbours(workspace, paths[4], 4, soon=[*paths[5:8], paths[-1], "no such image"])
    for path, expected in zip(paths[5:8], alone, strict=True):
        pd.testing.assert_frame_equal(loaders.neighbours(workspace, path, 4), expected)


def test_an_image_without_features_or_unknown_has_no_neighbours(workspace, images, features):
    assert loaders.neighbours(workspace, images["path"].iloc[-1], 3).empty
    assert list(loaders.neighbours(workspace, "gone.jpg", 3).columns) == ["path", "sha256", "similarity"]


def test_without_stored_features_there_are_no_neighbours(workspace, images):
    assert loaders.neighbours(workspace, images["path"][0], 3).empty
