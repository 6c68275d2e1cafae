"""The pace of a review: one person's, without the pauses."""

from __future__ import annotations

import pandas as pd
import pytest

from pages.ui.pace import RECENT, minutes_left, pace


def batches(seconds, author="me", count=1):
    """Batches made at these seconds of the day, as the journal lists them."""
    times = [(pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=s)).isoformat() for s in seconds]
    return pd.DataFrame({"time": times, "author": author, "count": count, "kind": "decide"})


def test_the_median_step_counts_and_a_pause_does_not():
    assert pace(batches([0, 2, 4, 9, 3609, 3611]), "me") == 2


def test_each_person_has_an_own_pace():
    both = pd.concat([batches(range(0, 50, 5)), batches(range(1, 100, 10), "other")]).sort_values("time")
    assert (pace(both, "me"), pace(both, "other")) == (5, 10)


def test_the_recent_pace_counts():
    slow = range(0, 50 * RECENT, 50)
    fast = range(50 * RECENT, 51 * RECENT + 1)
    assert pace(batches([*slow, *fast]), "me") == 1


def test_images_decided_on_together_share_the_time():
    together = batches([0, 20, 40, 60], count=10)
    assert pace(together, "me") == 20
    assert pace(together, "me", per_image=True) == 2


@pytest.mark.parametrize(("left", "minutes"), [(90, 6), (1, 1), (0, None)])
def test_minutes_left(left, minutes):
    assert minutes_left(batches([0, 4, 8, 12]), "me", left) == minutes


@pytest.mark.parametrize("seconds", [[], [0], [0, 1, 2], [0, 100, 200, 300, 400]])
def test_too_little_is_known(seconds):
    assert pace(batches(seconds), "me") is None
    assert minutes_left(batches(seconds), "me", 10) is None


def test_an_empty_journal(workspace):
    from hai_core.decisions import Journal

    assert pace(Journal(workspace).batches(), "me") is None
