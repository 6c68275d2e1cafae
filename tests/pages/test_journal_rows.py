"""Which decisions of the journal are asked for."""

from __future__ import annotations

import pandas as pd
import pytest

from pages.ui.journal_rows import Wanted, between, matching, told


@pytest.fixture
def rows():
    entries = pd.DataFrame({
        "seq": [1, 2, 3], "batch": ["x", "x", "y"], "action": ["exclude", "relabel", "merge"],
        "path": ["A/1.jpg", "A/2.jpg", ""], "label": ["", "", "K5"], "other": "",
        "value": ["", "K7 (2019)", "K7"], "reason": ["blurry", "", ""],
        "author": ["an", "an", "bo"], "time": ["2026-05-01T20:00:00.000+00:00"] * 2 + ["2026-05-03T00:00:00.000+00:00"],
        "evidence": "{}", "live": [True, True, False], "stale": ""})
    batches = pd.DataFrame({"id": ["x", "y"], "note": ["two", "Merged"],
                            "time": ["2026-05-01T20:00:00.000+00:00", "2026-05-03T00:00:00.000+00:00"]})
    return told(entries, batches, {1: "the file changed"}, "Asia/Seoul")


def test_rows_say_when_and_whether_they_hold_newest_first(rows):
    assert rows["seq"].tolist() == [3, 2, 1]
    assert rows["state"].tolist() == ["undone", "holds", "stale"]
    assert rows["stale"].tolist() == ["", "", "the file changed"]
    assert rows["when"].astype(str).tolist() == ["2026-05-03 09:00:00", "2026-05-02 05:00:00", "2026-05-02 05:00:00"]
    assert rows["note"].tolist() == ["Merged", "two", "two"]


@pytest.mark.parametrize(("wanted", "found"), [
    (Wanted(), [3, 2, 1]),
    (Wanted(words="BLURRY"), [1]),
    (Wanted(words="k7 (2019)"), [2]),
    (Wanted(words="a/ two"), [2, 1]),
    (Wanted(words="blurry merged"), []),
    (Wanted(actions=("exclude", "merge")), [3, 1]),
    (Wanted(authors=("an",), states=("holds",)), [2]),
    (Wanted(since=pd.Timestamp("2026-05-03")), [3]),
    (Wanted(since=pd.Timestamp("2026-05-02"), before=pd.Timestamp("2026-05-03")), [2, 1])])
def test_each_part_narrows_down(rows, wanted, found):
    assert matching(rows, wanted)["seq"].tolist() == found


def test_spans_of_time_are_on_the_persons_clock():
    now, first, last = pd.Timestamp("2026-05-08 15:30"), pd.Timestamp("2026-05-01"), pd.Timestamp("2026-05-02")
    assert between("any", now) == (None, None)
    assert between("hour", now) == (pd.Timestamp("2026-05-08 14:30"), None)
    assert between("today", now) == (pd.Timestamp("2026-05-08"), None)
    assert between("week", now) == (pd.Timestamp("2026-05-01 15:30"), None)
    assert between("dates", now) == (None, None)
    assert between("dates", now, first) == (first, None)
    assert between("dates", now, first, last) == (first, pd.Timestamp("2026-05-03"))
