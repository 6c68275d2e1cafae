"""Every session key and URL parameter of the app, and what they hold."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from hai_core.workspace import InputError, Workspace, workspaces_root
from pages.ui.words import say

WORKSPACE = "workspace"  # str: folder of the chosen workspace
AUTHOR = "author"  # str: who decides, as written in the journal
NOTICE = "notice"  # pages.ui.toast.Notice: shown once on the next full run
PROBLEM = "problem"  # str: a refused request, shown above the page once on the next full run
SIMILAR = "similar"  # str: path of the image whose like are shown in a dialog
CREATING = "creating"  # bool: whether the dialog for another workspace is open
VERSION = "version"  # int: of the journal, up to which this session's pages show or have written everything
URL_WORKSPACE = "w"  # URL parameter: name of a workspace under the workspaces folder, or any other's full path


def author() -> str:
    """Who decides: as typed in the sidebar, else HAI_AUTHOR, else the account's name."""
    return st.session_state.get(AUTHOR) or os.environ.get("HAI_AUTHOR") or getpass.getuser()


def workspace() -> Workspace:
    """The chosen workspace. Without one, says where to choose and stops the page (app.py shows the welcome instead)."""
    _inside_the_app()
    chosen = current()
    if chosen is None:
        st.info(say("app.no_workspace"), icon=":material/folder_open:")
        st.stop()
    return chosen


def _inside_the_app() -> None:
    """Start again from app.py when Streamlit ran the page alone.

    It does so, as if this were an app of the old kind with a `pages` folder, when a server's very first visitor asks for
    a page other than the first. `st.navigation` clears the same flag.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()


def current() -> Workspace | None:
    """The chosen workspace: of this session, else of the URL, else HAI_WORKSPACE; None when none of them can be opened."""
    asked = st.session_state.get(WORKSPACE) or st.query_params.get(URL_WORKSPACE) or os.environ.get("HAI_WORKSPACE")
    if not asked:
        return None
    try:
        chosen = Workspace.open(workspaces_root() / asked)  # an absolute path replaces the left side
    except InputError as problem:
        st.session_state[PROBLEM] = str(problem)
        st.session_state.pop(WORKSPACE, None)
        return None
    choose(chosen.root)
    return chosen


def choose(root: Path) -> None:
    """Make `root` this session's workspace; the URL follows, so that a refresh or a shared link opens the same one."""
    st.session_state[WORKSPACE] = str(root)
    short = url_name(root)
    if st.query_params.get(URL_WORKSPACE) != short:
        st.query_params[URL_WORKSPACE] = short


def url_name(root: Path) -> str:
    return root.name if root.parent == workspaces_root().resolve() else str(root)


def known_workspaces() -> list[Path]:
    """Folders of the workspaces under the workspaces folder, in name order."""
    return sorted(file.parent.resolve() for file in workspaces_root().glob("*/workspace.json"))
