"""What undoing a batch would do: which properties of images and classes differ afterwards, and which decision forbids it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.fold import Curation, inapplicable
from hai_core.records import Decision
from hai_core.rules import SUCCESSOR_ACTIONS

COLUMNS = ["path", "class", "what", "before", "after"]


def changes(catalog: pd.DataFrame, before: Curation, after: Curation) -> pd.DataFrame:
    """A row for each image (`path`) or class (`class`) and property (`what`) that differs; the other name is ''."""
    parts = [_by_image(catalog["path"], what, old, new)
             for what, old, new in zip(_WORDS, _properties(before), _properties(after), strict=True)]
    rows: list[tuple[str, str, str, str, str]] = []
    for what, was, now in (("final class", before.mapping, after.mapping), ("series", before.series, after.series)):
        names = sorted(name for name in was.keys() | now.keys() if was.get(name, "") != now.get(name, ""))
        rows += [("", name, what, was.get(name, ""), now.get(name, "")) for name in names]
    rows += [(first, "", "not duplicates", *_words((first, second), before.not_duplicates, after.not_duplicates))
             for first, second in map(sorted, before.not_duplicates ^ after.not_duplicates)]
    rows += [("", first, "keep apart", *_words((first, second), before.keep_apart, after.keep_apart))
             for first, second in map(sorted, before.keep_apart ^ after.keep_apart)]
    return pd.concat([*parts, pd.DataFrame(rows, columns=COLUMNS, dtype="str")], ignore_index=True)


def first_prevented(catalog: pd.DataFrame, live: Sequence[Decision], batch: str) -> tuple[Decision, str] | None:
    """The first decision that is possible now and would not be with the batch undone, and why; None when there is none."""
    if not any(decision.batch == batch and decision.action in SUCCESSOR_ACTIONS for decision in live):
        return None  # nothing else depends on the others
    rest = [decision for decision in live if decision.batch != batch]
    before, after = inapplicable(catalog, live), inapplicable(catalog, rest)
    return next(((one, after[one.seq]) for one in rest if one.seq in after and one.seq not in before), None)


_WORDS = ("excluded", "label", "unsure", "tag", "label reviewed", "quality reviewed")


def _properties(curation: Curation) -> tuple[npt.NDArray[np.object_], ...]:
    return (_yes(curation.excluded), curation.label, _yes(curation.unsure), curation.tags,
            _yes(curation.reviewed["noise"]), _yes(curation.reviewed["quality"]))


def _by_image(paths: pd.Series, what: str, old: npt.NDArray[np.object_], new: npt.NDArray[np.object_]) -> pd.DataFrame:
    at = np.flatnonzero(old != new)
    return pd.DataFrame({"path": paths.to_numpy()[at], "class": "", "what": what, "before": old[at], "after": new[at]},
                        columns=COLUMNS, dtype="str")


def _yes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    words: npt.NDArray[np.object_] = np.array(["", "yes"], dtype=object)[mask.astype(np.intp)]
    return words


def _words(pair: tuple[str, str], before: set[frozenset[str]], after: set[frozenset[str]]) -> tuple[str, str]:
    return tuple(pair[1] if frozenset(pair) in pairs else "" for pairs in (before, after))  # type: ignore[return-value]
