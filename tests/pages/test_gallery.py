"""The gallery's Python side: what travels to the browser, and what a click writes into the journal."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st

from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui import decide, gallery, state
from pages.ui.gallery import Action, Selection

RELABEL = Action("relabel", "relabel", gallery.on_images("relabel"), key="l", choose=("K5_2019",))


@pytest.fixture
def session(monkeypatch):
    values: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", values)
    return values


@pytest.fixture
def tiles(images):
    return images[["path", "sha256"]].assign(caption="", badge="", evidence=[{"score": 0.25}] * len(images))


def listed(tiles):
    return gallery._Shown(tiles, None, gallery._as_it_is, gallery._as_it_is)


def test_an_action_writes_one_batch_with_what_the_person_saw(workspace, images, tiles, session):
    chosen = tuple(images["path"][:2])
    gallery.act(workspace, tiles, "noise", gallery.EXCLUDE, Selection(chosen))
    journal = Journal(workspace)
    decisions = journal.live()
    assert [(d.action, d.path, d.author) for d in decisions] == [("exclude", path, "tester") for path in chosen]
    assert decisions[0].sha256 == images["sha256"][0]
    assert decisions[0].evidence["score"] == 0.25
    assert decisions[0].evidence["page"] == "noise"
    assert len(journal.batches()) == 1
    assert session[state.NOTICE].text == "Excluded · 2 images"
    assert set(session["noise.decided"]) == set(chosen)


def test_paths_that_are_not_on_the_page_are_not_touched(workspace, images, tiles, session):
    gallery.act(workspace, tiles.iloc[:3], "noise", gallery.EXCLUDE, Selection((images["path"][0], images["path"][9], "../x")))
    assert [d.path for d in Journal(workspace).live()] == [images["path"][0]]


def test_a_refused_decision_writes_nothing_and_is_told(workspace, images, tiles, session):
    action = RELABEL
    gallery.act(workspace, tiles, "noise", action, Selection((images["path"][0], images["path"][1]), value="no such class"))
    assert Journal(workspace).live() == []
    assert "no such class" in session[state.PROBLEM]
    gallery.act(workspace, tiles, "noise", action, Selection((images["path"][0],), value="K5_2019"))
    assert state.PROBLEM not in session


def test_an_action_without_decisions_is_handed_to_the_page_once(workspace, tiles, session):
    path = tiles["path"].iloc[0]
    gallery.act(workspace, tiles, "map", Action("similar", "Find more like this"), Selection((path,)))
    assert session["map.event"] == gallery.Event("similar", Selection((path,)))
    assert Journal(workspace).live() == []


def test_a_section_tells_which_images_are_kept_and_which_not(workspace, images, tiles, session):
    keep = Action("keep", "Keep {kept}, exclude {others}", lambda s: [Decision("exclude", path=path) for path in s.others])
    first, second, third = images["path"][:3]
    gallery.act(workspace, tiles, "duplicates", keep, Selection((first,), section="0", others=(second, third)))
    assert [d.path for d in Journal(workspace).live()] == [second, third]


def test_the_events_of_the_browser_turn_pages_undo_and_act(workspace, images, tiles, session):
    def send(**event: object) -> None:
        send.last += 1
        session["g"] = {"event": {"id": send.last, "focus": None, "large": [], "all": False} | event}
        gallery._handle(workspace, listed(tiles), tiles, "g", (gallery.EXCLUDE,))

    send.last = 0
    send(type="look", focus=images["path"][1])
    assert (session["g.focus"], session["g.place"]) == (images["path"][1], 1)
    send(type="page", start=2, focus=images["path"][2])  # the browser shows it already
    assert (session["g.start"], session["g.focus"]) == (2, images["path"][2])
    send(type="page", start=4, focus="")
    assert (session["g.start"], session["g.focus"], session["g.place"]) == (4, None, 0)
    send(type="act", action="exclude", paths=[images["path"][0]], others=[], value="", section="")
    assert len(Journal(workspace).live()) == 1
    last = decide.last_id(workspace)
    send(type="undo", last=last)
    assert Journal(workspace).live() == []
    send(type="undo", last=last)  # once more, as after a restart in between
    assert session[state.NOTICE].text.startswith("Another decision was the last one by now")
    assert Journal(workspace).batches()["kind"].tolist() == ["decide", "undo"]
    send(type="undo", last="")
    assert session[state.NOTICE].text == "There is nothing to undo"


def test_an_event_that_is_handed_out_twice_is_handled_once_and_answered(workspace, images, tiles, session):
    first, second = images["path"][:2]
    event = {"id": 7, "focus": second, "large": [], "type": "act", "action": "exclude", "paths": [first], "others": [],
             "value": "", "section": "", "all": False}
    session["g"] = {"event": event}
    gallery._handle(workspace, listed(tiles), tiles, "g", (gallery.EXCLUDE,))
    gallery._handle(workspace, listed(tiles), tiles, "g", (gallery.EXCLUDE,))
    assert [d.path for d in Journal(workspace).live()] == [first]
    assert (session["g.answered"], session["g.refused"], session["g.focus"]) == (7, False, second)


def test_the_answer_tells_a_refusal(workspace, images, tiles, session):
    act = {"focus": None, "large": [], "type": "act", "action": "relabel", "paths": [images["path"][0]], "others": [],
           "section": "", "all": False}
    for number, value, refused in ((1, "no such class", True), (2, "K5_2019", False)):
        session["g"] = {"event": act | {"id": number, "value": value}}
        gallery._handle(workspace, listed(tiles), tiles, "g", (RELABEL,))
        assert (session["g.answered"], session["g.refused"]) == (number, refused)


def test_the_large_view_is_of_the_image_or_says_why_not(workspace, images, session):
    path = images["path"][0]
    assert gallery._large(workspace, path)["src"].startswith("data:image/jpeg;base64,")
    (workspace.images / path).write_bytes(b"no image")
    gallery._large_uri.clear()
    broken = gallery._large(workspace, path)
    assert broken["src"] == ""
    assert broken["problem"]
    assert gallery._large(workspace, "gone.jpg")["problem"]


def test_an_action_that_does_nothing_says_so(workspace, images, tiles, session):
    gallery.act(workspace, tiles, "noise", Action("move", "Move", lambda _: []), Selection((images["path"][0],)))
    assert session[state.NOTICE].text == "Move: nothing to do there"
    assert Journal(workspace).live() == []


def test_all_that_match_are_decided_as_one_batch_also_beyond_the_page(workspace, images, tiles, session):
    gone = images["path"][3]
    stale = tiles.copy()
    stale.loc[3, "path"] = "gone.jpg"  # another browser's list may be older than the catalog
    session["g"] = {"event": {"id": 1, "focus": None, "large": [], "type": "act", "action": "exclude", "paths": [],
                              "others": [], "value": "", "section": "", "all": True}}
    gallery._handle(workspace, listed(stale), stale.iloc[:2], "g", (gallery.EXCLUDE,))
    excluded = {d.path for d in Journal(workspace).live()}
    assert excluded == set(images["path"]) - {gone}
    assert len(Journal(workspace).batches()) == 1
    assert session[state.NOTICE].text == f"Excluded · {len(tiles)} images: {len(tiles) - 1} changed, 1 skipped"
    gallery.undo_last(workspace)
    assert Journal(workspace).live() == []


def test_the_outcome_of_a_decision_is_told_before_the_page_is_drawn_anew(workspace, images, tiles, session):
    first, second = images["path"][:2]
    gallery.act(workspace, tiles, "g", RELABEL, Selection((first,), value="K5_2019"))
    assert session["g.decided"] == {first: {"badge": "→ K5_2019", "tone": "good"}}
    keep = Action("keep", "Keep", lambda s: [Decision("exclude", path=path) for path in s.others])
    gallery.act(workspace, tiles, "g", keep, Selection((first,), section="0", others=(second,)))
    assert session["g.decided"] == {first: {"badge": "kept", "tone": "good"}, second: {"badge": "excluded", "tone": "bad"}}


def test_a_thumbnail_travels_once_until_the_browser_asks_again(workspace, tiles, session):
    names = set(tiles["sha256"])
    assert set(gallery._thumbnails(workspace, tiles)) == names
    assert gallery._thumbnails(workspace, tiles) == {}
    lost = tiles["sha256"].iloc[0]
    session["g"] = {"event": {"type": "missing", "hashes": [lost]}}
    gallery._resend("g")
    assert set(gallery._thumbnails(workspace, tiles)) == {lost}


def test_the_browser_and_python_keep_as_many_thumbnails():
    script = (Path(gallery.__file__).parent / "gallery_thumbs.js").read_text("utf-8")
    assert f"const KEPT = {gallery.KEPT:_};" in script
