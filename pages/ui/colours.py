"""What the map of images can be coloured by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from hai_core.fold import Curation
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.plots import AMBER, BLUE, GREEN, RED, VIOLET, Colouring, hues

FAINT = "rgba(150,155,160,0.45)"
NONE = "none"


def by_names(names: np.ndarray, none: str = NONE) -> Colouring:
    """One colour a name; '', where there are any, in grey and called `none`."""
    found = sorted(set(names))
    grey = [FAINT] if "" in found else []
    return Colouring(pd.Index(found).get_indexer(pd.Index(names)), [name or none for name in found],
                     grey + hues(len(found) - len(grey)))


def by_cluster(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    numbers = sorted(points["cluster"].unique())
    code = pd.Index(numbers).get_indexer(pd.Index(points["cluster"]))
    return Colouring(code, [f"cluster {n}" for n in numbers], hues(len(numbers)))


def by_class(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    return by_names(curation.label[points["row"]], "no class")


def by_series(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    labels = curation.label[points["row"]]
    return by_names(pd.Series(labels).map(curation.series).fillna("").to_numpy(object), "no series")


def by_decision(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring:
    row = points["row"]
    return _states([curation.excluded[row], curation.relabeled[row], curation.unsure[row], curation.reviewed["noise"][row]],
                   ["excluded", "relabelled", "unsure", "label confirmed"], [RED, BLUE, AMBER, GREEN], "undecided")


def by_noise(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    noise = _aligned("noise", points, workspace)
    if noise is None:
        return None
    flagged = noise["flagged"].fillna(False).to_numpy(bool)
    seen = curation.reviewed["noise"][points["row"]]
    return _states([flagged & ~seen, flagged & seen], ["label in doubt", "in doubt, reviewed"], [RED, GREEN], "label fits")


def by_outlier(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    outliers = _aligned("outliers", points, workspace)
    if outliers is None:
        return None
    score = outliers["score"].to_numpy(float)
    return _states([score < 0.1, score < 0.25, score < 0.5], ["far from everything (< 0.1)", "0.1 to 0.25", "0.25 to 0.5"],
                   [RED, AMBER, VIOLET], "typical")


def by_duplicate(points: pd.DataFrame, curation: Curation, workspace: Workspace) -> Colouring | None:
    copies = _aligned("duplicates", points, workspace)
    if copies is None:
        return None
    grouped = copies["group"].notna().to_numpy()
    across = copies["cross_class"].fillna(False).to_numpy(bool)
    keep = copies["keep"].fillna(False).to_numpy(bool)
    return _states([grouped & across, grouped & keep, grouped], ["copies in two classes", "has copies", "copy"],
                   [RED, BLUE, AMBER], "no copy")


def _aligned(kind: str, points: pd.DataFrame, workspace: Workspace) -> pd.DataFrame | None:
    """The findings of the points, in their order; None when the kind was never computed."""
    found = loaders.findings(kind, workspace)
    return None if found is None else found.set_index("path").reindex(points["path"])


def _states(masks: Sequence[np.ndarray], names: Sequence[str], colours: Sequence[str], otherwise: str) -> Colouring:
    code = np.select(masks, range(1, len(masks) + 1), 0)
    return Colouring(code, [otherwise, *names], [FAINT, *colours])


# The choices, in the page's order: how, and the kind of finding that it needs (then it gives None while there is none).
COLOURINGS: dict[str, tuple[Callable[[pd.DataFrame, Curation, Workspace], Colouring | None], str]] = {
    "Class": (by_class, ""),
    "Series": (by_series, ""),
    "Cluster": (by_cluster, ""),
    "Decision": (by_decision, ""),
    "Noise": (by_noise, "noise"),
    "Outlier": (by_outlier, "outliers"),
    "Duplicate": (by_duplicate, "duplicates"),
}
