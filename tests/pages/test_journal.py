"""Journal: every decision, found and undone."""

from __future__ import annotations

import io
from datetime import date

import pandas as pd
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
    """The table of the tab Decisions, which is drawn when it is open."""
    return app.dataframe[0].value


def words(app):
    return " ".join(element.value for element in [*app.markdown, *app.caption, *app.warning])


def test_without_decisions_the_page_says_what_will_be_here(open_page):
    app = open_page("journal")
    assert "No decisions yet" in app.info[0].value
    assert not app.dataframe


def test_the_newest_batch_is_shown_with_what_undoing_it_changes_and_is_undone(open_page, journal, images):
    app = open_page("journal")
    assert not app.exception
    assert list(app.dataframe[0].value["note"]) == ["2 decisions", "Excluded · 1 image"]
    assert "Label **K5\\_2019** → **K5\\_2021** · 5 images" in words(app)
    assert "Label **라브4\\, 5세대**" in words(app)
    app.button(key="journal-undo").click().run()
    assert [d.action for d in journal.live()] == ["exclude"]
    assert app.dataframe[0].value["state"].tolist() == ["undone", ""]
    assert app.button(key="journal-undo").label == "Redo this batch"
    app.button(key="journal-undo").click().run()
    assert [d.action for d in journal.live()] == ["exclude", "merge", "relabel"]


def test_a_batch_that_a_later_decision_needs_says_which_and_shows_it(open_page, workspace, images):
    book = Journal(workspace)
    first = book.append([Decision("rename", label="K5_2021", value="K5 new")], images, author="an", note="Renamed")
    second = book.append([Decision("relabel", path=images["path"][0], value="K5 new")], images, author="bo", note="Relabelled")
    app = open_page("journal", **{"journal.batch": first.id})
    assert app.subheader[0].value == "Batch 1"
    assert app.button(key="journal-undo").disabled
    assert "while decision 2 holds" in app.warning[0].value
    assert "by bo" in app.warning[0].value
    app.button(key="journal-show-later").click().run()
    assert app.subheader[0].value == "Batch 2"
    assert "Label **K5 new** →" in words(app)
    app.button(key="journal-undo").click().run()
    assert [d.batch for d in book.live()] == [first.id]
    assert second.id not in {d.batch for d in book.live()}


def test_an_undo_that_changes_nothing_says_so(open_page, workspace, images):
    book = Journal(workspace)
    first, _ = (book.append([Decision("exclude", path=images["path"][0])], images, author="an") for _ in range(2))
    app = open_page("journal", **{"journal.batch": first.id})
    assert "would change nothing" in words(app)


def test_only_batches_with_a_decision_that_is_asked_for_are_listed(open_page, journal):
    app = open_page("journal")
    app.multiselect(key="journal-action").set_value(["exclude"]).run()
    assert list(app.dataframe[0].value["note"]) == ["Excluded · 1 image"]
    assert app.subheader[0].value == "Batch 1"
    assert "1 decision in 1 batch" in words(app)
    app.text_input(key="journal-find").set_value("nowhere").run()
    assert not app.exception
    assert "No decision is like that" in words(app)


def test_decisions_are_found_by_time(open_page, journal):
    app = open_page("journal")
    app.selectbox(key="journal-span").set_value("hour").run()
    assert "3 decisions in 2 batches" in words(app)
    app.selectbox(key="journal-span").set_value("dates").run()
    app.date_input(key="journal-dates").set_value((date(2020, 1, 1), date(2020, 1, 2))).run()
    assert not app.exception
    assert "No decision is like that" in words(app)


def test_what_is_asked_for_is_exported_verbatim_and_escaped_only_for_spreadsheets(open_page, workspace, images, monkeypatch):
    Journal(workspace).append([Decision("exclude", path=images["path"][0], reason="=1+1")], images, author="an")
    offered = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, name, *_, **__: offered.update({name: data()}))
    app = open_page("journal")
    assert not app.exception
    lines, plain, escaped = (offered[f"cars-journal-1{end}"] for end in (".jsonl", ".csv", "-for-spreadsheets.csv"))
    assert lines.startswith(b"{")
    table = pd.read_csv(io.BytesIO(plain), encoding="utf-8-sig", keep_default_na=False)
    assert table[["path", "action", "reason", "author", "state"]].iloc[0].tolist() == [
        images["path"][0], "exclude", "=1+1", "an", "holds"]
    assert pd.read_csv(io.BytesIO(escaped), encoding="utf-8-sig")["reason"][0] == "'=1+1"


def test_decisions_are_filtered_by_words_action_author_and_state(open_page, journal, images):
    app = open_page("journal", **{"journal-tab": "Decisions"})
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

    app = open_page("overview", author="bo")
    monkeypatch.setattr(Journal, "undo", refuse)
    for leave in (lambda: app.switch_page("pages/manifest.py").run(),
                  lambda: app.button(key="close-problem").click().run(),
                  lambda: app.sidebar.text_input(key="author-input").set_value("bo and an").run()):
        app.sidebar.button(key="undo-last").click().run()
        assert [error.value for error in app.error] == [text("decision 2 needs it:\n [row] 3")]
        leave()
        assert not app.error


def test_a_refusal_stays_when_the_page_is_drawn_again_at_once(monkeypatch):
    session = {state.PROBLEM: "no"}
    monkeypatch.setattr(st, "session_state", session)
    again = RerunException(RerunData())
    with pytest.raises(RerunException), decide.notices(None):
        raise again
    assert session[state.PROBLEM] == "no"


def test_the_sidebar_takes_the_last_batch_back(open_page, journal):
    app = open_page("overview", author="bo")
    button = app.sidebar.button(key="undo-last")
    assert button.label == "Undo: 2 decisions"
    button.click().run()
    assert [d.action for d in journal.live()] == ["exclude"]
    assert "undo-last" not in [button.key for button in app.sidebar.button], "the other batch is somebody else's"
