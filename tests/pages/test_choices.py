"""Which labels are offered first."""

from __future__ import annotations

from hai_core.records import Decision
from pages.ui.choices import RECENT, in_order, recent_labels


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


def test_recent_ones_come_first_then_the_series_of_the_label_then_the_rest():
    series = {"K5 2019": "K5", "K5 2021": "K5", "Sonata": "Sonata", "K5 2016": "K5"}
    classes = ["Zoe", "K5 2021", "K5 2019", "Sonata", "K5 2016", "Ace"]
    assert in_order(classes, ["Sonata", "no class"], series, "K5 2019") == [
        "Sonata", "K5 2016", "K5 2019", "K5 2021", "Ace", "Zoe"]


def test_without_a_series_the_names_decide():
    assert in_order(["b", "a", "b"], [], {}, "a") == ["a", "b"]
    assert in_order(["b", "a"], [], {"a": "s"}) == ["a", "b"]
