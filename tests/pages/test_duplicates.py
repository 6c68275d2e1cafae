"""Duplicates: what stands where, and accepting many at once."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui import gallery
from pages.ui.gallery import Selection


@pytest.fixture
def copies(images, store_findings):
    """Two groups: the first of three images of one class, the second of two classes."""
    paths = list(images["path"])
    first, second, third, other = paths[0], paths[1], paths[2], paths[-1]
    fourth = paths[3]
    label = dict(zip(images["path"], images["label"], strict=True))
    rows = [(0, first, "exact", 0.0, True, False), (0, second, "exact", 0.0, False, False),
            (0, third, "perceptual", 6.0, False, False),
            (1, fourth, "exact", 0.0, True, True), (1, other, "exact", 0.0, False, True)]
    table = pd.DataFrame(rows, columns=["group", "path", "kind", "distance", "keep", "cross_class"])
    table = table.assign(unit="bits", reason="larger")
    table["label"] = table["path"].map(label)
    store_findings("duplicates", table)
    return table


def shown(app):
    """What the page's gallery was given."""
    assert not app.exception, app.exception
    sent = [json.loads(component.proto.json) for component in app.get("bidi_component")]
    [gallery] = [data for data in sent if data.get("mode") == "keep"]
    return gallery


def test_groups_of_several_labels_come_first_and_the_keeper_leads(open_page, copies):
    data = shown(open_page("duplicates"))
    assert [section["id"] for section in data["sections"]] == ["1", "0"]
    assert data["sections"][0]["badge"] == "different labels"
    assert (data["sections"][0]["note"], data["sections"][0]["hint"]) == ("larger", " · Keep asks which label is right")
    assert sorted(data["sections"][0]["choose"]) == sorted(copies["label"].iloc[-2:])
    assert data["sections"][1]["choose"] == []
    assert data["sections"][1]["note"] == "larger"
    assert [tile["section"] for tile in data["tiles"]] == ["1", "1", "0", "0", "0"], "keys act on the first group that is seen"
    tiles = [(tile["section"], tile["path"], tile["keep"]) for tile in data["tiles"]]
    assert [tile for tile in tiles if tile[0] == "0"] == [("0", path, keep) for path, keep in zip(
        copies["path"][:3], [True, False, False], strict=True)]
    assert data["mode"] == "keep"


def test_a_decided_group_leaves_the_list_and_is_found_under_done(open_page, workspace, images, copies):
    Journal(workspace).append([Decision("exclude", path=copies["path"].iloc[-1])], images, author="t")
    app = open_page("duplicates")
    assert [section["id"] for section in shown(app)["sections"]] == ["0"]
    app.segmented_control(key="duplicates-shown").set_value("done").run()
    data = shown(app)
    assert [section["id"] for section in data["sections"]] == ["1"]
    assert [tile["badge"] for tile in data["tiles"]] == ["kept", "excluded"]
    assert data["sections"][0]["note"] == ""


def test_copies_of_a_decided_group_can_be_declared_different_after_all(workspace, images, copies, open_page, monkeypatch):
    made = []
    monkeypatch.setattr(gallery, "gallery", lambda *arguments, **_: made.append(arguments[3]))
    first, second, third = copies["path"][:3]
    Journal(workspace).append([Decision("exclude", path=path) for path in (second, third)], images, author="t")
    open_page("duplicates")
    [different] = [action for action in made[0] if action.id == "not_duplicates"]
    told = [(d.action, d.path) for d in different.decisions(Selection((first,), others=(second, third)))]
    assert told[:2] == [("restore", second), ("restore", third)]
    assert [action for action, _ in told[2:]] == ["not_duplicates"] * 3


def test_accepting_many_is_one_batch_of_the_strong_copies_within_one_label(open_page, workspace, copies):
    app = open_page("duplicates", **{"duplicates-strength": 0.95})
    button = app.button(key="duplicates-accept")
    assert button.label == "Exclude 1 image"
    button.click().run()
    journal = Journal(workspace)
    assert [(d.action, d.path) for d in journal.live()] == [("exclude", copies["path"][1])]
    app = open_page("duplicates", **{"duplicates-strength": 0.85, "duplicates-across": True})
    app.button(key="duplicates-accept").click().run()
    assert {d.path for d in journal.live()} == set(copies.loc[~copies["keep"], "path"])
    assert list(journal.batches()["count"]) == [1, 2]


def test_without_copies_the_page_says_so(open_page, images, copies, store_findings):
    store_findings("duplicates", copies.iloc[:0])
    assert "No copies" in open_page("duplicates").success[0].value


def test_before_the_search_the_page_offers_it(open_page, workspace):
    app = open_page("duplicates")
    assert app.button(key="need-duplicates").label == "Look for copies of the same photo"
    assert not [sent for sent in app.get("bidi_component") if json.loads(sent.proto.json).get("mode")]


def test_findings_of_an_older_catalog_are_shown_with_the_offer_to_look_again(open_page, workspace, images, copies):
    assert "again-duplicates" not in [button.key for button in open_page("duplicates").button]
    images.drop(index=5).to_parquet(workspace.catalog / "catalog.parquet", index=False)
    app = open_page("duplicates")
    assert app.button(key="again-duplicates").label == "Look again"
    assert len(shown(app)["sections"]) == 2


def test_no_group_loses_every_image_when_the_suggested_one_is_excluded(open_page, workspace, images, copies):
    first, second, third = copies["path"][:3]
    Journal(workspace).append([Decision("exclude", path=first)], images, author="t")
    app = open_page("duplicates", **{"duplicates-strength": 0.85})
    assert app.button(key="duplicates-accept").label == "Exclude 0 images"
    assert app.button(key="duplicates-accept").disabled
    assert any(caption.value.startswith("Left out: 1 group ") for caption in app.caption)
    data = shown(app)
    group = [tile for tile in data["tiles"] if tile["section"] == "0"]
    assert [(tile["path"], tile["keep"], tile["badge"]) for tile in group] == [
        (first, False, "excluded"), (second, True, "suggested to keep"), (third, False, "91% alike")]
    assert [section["note"] for section in data["sections"] if section["id"] == "0"] == [
        "the image that was suggested to keep is excluded; this one is most like it"]


def test_what_a_person_has_decided_is_not_accepted_away(open_page, workspace, images, copies):
    first, second, third = copies["path"][:3]
    Journal(workspace).append([Decision("not_duplicates", path=first, other=second)], images, author="t")
    app = open_page("duplicates", **{"duplicates-strength": 0.85})
    app.button(key="duplicates-accept").click().run()
    assert [d.path for d in Journal(workspace).live()][1:] == [third]


def test_copies_weaker_than_asked_leave_their_group_at_once(open_page, copies):
    data = shown(open_page("duplicates", **{"duplicates-strength": 0.95}))
    assert [tile["path"] for tile in data["tiles"] if tile["section"] == "0"] == list(copies["path"][:2])


def test_a_copy_shows_only_what_differs_from_the_image_to_keep(open_page, copies):
    tiles = shown(open_page("duplicates"))["tiles"]
    kept, copy = (tile["caption"].split("\n") for tile in tiles if tile["section"] == "1")
    assert kept[0] == copies["label"].iloc[3]
    assert "JPEG" in kept[1]
    assert copy[0] == copies["label"].iloc[4]
    assert "JPEG" not in copy[1]
    assert copy[-1] == "larger"
