"""What a manifest built now would hold, and how two of them differ; both are cached."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import streamlit as st

from hai_core import manifest as manifests
from hai_core.holdout import choose_holdout, stored_holdout
from hai_core.manifest import Manifest
from hai_core.records import OK
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders


@dataclass(frozen=True)
class Preview:
    """What a build would give now: its digest and counts, or the sentence that says why there can be none."""

    digest: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""
    first: bool = False  # whether it would choose the holdout


def preview(workspace: Workspace) -> Preview:
    files = (workspace.catalog / "catalog.parquet", workspace.findings / "duplicates.parquet", workspace.holdout_file)
    return _preview(workspace, (workspace.id, loaders.journal(workspace).version(), *map(loaders.stamp, files)))


@st.cache_data(max_entries=4, show_spinner=False)
def _preview(_workspace: Workspace, key: tuple[object, ...]) -> Preview:
    catalog, curation = loaders.catalog(_workspace), loaders.curation(_workspace)
    copies = loaders.findings("duplicates", _workspace)
    groups = None if copies is None else copies.set_index("path")["group"]
    holdout = stored_holdout(_workspace)
    try:
        manifest = manifests.build(catalog, curation, groups=groups, holdout=holdout or [])
        if holdout is None:
            chosen = choose_holdout(manifest.table, _workspace.holdout, _workspace.seed)
            manifest = manifests.build(catalog, curation, groups=groups, holdout=chosen)
    except InputError as problem:
        return Preview(problem=str(problem))
    return Preview(manifest.digest, manifests.counts(manifest, catalog, curation), first=holdout is None)


def emptied(workspace: Workspace) -> list[str]:
    """Final classes without a usable image outside the holdout: each must be dropped or merged, or get an image back."""
    catalog, curation = loaders.catalog(workspace), loaders.curation(workspace)
    usable = (catalog["status"] == OK).to_numpy() & ~curation.excluded
    usable &= ~catalog["sha256"].isin(stored_holdout(workspace) or []).to_numpy()
    return sorted(set(curation.mapping.values()) - {""} - set(curation.label[usable]))


@st.cache_data(max_entries=32, show_spinner=False)
def difference(old: str, new: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """By image and by class. Manifest folders are named by their content, so a pair of them always differs in the same way."""
    a, b = manifest(old), manifest(new)
    return manifests.diff(a, b), manifests.class_diff(a, b)


@st.cache_data(max_entries=512, show_spinner=False)
def change_counts(old: str, new: str) -> dict[str, int]:
    """How many images changed in which way from one manifest folder to another. Raises InputError when one is damaged."""
    return {str(change): int(images) for change, images in difference(old, new)[0]["change"].value_counts().items()}


@st.cache_resource(max_entries=8, show_spinner=False)
def manifest(folder: str) -> Manifest:
    return manifests.load(Path(folder))
