"""What the map of images can be coloured by."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hai_core.fold import Curation
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.plots import AMBER, BLUE, GREEN, RED, VIOLET
from pages.ui.words import say

FAINT = "#969ba0"  # drawn weakly, below all else (image_map.js knows it)
MOST = 10_000  # names that have a colour of their own; the images of rarer ones share one
STEPS = 20  # of a continuous colouring
_RAMP = [(178, 34, 58), (226, 110, 50), (236, 190, 92), (120, 178, 140), (36, 105, 127)]  # low to high, light and dark alike


@dataclass(frozen=True)
class Colouring:
    """What the points of a map are coloured by: `code` (N,) is each point's place among `names` and `colours` (#rrggbb)."""

    code: npt.NDArray[np.int64]
    names: Sequence[str]
    colours: Sequence[str]


def hues(n: int) -> list[str]:
    """`n` colours of which any two that follow each other differ clearly (steps of the golden angle)."""
    return [_hex(colorsys.hls_to_rgb((210 + 137.508 * i) % 360 / 360, 0.50 + 0.08 * (i % 3 - 1), 0.56 - 0.12 * (i % 2)))
            for i in range(n)]


def ramp(n: int) -> list[str]:
    """`n` colours from the worst (red) to the best (blue)."""
    at = np.linspace(0, len(_RAMP) - 1, n)
    channels = np.stack([np.interp(at, range(len(_RAMP)), channel) for channel in zip(*_RAMP, strict=True)], axis=1) / 255
    return [_hex(colour) for colour in channels.tolist()]


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colour)


def by_names(names: npt.NDArray[np.object_], none: str, most: int = MOST) -> Colouring:
    """One colour a name, in name order; '' first, in grey and called `none`. Names but the `most` frequent share a colour."""
    code, found = pd.factorize(names, sort=True)
    grey = int(len(found) > 0 and found[0] == "")
    shown = [name or none for name in found.tolist()]
    if len(found) > most:
        kept = np.sort(np.argsort(-np.bincount(code), kind="stable")[:most])
        to = np.full(len(found), most)
        to[kept] = np.arange(most)
        code, shown = to[code], [*(shown[i] for i in kept), say("clusters.rarer")]
        grey = int(grey and kept[0] == 0)
    return Colouring(code.astype(np.int64), shown, [FAINT] * grey + hues(len(shown) - grey))


def by_cluster(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    """Clusters are numbered by falling size, so that the last of many share a colour."""
    cluster = np.minimum(points["cluster"].to_numpy(), MOST)
    numbers, code = np.unique(cluster, return_inverse=True)
    names = [say("clusters.cluster_n", n=n) if n < MOST else say("clusters.rarer") for n in numbers.tolist()]
    return Colouring(code, names, hues(len(names)))


def by_class(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    return by_names(curation.label[points["row"]], say("clusters.no_class"))


def by_series(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    labels = pd.Series(curation.label[points["row"]])
    return by_names(labels.map(curation.series).fillna("").to_numpy(object), say("clusters.no_series"))


def by_decision(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    row = points["row"]
    return _states([curation.excluded[row], curation.relabeled[row], curation.unsure[row], curation.reviewed["noise"][row]],
                   ["excluded", "relabelled", "unsure", "confirmed"], [RED, BLUE, AMBER, GREEN], "undecided")


def by_noise(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    noise = _aligned("noise", points, workspace)
    if noise is None:
        return None
    flagged = noise["flagged"].fillna(False).to_numpy(bool)
    seen = curation.reviewed["noise"][points["row"]]
    return _states([flagged & ~seen, flagged & seen], ["in_doubt", "in_doubt_reviewed"], [RED, GREEN], "label_fits")


def by_confidence(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    """Probability of the given label, out of fold, in STEPS shades."""
    noise = _aligned("noise", points, workspace)
    if noise is None:
        return None
    value = noise["self_confidence"].to_numpy(float)
    known = ~np.isnan(value)
    step = np.clip(np.nan_to_num(value) * STEPS, 0, STEPS - 1).astype(np.int64)
    names = [f"{low / STEPS:.2f} – {(low + 1) / STEPS:.2f}" for low in range(STEPS)]
    return Colouring(np.where(known, step + 1, 0), [say("clusters.unknown"), *names], [FAINT, *ramp(STEPS)])


def by_outlier(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    outliers = _aligned("outliers", points, workspace)
    if outliers is None:
        return None
    score = outliers["score"].to_numpy(float)
    return _states([score < 0.1, score < 0.25, score < 0.5], ["far", "less_far", "rather_far"], [RED, AMBER, VIOLET], "typical")


def by_duplicate(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    copies = _aligned("duplicates", points, workspace)
    if copies is None:
        return None
    grouped = copies["group"].notna().to_numpy()
    across = copies["cross_class"].fillna(False).to_numpy(bool)
    keep = copies["keep"].fillna(False).to_numpy(bool)
    return _states([grouped & across, grouped & keep, grouped], ["copies_across", "has_copies", "copy"], [RED, BLUE, AMBER],
                   "no_copy")


def by_fold(points: pd.DataFrame, run: Path) -> Colouring:
    """The fold of a finished run in which each image was answered for; holdout and other images are in none."""
    file = run / "oof.parquet"
    of_point = _folds(file, loaders.stamp(file)).reindex(points["path"]).to_numpy(float)
    numbers = np.unique(of_point[~np.isnan(of_point)])
    code = np.where(np.isnan(of_point), 0, np.searchsorted(numbers, np.nan_to_num(of_point)) + 1)
    names = [say("clusters.fold_n", n=int(number) + 1) for number in numbers]
    return Colouring(code, [say("clusters.no_fold"), *names], [FAINT, *hues(len(names))])


@st.cache_resource(max_entries=4, show_spinner=False)
def _folds(file: Path, stamp: object) -> pd.Series:
    return pd.read_parquet(file, columns=["path", "fold"]).set_index("path")["fold"]


def _aligned(kind: str, points: pd.DataFrame, workspace: Workspace) -> pd.DataFrame | None:
    """The findings of the points, in their order; None when the kind was never computed."""
    found = loaders.findings(kind, workspace)
    return None if found is None else found.set_index("path").reindex(points["path"])


def _states(masks: Sequence[np.ndarray], names: Sequence[str], colours: Sequence[str], otherwise: str) -> Colouring:
    """`names`, `otherwise`: keys of the page's texts; the first mask that holds decides."""
    code = np.select(masks, range(1, len(masks) + 1), 0)
    return Colouring(code, [say(f"clusters.{name}") for name in (otherwise, *names)], [FAINT, *colours])


Paint = Callable[[pd.DataFrame, Curation, Workspace], Colouring | None]
FOLD = "fold"  # needs a run beside
# The choices, in the page's order: how, and the kind of finding that it needs (then it gives None while there is none).
COLOURINGS: dict[str, tuple[Paint, str]] = {
    "class": (by_class, ""),
    "series": (by_series, ""),
    "cluster": (by_cluster, ""),
    "decision": (by_decision, ""),
    "confidence": (by_confidence, "noise"),
    "noise": (by_noise, "noise"),
    "outlier": (by_outlier, "outliers"),
    "duplicate": (by_duplicate, "duplicates"),
}
