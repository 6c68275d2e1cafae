"""What is left to review, worked out from findings and decisions."""

from __future__ import annotations

import pandas as pd
import pytest

from hai_core.anchors import anchor
from hai_core.decisions import fold
from hai_core.records import Decision
from pages.ui import review


@pytest.fixture
def table():
    rows = [("A/1.jpg", "A"), ("A/2.jpg", "A"), ("A/3.jpg", "A"), ("B/1.jpg", "B"), ("B/2.jpg", "B"), ("C/1.jpg", "C")]
    return pd.DataFrame([{"path": path, "label": label, "sha256": path * 2, "status": "ok"} for path, label in rows])


@pytest.fixture
def copies():
    """Group 0: three copies in A; group 1: one in A and B."""
    rows = [(0, "A/1.jpg", "exact", 0.0, "bits", True, False), (0, "A/2.jpg", "exact", 0.0, "bits", False, False),
            (0, "A/3.jpg", "perceptual", 16.0, "bits", False, False),
            (1, "B/1.jpg", "embedding", 0.0, "cosine", True, True), (1, "C/1.jpg", "embedding", 0.1, "cosine", False, True)]
    return pd.DataFrame(rows, columns=["group", "path", "kind", "distance", "unit", "keep", "cross_class"]).assign(reason="")


def curated(table, *decisions):
    """The fold of decisions bound to the images' content, as the journal keeps them."""
    return fold(table, anchor(decisions, table))


def groups(copies, table, *decisions):
    curation = curated(table, *decisions)
    return review.duplicate_groups(review.duplicate_images(copies, table, curation), curation.not_duplicates)


def test_groups_across_classes_come_first_and_are_as_strong_as_their_weakest_copy(copies, table):
    found = groups(copies, table)
    assert list(found["group"]) == [1, 0]
    assert list(found["strength"]) == [pytest.approx(0.9), 0.75]
    assert found["open"].all()


def test_a_group_is_done_when_one_image_is_left(copies, table):
    once = [Decision("exclude", path="A/2.jpg")]
    assert groups(copies, table, *once).set_index("group")["open"].to_dict() == {0: True, 1: True}
    twice = [*once, Decision("exclude", path="A/3.jpg")]
    assert groups(copies, table, *twice).set_index("group")["open"].to_dict() == {0: False, 1: True}
    assert groups(copies, table, *twice, Decision("restore", path="A/3.jpg")).set_index("group")["open"][0]


def test_a_group_is_done_when_all_that_is_left_is_known_to_differ(copies, table):
    decisions = review.no_duplicates(["A/1.jpg", "A/2.jpg", "A/3.jpg"])
    assert not groups(copies, table, *decisions).set_index("group")["open"][0]
    assert groups(copies, table, *decisions[:2]).set_index("group")["open"][0]


def test_keeping_some_excludes_the_others_and_tells_the_kept_apart():
    decisions = review.keep_some(["a", "b"], ["c"])
    assert [(d.action, d.path, d.other) for d in decisions] == [("exclude", "c", ""), ("not_duplicates", "a", "b")]


def test_an_excluded_image_that_is_kept_comes_back_and_no_other_is_excluded_again():
    decisions = review.keep_some(["a"], ["b", "c"], {"a", "b"})
    assert [(d.action, d.path) for d in decisions] == [("restore", "a"), ("exclude", "c")]


def test_a_group_keeps_its_strongest_image_when_the_suggested_one_is_excluded(copies, table):
    def kept(*decisions):
        images = review.duplicate_images(copies, table, curated(table, *decisions))
        return list(images.loc[images["kept"], "path"])

    assert kept() == ["A/1.jpg", "B/1.jpg"]
    assert kept(Decision("exclude", path="A/1.jpg")) == ["A/2.jpg", "B/1.jpg"]
    assert kept(*(Decision("exclude", path=f"A/{i}.jpg") for i in (1, 2, 3))) == ["B/1.jpg"]


def test_a_very_large_group_is_told_apart_from_its_first_image_only():
    paths = [str(i) for i in range(review.MANY_PAIRS + 1)]
    assert review.pairs(paths) == [("0", path) for path in paths[1:]]


def noise(table, scores):
    return pd.DataFrame({"path": table["path"], "label": table["label"], "suggested_label": "B", "score": scores,
                         "self_confidence": scores, "loss": 1.0, "flagged": [score < 0.5 for score in scores]})


def test_images_are_reviewed_worst_first_and_drop_out_when_decided(table):
    findings = noise(table, [0.9, 0.1, 0.3, 0.8, 0.7, 0.2])
    shown = review.image_review("noise", findings, table, curated(table))
    assert list(shown["path"][:3]) == ["A/2.jpg", "C/1.jpg", "A/3.jpg"]
    decided = curated(table, Decision("label_ok", path="A/2.jpg"), Decision("exclude", path="C/1.jpg"),
                           Decision("quality_ok", path="A/3.jpg"))
    shown = review.image_review("noise", findings, table, decided)
    assert list(shown.loc[shown["open"] & shown["flagged"], "path"]) == ["A/3.jpg"]
    assert review.image_progress(shown) == review.Progress(total=3, done=2)


def test_quality_asks_once_for_an_image_with_its_worst_problem(table):
    findings = pd.DataFrame([("A/1.jpg", "A", "dark", 0.3, "dark"), ("A/1.jpg", "A", "blurry", 0.1, "blurry"),
                             ("B/1.jpg", "B", "unreadable", 0.0, "truncated")],
                            columns=["path", "label", "problem", "score", "reason"])
    shown = review.image_review("quality", findings, table, curated(table))
    assert list(shown["problem"]) == ["blurry"]
    done = review.image_review("quality", findings, table, curated(table, Decision("quality_ok", path="A/1.jpg")))
    assert review.image_progress(done) == review.Progress(total=1, done=1)


def test_a_finding_about_a_file_that_is_gone_is_left_out(table):
    findings = noise(table, [0.1] * len(table))
    shown = review.image_review("noise", findings, table.iloc[1:].reset_index(drop=True), curated(table.iloc[1:]))
    assert "A/1.jpg" not in set(shown["path"])
    assert list(shown["sha256"]) == [path * 2 for path in shown["path"]]


def test_a_proposed_merge_is_done_when_merged_kept_apart_or_dropped(table):
    findings = pd.DataFrame([("A", "B", 0.9), ("A", "C", 0.8), ("B", "C", 0.2)], columns=["class_a", "class_b", "score"])
    assert review.progress_of("merges", findings, table, curated(table)) == review.Progress(2, 0)
    merged = curated(table, Decision("merge", label="B", value="A"), Decision("keep_apart", label="A", other="C"))
    assert review.progress_of("merges", findings, table, merged) == review.Progress(2, 2)
    dropped = curated(table, Decision("drop_class", label="A"))
    assert review.progress_of("merges", findings, table, dropped) == review.Progress(2, 2)


def test_the_right_label_goes_to_the_kept_images_that_have_another():
    made = review.keep_some(["a", "b"], ["c"], relabelled={"b": "B"})
    assert [(d.action, d.path, d.value or d.other) for d in made] == [
        ("relabel", "b", "B"), ("exclude", "c", ""), ("not_duplicates", "a", "b")]


def test_copies_weaker_than_asked_leave_and_groups_of_one_are_none(copies, table):
    images = review.duplicate_images(copies, table, curated(table))
    assert list(review.stronger(images, 0.8)["path"]) == ["A/1.jpg", "A/2.jpg", "B/1.jpg", "C/1.jpg"]
    assert list(review.stronger(images, 0.95)["path"]) == ["A/1.jpg", "A/2.jpg"]
    assert len(review.stronger(images, 0.0)) == len(images)
