"""What detectors look at: the readable images with their labels as they are now, and their features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import catalog, progress
from hai_core.decisions import Curation, Journal, fold
from hai_core.records import OK
from hai_core.workspace import InputError, Workspace


@dataclass(frozen=True)
class Images:
    """`table`: catalog rows of the readable images, RangeIndex, `label` as decisions left it; `excluded` (N,)."""

    table: pd.DataFrame
    excluded: npt.NDArray[np.bool_]
    curation: Curation

    def only(self, rows: npt.NDArray[np.bool_]) -> Images:
        return Images(self.table[rows].reset_index(drop=True), self.excluded[rows], self.curation)


def curated(workspace: Workspace) -> tuple[pd.DataFrame, Curation]:
    """The catalog with labels as decisions left them, and the curation that did."""
    table = catalog.load(workspace)
    curation = fold(table, Journal(workspace).live())
    return table.assign(label=pd.Series(curation.label, dtype="str")), curation


def readable(workspace: Workspace) -> Images:
    """Raises InputError when there is no readable image."""
    return _readable(*curated(workspace), workspace.images)


def _readable(table: pd.DataFrame, curation: Curation, root: Path) -> Images:
    rows = (table["status"] == OK).to_numpy()
    if not rows.any():
        raise InputError(f"none of the {len(table)} images of {root} can be read")
    return Images(table[rows].reset_index(drop=True), curation.excluded[rows], curation)


def folder(images: Path) -> Images:
    """The readable images of a folder that is no workspace. Raises InputError when there is none."""
    table = catalog.scan(images, catalog.folder_store(images))
    return _readable(table, fold(table, []), images)


def with_features(root: Path, images: Images, backbone: str) -> tuple[Images, npt.NDArray[np.float32]]:
    """The images and their features (N, D) of length 1, computed where they are missing.

    `backbone` may be several, joined by '+': their features, each of length 1, side by side. Images whose file has changed
    or gone since the index was made have no features and are left out, which is said.
    """
    from hai_core import embeddings
    from hai_core.neighbors import normalize

    names = backbone.split("+")
    usable = np.ones(len(images.table), dtype=bool)
    for name in names:
        embeddings.embed(root, images.table[["file", "sha256"]], name)
        usable &= embeddings.have(images.table["sha256"].tolist(), name)
    if not usable.any():
        raise InputError(f"none of the images of {root} is as it was when it was indexed; index them again")
    if not usable.all():
        progress.say(f"left out: {int((~usable).sum())} images that changed since they were indexed; index them again")
        images = images.only(usable)
    sha256 = images.table["sha256"].tolist()
    parts = [normalize(embeddings.load(sha256, name)) for name in names]
    return images, normalize(np.concatenate(parts, axis=1)) if len(parts) > 1 else parts[0]
