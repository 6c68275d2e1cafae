"""The gallery's Python side: what travels to the browser, and what a click writes into the journal."""

from __future__ import annotations

import pytest
import streamlit as st

from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui import gallery, state
from pages.ui.gallery import Action, Selection


@pytest.fixture
def session(monkeypatch):
    values: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", values)
    return values


@pytest.fixture
def tiles(images):
    return images[["path", "sha256"]].assign(caption="", badge="", evidence=[{"score": 0.25}] * len(images))


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
    assert session[state.NOTICE] == "Excluded · 2 images"
    assert session["noise.changed"]


def test_paths_that_are_not_on_the_page_are_not_touched(workspace, images, tiles, session):
    gallery.act(workspace, tiles.iloc[:3], "noise", gallery.EXCLUDE, Selection((images["path"][0], images["path"][9], "../x")))
    assert [d.path for d in Journal(workspace).live()] == [images["path"][0]]


def test_a_refused_decision_writes_nothing_and_is_told(workspace, images, tiles, session):
    action = gallery.relabel(["K5_2019"])
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
        session["g"] = {"event": {"id": send.last, "focus": None, "large": None} | event}
        gallery._handle(workspace, tiles, "g", (gallery.EXCLUDE,))

    send.last = 0
    send(type="page", to=2)
    assert session["g.page"] == 2
    send(type="act", action="exclude", paths=[images["path"][0]], others=[], value="", section="")
    assert len(Journal(workspace).live()) == 1
    send(type="undo")
    assert Journal(workspace).live() == []
    send(type="undo")
    assert session[state.NOTICE] == "There is nothing to undo"


def test_an_event_that_is_handed_out_twice_is_handled_once_and_answered(workspace, images, tiles, session):
    first, second = images["path"][:2]
    event = {"id": 7, "focus": second, "large": None, "type": "act", "action": "exclude", "paths": [first], "others": [],
             "value": "", "section": ""}
    session["g"] = {"event": event}
    gallery._handle(workspace, tiles, "g", (gallery.EXCLUDE,))
    gallery._handle(workspace, tiles, "g", (gallery.EXCLUDE,))
    assert [d.path for d in Journal(workspace).live()] == [first]
    assert (session["g.answered"], session["g.refused"], session["g.focus"]) == (7, False, second)


def test_the_answer_tells_a_refusal(workspace, images, tiles, session):
    act = {"focus": None, "large": None, "type": "act", "action": "relabel", "paths": [images["path"][0]], "others": [],
           "section": ""}
    for number, value, refused in ((1, "no such class", True), (2, "K5_2019", False)):
        session["g"] = {"event": act | {"id": number, "value": value}}
        gallery._handle(workspace, tiles, "g", (gallery.relabel(["K5_2019"]),))
        assert (session["g.answered"], session["g.refused"]) == (number, refused)


def test_the_large_view_is_of_the_image_or_says_why_not(workspace, images, session):
    path = images["path"][0]
    assert gallery._large(workspace, path)["src"].startswith("data:image/jpeg;base64,")
    (workspace.images / path).write_bytes(b"no image")
    gallery._large_uri.clear()
    broken = gallery._large(workspace, path)
    assert broken["src"] == ""
    assert broken["problem"]
    assert gallery._large(workspace, "gone.jpg") is None


def test_an_action_that_does_nothing_says_so(workspace, images, tiles, session):
    gallery.act(workspace, tiles, "noise", Action("move", "Move", lambda _: []), Selection((images["path"][0],)))
    assert session[state.NOTICE] == "Move: nothing to do there"
    assert Journal(workspace).live() == []
