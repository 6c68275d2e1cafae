"""What a page cannot do without: shows how to get it, with the button, and stops the page until it is there."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core.workspace import Workspace
from pages.ui import loaders, progress
from pages.ui.words import say


def sought(kind: str) -> str:
    """What a kind of finding looks for, as said to people."""
    return say(f"needs.{kind}")


def index_command(workspace: Workspace) -> list[str]:
    return ["index", "-w", str(workspace.root)]


def find_command(workspace: Workspace, *kinds: str) -> list[str]:
    return ["find", *kinds, "-w", str(workspace.root)]


def catalog(workspace: Workspace) -> pd.DataFrame:
    """The catalog. Before the first indexing: says so, offers it, shows its progress, and stops the page."""
    if loaders.stamp(workspace.catalog / "catalog.parquet") is None:
        if not progress.runs(workspace, ("index", "demo")):
            st.info(say("needs.not_indexed"), icon=":material/photo_library:")
            progress.start_button(say("needs.index"), workspace, index_command(workspace), "need-index")
        progress.job_panel(workspace, ("index", "demo"), key="need-index")
        st.stop()
    return loaders.catalog(workspace)


def findings(kind: str, workspace: Workspace) -> pd.DataFrame:
    """The findings of a kind. Before the first search: says so, offers it, shows its progress, and stops the page."""
    table = loaders.findings(kind, workspace)
    if table is None:
        busy = progress.runs(workspace, ("find",))
        if not busy:
            what = sought(kind)
            st.info(say("needs.not_looked", what=what), icon=":material/search:")
            progress.start_button(say("needs.look", what=what), workspace, find_command(workspace, kind), f"need-{kind}")
        progress.job_panel(workspace, "find" if busy else f"find {kind}", ended=int(not busy), key=f"need-{kind}")
        st.stop()
    with st.container():  # always there, so that what stands below stays as it is when this goes
        if not loaders.findings_are_current(kind, workspace):
            _offer_again(kind, workspace)
    return table


def _offer_again(kind: str, workspace: Workspace) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/update: {say('needs.outdated')}", width="stretch")
        progress.start_button(say("needs.again"), workspace, find_command(workspace, kind), f"again-{kind}", primary=False)
    progress.job_panel(workspace, f"find {kind}", ended=0, key=f"again-{kind}")
