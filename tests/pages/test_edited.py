"""Edits in a table outlive what others decide, and end when they are saved."""

from __future__ import annotations

import pandas as pd
import pytest
import streamlit as st

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui import edited

OLD, NEW = pd.DataFrame({"class": ["a", "b"]}), pd.DataFrame({"class": ["b", "c"]})


@pytest.fixture
def session(monkeypatch):
    values: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", values)
    return values


def test_without_edits_the_table_is_as_things_are_now_and_keeps_its_widget_while_it_is_the_same(session):
    _, first, _ = edited.held("t", "x", OLD)
    assert edited.held("t", "x", OLD.copy())[1] == first
    table, second, edits = edited.held("t", "x", NEW)
    assert table.equals(NEW)
    assert second != first
    assert edits == {}


def test_the_widget_is_the_same_while_the_rows_are_and_shows_what_others_changed_in_them(session):
    _, widget, _ = edited.held("t", "x", OLD)
    session[widget] = {"edited_rows": {0: {"rename": "z"}}}
    more = OLD.assign(images=[1, 2])
    table, same, edits = edited.held("t", "x", more)
    assert (same, edits) == (widget, {0: {"rename": "z"}})
    assert table.equals(more)


def test_while_there_are_edits_they_stay_with_the_rows_they_were_made_in(session):
    _, widget, _ = edited.held("t", "x", OLD)
    session[widget] = {"edited_rows": {0: {"rename": "z"}}}
    table, same, edits = edited.held("t", "x", NEW)
    assert (same, edits) == (widget, {0: {"rename": "z"}})
    assert table.equals(OLD)
    assert edited.held("t", "other", NEW)[0].equals(NEW)


def test_what_others_decide_does_not_take_edits_of_the_class_table_away(open_page, workspace):
    page = open_page("classes", view="table")
    widget = page.session_state["classes.edited"]["widget"]
    page.session_state[widget] = {"edited_rows": {0: {"rename": "mine"}}, "added_rows": [], "deleted_rows": []}
    page.run()
    name = page.session_state["classes.edited"]["table"]["class"].iloc[0]
    assert page.button(key="classes.save").label == "Save 1 change"
    Journal(workspace).append([Decision("drop_class", label="K5_2021")], catalog.load(workspace), author="another")
    page.run()
    assert page.button(key="classes.save").label == "Save 1 change"
    page.button(key="classes.save").click().run()
    assert [(d.action, d.label, d.value) for d in Journal(workspace).live()][1:] == [("rename", name, "mine")]
    assert page.button(key="classes.save").label == "Save changes"


def test_edits_of_a_class_that_others_have_merged_meanwhile_are_about_no_class(open_page, workspace):
    page = open_page("classes", view="table")
    kept = page.session_state["classes.edited"]
    names = kept["table"]["class"].tolist()
    edits = {names.index("K5_2021"): {"rename": "gone"}, names.index("K5_2019"): {"rename": "mine"}}
    page.session_state[kept["widget"]] = {"edited_rows": edits, "added_rows": [], "deleted_rows": []}
    Journal(workspace).append([Decision("merge", label="K5_2021", value="K5_2019")], catalog.load(workspace), author="another")
    page.run()
    page.button(key="classes.save").click().run()
    assert [(d.action, d.label, d.value) for d in Journal(workspace).live()][1:] == [("rename", "K5_2019", "mine")]
