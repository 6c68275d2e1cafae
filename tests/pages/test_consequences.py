"""What undoing would change, in groups."""

from __future__ import annotations

import pandas as pd

from hai_core.changes import COLUMNS
from pages.ui.consequences import KINDS, grouped


def table(*rows):
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


def test_images_with_the_same_consequence_are_one_group_and_the_largest_comes_first():
    groups = grouped(table(("a", "", "label", "K5", "K7"), ("b", "", "label", "K5", "K3"), ("c", "", "label", "K5", "K3"),
                           ("d", "", "excluded", "yes", ""), ("e", "", "excluded", "", "yes")))
    assert [(g.kind, g.before, g.after, g.paths) for g in groups] == [
        ("back", "", "", ("d",)), ("away", "", "", ("e",)), ("label", "K5", "K3", ("b", "c")), ("label", "K5", "K7", ("a",))]


def test_an_image_that_stands_in_a_group_above_is_not_shown_again():
    groups = grouped(table(("a", "", "label", "K5", "K7"), ("a", "", "label reviewed", "yes", ""),
                           ("b", "", "quality reviewed", "yes", "")))
    assert [(g.kind, g.seen) for g in groups] == [("label", False), ("label_open", True), ("quality_open", False)]


def test_pairs_show_both_images_once():
    [group] = grouped(table(("a", "", "not duplicates", "b", ""), ("a", "", "not duplicates", "c", "")))
    assert (group.kind, group.paths, len(group.rows)) == ("duplicates", ("a", "b", "c"), 2)


def test_classes_are_told_in_rows():
    groups = grouped(table(("", "K5", "final class", "K7", "K5"), ("", "K3", "final class", "", "K3"),
                           ("", "K5", "series", "K", ""), ("", "K5", "keep apart", "K7", "")))
    assert [(g.kind, len(g.rows), g.paths) for g in groups] == [
        ("class", 2, ()), ("no_series", 1, ()), ("merge_possible", 1, ())]


def test_nothing_changes_nothing():
    assert grouped(table()) == []


def test_every_property_has_a_kind_for_both_directions():
    what = [what for what, _ in KINDS]
    assert all(what.count(name) == 2 for name in what)
