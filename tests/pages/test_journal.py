"""Journal: every decision, found and undone."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner import RerunData, RerunException

from hai_core.decisions import Journal
from hai_core.records import Decision
from hai_core.workspace import InputError
from pages.ui import decide, state
from pages.ui.text import text


@pytest.fixture
def journal(workspace, images):
    """Two batches: an exclusion by an, then a merge and a relabel by bo."""
    book = Journal(workspace)
    book.append([Decision("exclude", path=images["path"][0], reason="blurry")], images, author="an", note="Excluded · 1 image")
    book.append([Decision("merge", label="K5_2021", value="K5_2019"),
                 Decision("relabel", path=images["path"][1], value="라브4, 5세대")], images, author="bo", note="2 decisions")
    return book


def decisions(app):
    return app.dataframe[-1].value


def test_without_decisions_the_page_says_what_will_be_here(open_page):
    app = open_page("journal")
    assert "No decisions yet" in app.info[0].value
    assert not app.dataframe


def test_the_newest_batch_is_shown_with_what_undoing_it_changes_and_is_undone(open_page, journal, images):
    app = open_page("journal")
    assert not app.exception
    assert list(app.dataframe[0].value["What"]) == ["2 decisions", "Excluded · 1 image"]
    changes = app.dataframe[1].value
    assert {"final class"} <= set(changes["what"])
    app.button(key="journal-undo").click().run()
    assert [d.action for d in journal.live()] == ["exclude"]
    assert app.dataframe[0].value["State"].tolist() == ["undone", ""]
    assert app.button(key="journal-undo").label == "Redo this batch"
    app.button(key="journal-undo").click().run()
    assert [d.action for d in journal.live()] == ["exclude", "merge", "relabel"]


def test_decisions_are_filtered_by_words_action_author_and_state(open_page, journal, images):
    app = open_page("journal")
    assert list(decisions(app)["action"]) == ["relabel", "merge", "exclude"]
    app.text_input(key="journal-find").set_value("BLURRY").run()
    assert list(decisions(app)["action"]) == ["exclude"]
    app.text_input(key="journal-find").set_value("").run()
    app.multiselect(key="journal-author").set_value(["bo"]).run()
    assert list(decisions(app)["action"]) == ["relabel", "merge"]
    app.multiselect(key="journal-action").set_value(["merge"]).run()
    assert list(decisions(app)["action"]) == ["merge"]
    journal.undo(catalog=images, author="t")
    app.multiselect(key="journal-state").set_value(["undone"]).run()
    assert list(decisions(app)["state"]) == ["undone"]


def test_an_undo_that_a_later_decision_needs_is_refused_and_that_one_named(workspace, images, monkeypatch):
    book = Journal(workspace)
    first = book.append([Decision("rename", label="K5_2021", value="K5 new")], images, author="t")
    book.append([Decision("relabel", path=images["path"][0], value="K5 new")], images, author="t")
    monkeypatch.setattr(st, "session_state", {})
    assert decide.undo(workspace, first.id) is None
    assert "decision 2" in st.session_state[state.PROBLEM]
    assert len(book.live()) == 2


def test_a_refusal_is_gone_on_another_page_and_after_the_next_action(open_page, journal, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise InputError("decision 2 needs it:\n [row] 3")

    app = open_page("overview")
    monkeypatch.setattr(Journal, "undo", refuse)
    for leave in (lambda: app.switch_page("pages/manifest.py").run(),
                  lambda: app.button(key="close-problem").click().run(),
                  lambda: app.sidebar.text_input(key="author-input").set_value("bo").run()):
        app.sidebar.button(key="undo-last").click().run()
        assert [error.value for error in app.error] == [text("decision 2 needs it:\n [row] 3")]
        leave()
        assert not app.error


def test_a_refusal_stays_when_the_page_is_drawn_again_at_once(monkeypatch):
    session = {state.PROBLEM: "no"}
    monkeypatch.setattr(st, "session_state", session)
    again = RerunException(RerunData())
    with pytest.raises(RerunException), decide.notices():
        raise again
    assert session[state.PROBLEM] == "no"


def test_the_sidebar_takes_the_last_batch_back(open_page, journal):
    app = open_page("overview")
    button = app.sidebar.button(key="undo-last")
    assert button.label == "Undo: 2 decisions"
    button.click().run()
    assert [d.action for d in journal.live()] == ["exclude"]
    assert app.sidebar.button(key="undo-last").label == "Undo: Excluded · 1 image"
