"""Which labels are offered first."""

from __future__ import annotations

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.records import Decision
from pages.ui import choices
from pages.ui.choices import RECENT, recent_labels


def given(*values, author="me", action="relabel"):
    return [Decision(action, path=f"{i}", value=value, author=author) for i, value in enumerate(values)]


def test_recent_labels_are_the_persons_own_newest_first_each_once():
    decisions = [*given("a", "b", "a"), *given("c", author="other"), *given("d", action="tag")]
    assert recent_labels(decisions, "me", {}) == ["a", "b"]


def test_recent_labels_are_called_as_they_are_now_and_dropped_ones_are_out():
    assert recent_labels(given("old", "gone"), "me", {"old": "new", "gone": ""}) == ["new"]


def test_accepted_suggestions_are_no_recent_choice():
    decisions = [Decision("relabel", path=value, value=value, author="me", evidence={"suggested": "a"}) for value in "ab"]
    assert recent_labels(decisions, "me", {}) == ["b"]


def test_few_recent_labels_are_offered():
    assert recent_labels(given(*"abcdefghij"), "me", {}) == list("jihgfedcba")[:RECENT]


def test_recent_labels_come_first_and_the_series_go_with_them(workspace, monkeypatch):
    journal = Journal(workspace)
    images = catalog.load(workspace)
    journal.append([Decision("series", label="K5_2019", value="K5")], images, author="me")
    journal.append([Decision("relabel", path=images["path"][0], value="라브4, 5세대")], images, author="me")
    monkeypatch.setenv("HAI_AUTHOR", "me")
    action = choices.relabel(workspace)
    assert action.choose[:action.recent] == ("라브4, 5세대",)
    assert sorted(action.choose) == sorted(set(images["label"]))
    assert action.series == {"K5_2019": "K5"}
