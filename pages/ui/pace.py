"""How long what is left of a review takes, at the pace of one person's last decisions."""

from __future__ import annotations

import pandas as pd

PAUSE = 60.0  # seconds between two decisions beyond which the person was away
RECENT = 40  # entries of the journal that the pace is taken from
FEWEST = 3  # steps from one decision to the next without which there is no pace


def pace(batches: pd.DataFrame, author: str, *, per_image: bool = False) -> float | None:
    """Median seconds from one decision of `author` to the next, of the last RECENT; None when there are too few.

    `batches`: as `journal.batches()` lists them. A batch is one decision, however many images it is about; `per_image` shares
    its time among them. Undo is part of the work. Steps longer than PAUSE are left out.
    """
    own = batches[batches["author"] == author].tail(RECENT)
    steps = pd.to_datetime(own["time"], utc=True, format="ISO8601").diff().dt.total_seconds()
    each = steps / own["count"].clip(lower=1) if per_image else steps
    each = each[steps.between(0, PAUSE)]
    return float(each.median()) if len(each) >= FEWEST else None


def minutes_left(batches: pd.DataFrame, author: str, left: int, *, per_image: bool = False) -> int | None:
    """Minutes, at least 1, that `left` more decisions (or images) take at that pace; None without a pace or with none left."""
    seconds = pace(batches, author, per_image=per_image)
    return None if seconds is None or not left else max(1, round(seconds * left / 60))
