"""Around every page: which workspace is open, who decides, and one click to take the last decision back."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core.workspace import Workspace
from pages.ui import decide, state, welcome
from pages.ui.text import text

_PICKED = "picked-workspace"


def show(workspace: Workspace | None) -> None:
    with st.sidebar:
        _picker(workspace)
        if workspace is not None:
            _undo(workspace)
            with st.popover(f"Deciding as {text(state.author())}", type="tertiary", icon=":material/person:"):
                st.text_input("Your name, as written in the journal", value=state.author(), key="author-input",
                              on_change=_set_author)


def _picker(workspace: Workspace | None) -> None:
    roots = state.known_workspaces()
    if workspace is not None and workspace.root not in roots:
        roots.append(workspace.root)
    if roots:
        st.session_state[_PICKED] = workspace.root if workspace else None
        st.selectbox("Workspace", roots, key=_PICKED, format_func=state.url_name, on_change=_pick, placeholder="Choose one")
    if workspace is not None and st.button("New or other workspace…", type="tertiary", icon=":material/add:"):
        welcome.dialog()


def _pick() -> None:
    root: Path | None = st.session_state[_PICKED]
    if root is not None:
        state.choose(root)


def _set_author() -> None:
    st.session_state[state.AUTHOR] = st.session_state["author-input"].strip()


def _undo(workspace: Workspace) -> None:
    batch = decide.last_batch(workspace)
    if batch is not None:
        st.button(f"Undo: {text(batch['note'])}", key="undo-last", icon=":material/undo:", on_click=decide.undo,
                  args=(workspace, batch["id"]), width="stretch",
                  help="Takes the last decisions back. The Journal page undoes any.")
