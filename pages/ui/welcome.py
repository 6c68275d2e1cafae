"""Open, create or try: what a person sees who has no workspace open yet."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core import jobs
from hai_core.workspace import InputError, Workspace, workspaces_root
from pages.ui import progress, state
from pages.ui.text import text
from pages.ui.words import say

DEMO = "demo"


def show() -> None:
    st.title(say("welcome.title"))
    st.markdown(say("welcome.about"))
    demo, own = st.columns(2, gap="large")
    with demo.container(border=True, height="stretch"):
        st.subheader(say("welcome.demo"))
        st.markdown(say("welcome.demo_about"))
        st.button(say("welcome.open_demo"), type="primary", on_click=open_demo, icon=":material/play_arrow:", key="open-demo")
    with own.container(border=True, height="stretch"):
        st.subheader(say("welcome.own"))
        _new("welcome")
    _open_other("welcome")


def dialog() -> None:
    """The same in a dialog, while `state.CREATING` is set."""
    if st.session_state.get(state.CREATING):
        st.dialog(say("welcome.dialog"), width="medium", on_dismiss=_leave)(_dialog)()


def ask() -> None:
    st.session_state[state.CREATING] = True


def _leave() -> None:
    st.session_state.pop(state.CREATING, None)


def _dialog() -> None:
    _new("dialog")
    _open_other("dialog")
    if not (workspaces_root() / DEMO / "workspace.json").exists() and st.button(say("welcome.open_demo"), key="dialog-demo"):
        open_demo()
        _leave()
        st.rerun()


def _new(key: str) -> None:
    """Form for a new workspace: where the photos are, and a name."""
    folder = st.text_input(say("welcome.images"), key=f"{key}-images", placeholder="/home/me/car-photos")
    images = Path(folder).expanduser()
    name = st.text_input(say("welcome.name"), key=f"{key}-name", placeholder=images.name if folder else "car-photos")
    with st.expander(say("welcome.options")):
        labels = st.text_input(say("welcome.labels"), key=f"{key}-labels")
        holdout = st.slider(say("welcome.holdout"), 0, 50, 15, format="%d %%", key=f"{key}-holdout")
    if st.button(say("welcome.create"), type="primary" if key == "dialog" else "secondary", key=f"{key}-create",
                 disabled=not folder):
        _create(name.strip() or images.name, images, labels.strip(), holdout / 100)


def _create(name: str, images: Path, labels: str, holdout: float) -> None:
    try:
        if "/" in name or name.startswith("."):
            raise InputError(f"the name {name!r} is not a folder name")
        workspace = Workspace.create(workspaces_root() / name, images, Path(labels).expanduser() if labels else None, holdout)
    except InputError as refusal:
        st.error(text(refusal))
        return
    progress.start(workspace, ["index", "-w", str(workspace.root)])
    state.choose(workspace.root)
    _leave()
    st.rerun()


def _open_other(key: str) -> None:
    with st.expander(say("welcome.other")):
        folder = st.text_input(say("welcome.other_folder"), key=f"{key}-other")
        if st.button(say("welcome.open"), key=f"{key}-open", disabled=not folder):
            try:
                state.choose(Workspace.open(Path(folder).expanduser()).root)
            except InputError as refusal:
                st.error(text(refusal))
                return
            _leave()
            st.rerun()


def open_demo() -> None:
    """Choose the demo workspace; the first time, make it and start the job that draws and indexes its images."""
    root = workspaces_root() / DEMO
    if not (root / "workspace.json").exists():
        data = workspaces_root() / f"{DEMO}-data"
        try:
            data.mkdir(parents=True, exist_ok=True)
            workspace = Workspace.create(root, data)  # the command points it to data/images when these are drawn
        except InputError as refusal:  # the folder holds something else
            st.session_state[state.PROBLEM] = str(refusal)
            return
        jobs.start(workspace, ["demo", str(data), "-w", str(workspace.root)])
    state.choose(root.resolve())
