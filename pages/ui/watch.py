"""What others decide meanwhile is seen without a click."""

from __future__ import annotations

import streamlit as st

from hai_core.workspace import Workspace
from pages.ui import fragments, loaders, state

SECONDS = 3.0


def seen(workspace: Workspace) -> None:
    """The page that is drawn now shows the journal as it is."""
    st.session_state[state.VERSION] = loaders.journal(workspace).version()


def watch(workspace: Workspace) -> None:
    """Draw the page anew when somebody else has written into the journal. What this session writes, it shows itself."""
    with st.container(key="watch"):
        fragments.draw(_look, workspace, run_every=SECONDS)


def _look(workspace: Workspace) -> None:
    if loaders.journal(workspace).version() != st.session_state.get(state.VERSION):
        st.rerun(scope="app")
