"""Tiles for the gallery from catalog rows: what each image is called now, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from hai_core.fold import Curation
from hai_core.records import OK
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.words import say


def tiles(workspace: Workspace, paths: Iterable[str]) -> pd.DataFrame:
    """A row an image for `gallery`, in the order of `paths`; images that are no longer in the catalog are left out.

    The caption is the label as it is now; the badge, with its tone, the decision.
    """
    rows = loaders.rows(workspace, paths)
    curation = loaders.curation(workspace)
    at = rows.index.to_numpy()
    badge, tone = _badges(curation, at)
    return pd.DataFrame({"path": rows["path"].to_numpy(), "sha256": rows["sha256"].to_numpy(), "badge": badge, "tone": tone,
                         "label": curation.label[at],
                         "caption": np.where(curation.label[at] == "", rows["label"], curation.label[at])})


def _badges(curation: Curation, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Badge and tone of catalog rows; the strongest decision is shown."""
    state = [curation.excluded[at], curation.relabeled[at], curation.unsure[at], curation.reviewed["noise"][at]]
    return (np.select(state, [say(f"gallery.badge_{name}") for name in ("exclude", "relabel", "unsure", "label_ok")], ""),
            np.select(state, ["bad", "good", "warn", "good"], ""))


def members(workspace: Workspace, label: str) -> list[str]:
    """Paths of the readable images that carry `label` now and are not excluded."""
    catalog, curation = loaders.catalog(workspace), loaders.curation(workspace)
    return list(catalog["path"][(curation.label == label) & ~curation.excluded & (catalog["status"] == OK).to_numpy()])


def classes(workspace: Workspace) -> list[str]:
    """Final class names, in name order: what an image can be relabelled to."""
    return sorted({name for name in loaders.curation(workspace).mapping.values() if name})
