"""When decisions were made and by whom, as counts per hour, day, week or month. Pure functions of the journal's batches."""

from __future__ import annotations

import pandas as pd

STEPS = ((3, "hour"), (60, "day"), (420, "week"), (float("inf"), "month"))  # up to so many days -> what a bar is
NAMED = 7  # authors with a colour of their own; the others share one
OTHERS = ""


def local(times: pd.Series, zone: str | None) -> pd.Series:
    """ISO times in UTC as the clock of the time zone `zone` showed them (UTC without one), without a zone."""
    return pd.to_datetime(times, utc=True, format="ISO8601").dt.tz_convert(zone or "UTC").dt.tz_localize(None)


def activity(batches: pd.DataFrame, zone: str | None) -> tuple[pd.DataFrame, str]:
    """`start`, `end`, `author`, `decisions` for each step of time and author with decisions that hold, and what a step is
    called: hour, day, week or month, by how long the work has gone on. Authors beyond the busiest are OTHERS together.
    """
    made = batches[batches["live"]]
    when = local(made["time"], zone)
    days = (when.max() - when.min()).total_seconds() / 86400 if len(when) else 0
    name = next(name for most, name in STEPS if days <= most)
    if name in ("hour", "day"):
        start = when.dt.floor("h" if name == "hour" else "D")
        end = start + pd.Timedelta(1, name)
    else:
        period = when.dt.to_period("M" if name == "month" else "W")
        start, end = period.dt.start_time, period.dt.end_time.dt.ceil("D")
    busiest = made.groupby("author")["count"].sum().nlargest(NAMED).index
    author = made["author"].where(made["author"].isin(busiest), OTHERS)
    table = pd.DataFrame({"start": start, "end": end, "author": author, "decisions": made["count"]})
    return table.groupby(["start", "end", "author"], as_index=False)["decisions"].sum(), name


def per_hour(batches: pd.DataFrame, zone: str | None) -> float:
    """How many decisions that hold a usual hour with decisions saw: their median. 0 without any."""
    made = batches[batches["live"]]
    hours = made["count"].groupby(local(made["time"], zone).dt.floor("h")).sum()
    return float(hours.median()) if len(hours) else 0.0
