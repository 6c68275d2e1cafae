"""What a click writes into the journal."""

from __future__ import annotations

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui.decide import decide


def test_label_is_right_keeps_the_label_that_is_shown(workspace, images):
    relabelled, untouched = images["path"][:2]
    other = next(label for label in images["label"] if label != images["label"][0])
    decide(workspace, [Decision("relabel", path=relabelled, value=other)])
    decide(workspace, [Decision("label_ok", path=relabelled), Decision("label_ok", path=untouched)])
    curation = Journal(workspace).curation(catalog.load(workspace))
    assert curation.label[0] == other
    assert curation.label[1] == images["label"][1]
    assert [d.action for d in Journal(workspace).live()] == ["relabel", "relabel", "label_ok"]
