"""What a click writes into the journal."""

from __future__ import annotations

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui.decide import decide, describe


def test_label_is_right_keeps_the_label_that_is_shown(workspace, images):
    relabelled, untouched = images["path"][:2]
    other = next(label for label in images["label"] if label != images["label"][0])
    decide(workspace, [Decision("relabel", path=relabelled, value=other)])
    decide(workspace, [Decision("label_ok", path=relabelled), Decision("label_ok", path=untouched)])
    curation = Journal(workspace).curation(catalog.load(workspace))
    assert curation.label[0] == other
    assert curation.label[1] == images["label"][1]
    assert [d.action for d in Journal(workspace).live()] == ["relabel", "relabel", "label_ok"]


def test_a_batch_is_described_with_its_number():
    one, other = Decision("exclude", path="a"), Decision("exclude", path="b")
    assert describe([one]) == "Excluded · 1 image"
    assert describe([one, other]) == "Excluded · 2 images"
    assert describe([one, Decision("unsure", path="b")]) == "2 decisions"
    assert describe([Decision("not_duplicates", path="a", other="b")]) == "Not duplicates · 1 pair"
    assert describe([Decision("drop_class", label="A")]) == "Class dropped · A"
    assert describe([Decision("drop_class", label="A"), Decision("drop_class", label="B")]) == "Class dropped · 2 classes"
