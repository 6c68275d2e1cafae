"""Catalogs and workspaces made by hand, without image files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hai_core.records import OK, ImageRecord, columns
from hai_core.workspace import Workspace, digest


def catalog_of(contents: dict[str, str], unreadable: tuple[str, ...] = ()) -> pd.DataFrame:
    """A catalog of path -> content (any word; the same word is the same bytes), labelled by folder."""
    paths = sorted(contents)
    table = pd.DataFrame({
        "path": paths,
        "label": [path.split("/")[0] if "/" in path else "" for path in paths],
        "status": ["unreadable" if path in unreadable else OK for path in paths],
        "sha256": [digest(contents[path]) for path in paths],
    }, dtype="str")
    return table.reindex(columns=columns(ImageRecord), fill_value="")


def classes_of(*names: str, images: int = 3) -> dict[str, str]:
    """Contents of `images` files 1.jpg, 2.jpg, ... in each class folder, all different."""
    return {f"{name}/{number}.jpg": f"{name} {number}" for name in names for number in range(1, images + 1)}


def workspace_at(folder: Path, holdout: float = 0.0) -> Workspace:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    return Workspace.create(folder / "workspace", folder / "images", holdout=holdout)
