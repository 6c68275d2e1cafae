"""What a page cannot do without: shows how to get it, with the button, and stops the page until it is there."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core.workspace import Workspace
from pages.ui import loaders, progress

KINDS = {  # finding kind -> what it looks for, as said to people
    "duplicates": "copies of the same photo",
    "quality": "dark, blurry, blank and odd photos",
    "noise": "labels that are probably wrong",
    "outliers": "images unlike all others of their class",
    "clusters": "images that look alike, and a map of them",
    "merges": "classes that look like one and the same",
}


def index_command(workspace: Workspace) -> list[str]:
    return ["index", "-w", str(workspace.root)]


def find_command(workspace: Workspace, *kinds: str) -> list[str]:
    return ["find", *kinds, "-w", str(workspace.root)]


def catalog(workspace: Workspace) -> pd.DataFrame:
    """The catalog. Before the first indexing: says so, offers it, shows its progress, and stops the page."""
    if loaders.stamp(workspace.catalog / "catalog.parquet") is None:
        if not progress.runs(workspace, ("index", "demo")):
            st.info("The images are not indexed yet. Indexing reads every photo once: size, sharpness, hashes and a thumbnail.",
                    icon=":material/photo_library:")
            progress.start_button("Index the images", workspace, index_command(workspace), "need-index")
        progress.job_panel(workspace, ("index", "demo"), key="need-index")
        st.stop()
    return loaders.catalog(workspace)


def findings(kind: str, workspace: Workspace) -> pd.DataFrame:
    """The findings of a kind. Before the first search: says so, offers it, shows its progress, and stops the page."""
    table = loaders.findings(kind, workspace)
    if table is None:
        busy = progress.runs(workspace, ("find",))
        if not busy:
            st.info(f"Not looked for yet: {KINDS[kind]}.", icon=":material/search:")
            progress.start_button(f"Look for {KINDS[kind]}", workspace, find_command(workspace, kind), f"need-{kind}")
        progress.job_panel(workspace, "find" if busy else f"find {kind}", ended=int(not busy), key=f"need-{kind}")
        st.stop()
    if not loaders.findings_are_current(kind, workspace):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(":material/update: Images or labels have changed since this was looked for.", width="stretch")
            progress.start_button("Look again", workspace, find_command(workspace, kind), f"again-{kind}", primary=False)
        progress.job_panel(workspace, f"find {kind}", ended=0, key=f"again-{kind}")
    return table
