"""Open, create or try: what a person sees who has no workspace open yet."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core import jobs
from hai_core.workspace import InputError, Workspace, workspaces_root
from pages.ui import progress, state
from pages.ui.text import text

DEMO = "demo"


def show() -> None:
    st.title("Clean photos, better classifiers")
    st.markdown("HAI Workbench finds copies, wrong labels, bad photos and twin classes in a folder of photos. You decide with "
                "a click, every decision can be undone, and the cleaned images train an ensemble that shows what it confuses. "
                "**Your photos are only read, never changed.**")
    demo, own = st.columns(2, gap="large")
    with demo.container(border=True, height="stretch"):
        st.subheader("Try it on the demo")
        st.markdown("About 700 drawn vehicles in 24 look-alike classes, with planted faults of every kind. "
                    "The workbench tells you how many of them you found.")
        st.button("Open the demo", type="primary", on_click=open_demo, icon=":material/play_arrow:", key="open-demo")
    with own.container(border=True, height="stretch"):
        st.subheader("Start with your photos")
        _new("welcome")
    _open_other("welcome")


@st.dialog("New or other workspace", width="medium")
def dialog() -> None:
    _new("dialog")
    _open_other("dialog")
    if not (workspaces_root() / DEMO / "workspace.json").exists() and st.button("Open the demo", key="dialog-demo"):
        open_demo()
        st.rerun()


def _new(key: str) -> None:
    """Form for a new workspace: where the photos are, and a name."""
    folder = st.text_input("Folder with one folder of photos per class", key=f"{key}-images", placeholder="/home/me/car-photos")
    images = Path(folder).expanduser()
    name = st.text_input("Name of the workspace", key=f"{key}-name", placeholder=images.name if folder else "car-photos")
    with st.expander("Options"):
        labels = st.text_input("Labels file, if the labels are not the folders (CSV with columns path, label)",
                               key=f"{key}-labels")
        holdout = st.slider("Share of the images set aside to compare manifests", 0, 50, 15, format="%d %%",
                            key=f"{key}-holdout")
    if st.button("Create and index", type="primary" if key == "dialog" else "secondary", key=f"{key}-create",
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
    st.rerun()


def _open_other(key: str) -> None:
    with st.expander("Open a workspace that is somewhere else"):
        folder = st.text_input("Folder of the workspace", key=f"{key}-other")
        if st.button("Open", key=f"{key}-open", disabled=not folder):
            try:
                state.choose(Workspace.open(Path(folder).expanduser()).root)
            except InputError as refusal:
                st.error(text(refusal))
                return
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
