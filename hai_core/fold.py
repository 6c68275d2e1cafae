"""fold(catalog, decisions) -> what the decisions add up to. A pure function of its two arguments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.anchors import Heirs, Places, classes_of
from hai_core.records import CLASS_ACTIONS, Decision
from hai_core.rules import NAMING_ACTIONS, ClassNames, Impossible, Stale
from hai_core.taxonomy import DROPPED, follow

# Actions of one field compete, the last one holds; those of different fields never touch each other.
FIELD = {"exclude": "exclusion", "restore": "exclusion", "relabel": "label", "label_ok": "label", "unsure": "label",
         "quality_ok": "quality", "tag": "tag"}


@dataclass(frozen=True)
class Curation:
    """What the live decisions say about each image (arrays of shape (N,), in the catalog's row order) and each class."""

    excluded: npt.NDArray[np.bool_]
    restored: npt.NDArray[np.bool_]  # was excluded and brought back
    label: npt.NDArray[np.object_]  # after relabels, then merges, renames and drops; '' when unlabelled or dropped
    relabeled: npt.NDArray[np.bool_]  # a relabel holds, to a class other than the catalog's
    unsure: npt.NDArray[np.bool_]
    tags: npt.NDArray[np.object_]  # '' for none
    reviewed: dict[str, npt.NDArray[np.bool_]]  # kind of finding -> a person has looked at it: noise, quality
    mapping: dict[str, str]  # catalog class -> final class, '' when dropped, in name order
    series: dict[str, str]  # final class -> series; classes without one are left out
    not_duplicates: set[frozenset[str]]  # pairs of paths that are in the catalog now
    keep_apart: set[frozenset[str]]  # pairs of final classes
    stale: list[tuple[Decision, str]]  # not applied: the image or class changed or is gone, and why
    impossible: list[tuple[Decision, str]]  # not applied: contradicts an earlier decision, and why


def fold(catalog: pd.DataFrame, decisions: Sequence[Decision]) -> Curation:
    """Apply decisions, in the order given (the journal's), to a catalog (columns path, label, sha256).

    For each image and field, and for each class, the last decision holds. Relabels apply before merges; merges are
    transitive. A decision that does not fit is listed in `stale` or `impossible` and has no effect.
    """
    places, heirs, names = Places(catalog, decisions), Heirs(catalog, decisions), ClassNames(classes_of(catalog))
    last: dict[str, dict[int, Decision]] = {field: {} for field in FIELD.values()}
    pairs: set[frozenset[str]] = set()
    stale: list[tuple[Decision, str]] = []
    impossible: list[tuple[Decision, str]] = []
    paths = catalog["path"]
    for decision in decisions:
        try:
            if decision.action in CLASS_ACTIONS:
                names.apply(heirs.resolve(decision))
                continue
            rows = places.rows(decision)
            if decision.action == "not_duplicates":
                pairs.add(frozenset(str(paths.iat[row]) for row in rows))
                continue
            named = heirs.resolve(decision)
            if decision.action == "relabel":
                names.apply(named)
            last[FIELD[decision.action]][rows[0]] = named
        except Stale as reason:
            stale.append((decision, str(reason)))
        except Impossible as reason:
            impossible.append((decision, str(reason)))
    original = catalog["label"].to_numpy(dtype=object)
    before_merges = _before_merges(original, last["label"])
    return Curation(
        excluded=_mask(len(catalog), last["exclusion"], "exclude"),
        restored=_mask(len(catalog), last["exclusion"], "restore"),
        label=_final(before_merges, names.successor),
        relabeled=before_merges != original,
        unsure=_mask(len(catalog), last["label"], "unsure"),
        tags=_tags(len(catalog), last["tag"]),
        reviewed={"noise": _mask(len(catalog), last["label"]), "quality": _mask(len(catalog), last["quality"])},
        mapping=names.mapping(),
        series=names.series(),
        not_duplicates={pair for pair in pairs if len(pair) == 2},
        keep_apart=names.keep_apart(),
        stale=stale,
        impossible=impossible,
    )


def _mask(size: int, last: dict[int, Decision], action: str = "") -> npt.NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    mask[[row for row, decision in last.items() if action in ("", decision.action)]] = True
    return mask


def _before_merges(original: npt.NDArray[np.object_], last: dict[int, Decision]) -> npt.NDArray[np.object_]:
    labels = original.copy()
    for row, decision in last.items():
        if decision.action == "relabel":
            labels[row] = decision.value
    return labels


def _final(labels: npt.NDArray[np.object_], successor: dict[str, str]) -> npt.NDArray[np.object_]:
    codes, present = pd.factorize(labels)
    finals = np.array([follow(name, successor) if name else DROPPED for name in present], dtype=object)
    taken: npt.NDArray[np.object_] = finals.take(codes)
    return taken


def _tags(size: int, last: dict[int, Decision]) -> npt.NDArray[np.object_]:
    tags = np.full(size, "", dtype=object)
    for row, decision in last.items():
        tags[row] = decision.value
    return tags


def inapplicable(catalog: pd.DataFrame, decisions: Sequence[Decision]) -> dict[int, str]:
    """Seq -> reason, of those class decisions and relabels whose classes do not allow them. Looks at no image."""
    return read_names(catalog, decisions)[1]


def read_names(catalog: pd.DataFrame, decisions: Iterable[Decision]) -> tuple[ClassNames, dict[int, str]]:
    """The class names after `decisions`, and seq -> reason of those that do not fit."""
    told = [decision for decision in decisions if decision.action in NAMING_ACTIONS]
    heirs, names = Heirs(catalog, told), ClassNames(classes_of(catalog))
    refused: dict[int, str] = {}
    for decision in told:
        try:
            names.apply(heirs.resolve(decision))
        except (Stale, Impossible) as reason:
            refused[decision.seq] = str(reason)
    return names, refused
