"""Decisions counted by time and author."""

from __future__ import annotations

import pandas as pd
import pytest

from pages.ui.activity import OTHERS, activity, local, per_hour


def batches(*rows, live=True):
    """A batch a row: time, author, decisions."""
    table = pd.DataFrame(rows, columns=["time", "author", "count"])
    return table.assign(live=live)


def test_times_are_those_of_the_persons_clock():
    shown = local(pd.Series(["2026-05-01T23:30:00.000+00:00", "2026-05-02T01:00:00+00:00"]), "Asia/Seoul")
    assert list(shown.astype(str)) == ["2026-05-02 08:30:00", "2026-05-02 10:00:00"]
    assert str(local(pd.Series(["2026-05-01T23:30:00+00:00"]), None)[0]) == "2026-05-01 23:30:00"


def test_decisions_of_one_author_and_hour_are_one_bar():
    table, step = activity(batches(("2026-05-01T10:05:00+00:00", "an", 3), ("2026-05-01T10:50:00+00:00", "an", 4),
                                   ("2026-05-01T10:55:00+00:00", "bo", 1), ("2026-05-01T12:00:00+00:00", "an", 2)), None)
    assert step == "hour"
    assert table[["author", "decisions"]].to_numpy().tolist() == [["an", 7], ["bo", 1], ["an", 2]]
    assert (table["end"] - table["start"] == pd.Timedelta(1, "h")).all()


@pytest.mark.parametrize(("last", "step", "starts", "ends"), [
    ("2026-05-02", "hour", "2026-05-02 00:00:00", "2026-05-02 01:00:00"),
    ("2026-05-20", "day", "2026-05-20 00:00:00", "2026-05-21 00:00:00"),
    ("2026-09-02", "week", "2026-08-31 00:00:00", "2026-09-07 00:00:00"),
    ("2028-02-20", "month", "2028-02-01 00:00:00", "2028-03-01 00:00:00")])
def test_the_longer_the_work_the_wider_the_bars(last, step, starts, ends):
    table, name = activity(batches(("2026-05-01T00:00:00+00:00", "an", 1), (f"{last}T00:30:00+00:00", "an", 2)), None)
    assert name == step
    assert [str(table["start"].iloc[-1]), str(table["end"].iloc[-1])] == [starts, ends]


def test_many_authors_share_a_colour_and_none_is_lost():
    table, _ = activity(batches(*(("2026-05-01T00:00:00+00:00", f"author {i}", i + 1) for i in range(12))), None)
    assert len(table) == 8
    assert table["decisions"].sum() == 78
    assert table.set_index("author")["decisions"][OTHERS] == 1 + 2 + 3 + 4 + 5


def test_what_was_undone_is_not_counted():
    undone = batches(("2026-05-01T00:00:00+00:00", "an", 5), live=False)
    assert activity(undone, None)[0].empty
    assert per_hour(undone, None) == 0


def test_a_usual_hour_is_the_median_of_the_hours_with_decisions():
    assert per_hour(batches(("2026-05-01T10:05:00+00:00", "an", 3), ("2026-05-01T10:06:00+00:00", "bo", 4),
                            ("2026-05-01T12:00:00+00:00", "an", 10), ("2026-05-01T15:00:00+00:00", "an", 500)), None) == 10
