"""What differs between two curations of one catalog, in words: the preview of an undo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.fold import Curation

COLUMNS = ["path", "class", "what", "before", "after"]


def changes(catalog: pd.DataFrame, before: Curation, after: Curation) -> pd.DataFrame:
    """A row for each image (`path`) or class (`class`) and property (`what`) that differs; the other name is ''."""
    paths = catalog["path"]
    rows: list[tuple[str, str, str, str, str]] = []
    for what, old, new in zip(_WORDS, _by_image(before), _by_image(after), strict=True):
        rows += [(str(paths.iat[at]), "", what, str(old[at]), str(new[at])) for at in np.flatnonzero(old != new).tolist()]
    for what, was, now in (("final class", before.mapping, after.mapping), ("series", before.series, after.series)):
        names = sorted(name for name in was.keys() | now.keys() if was.get(name, "") != now.get(name, ""))
        rows += [("", name, what, was.get(name, ""), now.get(name, "")) for name in names]
    rows += [(first, "", "not duplicates", *_words((first, second), before.not_duplicates, after.not_duplicates))
             for first, second in map(sorted, before.not_duplicates ^ after.not_duplicates)]
    rows += [("", first, "keep apart", *_words((first, second), before.keep_apart, after.keep_apart))
             for first, second in map(sorted, before.keep_apart ^ after.keep_apart)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype="str")


_WORDS = ("excluded", "label", "unsure", "tag", "label reviewed", "quality reviewed")


def _by_image(curation: Curation) -> tuple[npt.NDArray[np.object_], ...]:
    return (_yes(curation.excluded), curation.label, _yes(curation.unsure), curation.tags,
            _yes(curation.reviewed["noise"]), _yes(curation.reviewed["quality"]))


def _yes(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    words: npt.NDArray[np.object_] = np.array(["", "yes"], dtype=object)[mask.astype(np.intp)]
    return words


def _words(pair: tuple[str, str], before: set[frozenset[str]], after: set[frozenset[str]]) -> tuple[str, str]:
    return tuple(pair[1] if frozenset(pair) in pairs else "" for pairs in (before, after))  # type: ignore[return-value]
