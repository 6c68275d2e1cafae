"""Features of a recipe's backbones for the images of a table, computed first where they are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hai_core import embeddings
from hai_core.catalog import locate
from hai_core.embeddings import View
from hai_core.members.data import Array, side_by_side


def ensure(images: Path, table: pd.DataFrame, backbones: Iterable[str], views: Sequence[View]) -> pd.DataFrame:
    """Compute what is missing for the rows of `table` (columns path, sha256), once for each content.

    Returns the rows without features, with their `reason`: not found, unreadable, or other bytes than the hash says.
    """
    reasons: dict[str, str] = {}
    for backbone in backbones:
        for view in views:
            missing = table[~embeddings.have(table["sha256"].tolist(), backbone, view=view)].drop_duplicates("sha256")
            places = locate(images, missing["path"].tolist())
            here = np.array([place is not None for place in places], dtype=bool)
            reasons |= dict.fromkeys(missing.loc[~here, "sha256"], f"not found under {images}")
            files = [str(place.relative_to(images)) for place in places if place is not None]
            found = missing[here].assign(file=files)
            report = embeddings.embed(images, found, backbone, view=view)
            hashes = dict(zip(found["file"], found["sha256"], strict=True))
            reasons |= {hashes[file]: reason for file, reason in report.failed}
    without = table[table["sha256"].isin(list(reasons))]
    return without.assign(reason=without["sha256"].map(reasons))


def of_recipe(sha256: Sequence[str], recipe: Sequence[str], view: View, own_length: bool) -> Array:
    """Features of a recipe, its backbones side by side (see `side_by_side`), shape (N, D)."""
    return side_by_side([embeddings.load(sha256, backbone, view=view) for backbone in recipe], own_length)
