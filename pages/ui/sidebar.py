"""Around every page: which workspace is open, who decides, and one click to take the last decision back."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core.workspace import Workspace
from pages.ui import decide, state, welcome
from pages.ui.text import text
from pages.ui.words import LANGUAGE, LANGUAGES, language, say

_PICKED = "picked-workspace"


def show(workspace: Workspace | None) -> None:
    with st.sidebar:
        _picker(workspace)
        if workspace is not None:
            _undo(workspace)
            with st.popover(say("sidebar.deciding_as", name=text(state.author())), type="tertiary", icon=":material/person:"):
                st.text_input(say("sidebar.your_name"), value=state.author(), key="author-input",
                              on_change=_set_author)
        _language()


def _language() -> None:
    st.selectbox(say("sidebar.language"), list(LANGUAGES), index=list(LANGUAGES).index(language()), key="language-picked",
                 format_func=LANGUAGES.__getitem__, on_change=_set_language)


def _set_language() -> None:
    st.session_state[LANGUAGE] = st.session_state["language-picked"]


def _picker(workspace: Workspace | None) -> None:
    roots = state.known_workspaces()
    if workspace is not None and workspace.root not in roots:
        roots.append(workspace.root)
    if roots:
        st.session_state[_PICKED] = workspace.root if workspace else None
        st.selectbox(say("sidebar.workspace"), roots, key=_PICKED, format_func=state.url_name, on_change=_pick,
                     placeholder=say("sidebar.choose"))
    if workspace is not None:
        st.button(say("sidebar.new"), type="tertiary", icon=":material/add:", on_click=welcome.ask)
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
        st.button(say("sidebar.undo", note=text(batch["note"])), key="undo-last", icon=":material/undo:", width="stretch",
                  on_click=decide.undo_last, args=(workspace,), help=f"{text(batch['note'])}  \n{say('sidebar.undo_help')}")
