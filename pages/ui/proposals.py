"""Which merge proposals are still open."""

from __future__ import annotations

from collections.abc import Set

import pandas as pd

from hai_core.fold import Curation


def pending(proposals: pd.DataFrame, curation: Curation, skipped: Set[frozenset[str]]) -> pd.DataFrame:
    """Proposals that are still open, best first, about the classes as they are called now.

    Left out: pairs that are one class by now, of which one was dropped, that are to stay apart, or that are in `skipped`.
    """
    now = proposals.copy()
    for column in ("class_a", "class_b"):
        now[column] = [curation.mapping.get(name, name) for name in proposals[column]]
    now["pair"] = [frozenset(pair) for pair in zip(now["class_a"], now["class_b"], strict=True)]
    now = now.sort_values("score", ascending=False, kind="stable").drop_duplicates("pair")
    settled = curation.keep_apart | skipped
    is_open = [len(pair) == 2 and "" not in pair and pair not in settled for pair in now["pair"]]
    return now[is_open].reset_index(drop=True)
