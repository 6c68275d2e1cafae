"""How a map of images is made, and the button that makes it."""

from __future__ import annotations

import streamlit as st

from hai_core import backbones, nearest, projection
from hai_core.findings.detectors import ALL_PACKAGED
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.progress import duration, start_button
from pages.ui.text import text
from pages.ui.words import count, say

PROJECTIONS = ("tsne", "umap", "pca")
RUN = "run:"  # before the name of a run among the choices


def features(workspace: Workspace) -> list[str]:
    """What a map can be made by: backbones that have features already, those that come with the program, finished runs."""
    stored = [file.parent.name.rpartition("-center-")[0] for file in nearest.indexes()]
    runs = sorted((file.parent.name for file in workspace.runs.glob("*/metrics.json")), reverse=True)
    names = dict.fromkeys([backbones.DEFAULT, *stored, *backbones.PACKAGED, ALL_PACKAGED])
    return [*names, *(RUN + run for run in runs)]


def arguments(workspace: Workspace, method: str, by: str, clusters: int | None) -> list[str]:
    """The command that makes the map."""
    argv = ["find", "clusters", "-w", str(workspace.root), "--projection", method]
    if by.startswith(RUN):
        argv += ["--run", by.removeprefix(RUN)]
    elif by != backbones.DEFAULT:
        argv += ["--backbone", by]
    return argv if clusters is None else [*argv, "--clusters", str(clusters)]


def new_map(workspace: Workspace, label: str) -> None:
    """The choices of a map and the button that computes it."""
    method = st.segmented_control(say("clusters.projection"), PROJECTIONS, default="tsne", key="clusters.projection",
                                  required=True, wrap=True, format_func=lambda name: say(f"clusters.{name}"))
    images = int((loaders.catalog(workspace)["status"] == "ok").sum())
    st.caption(say("clusters.takes", about=say(f"clusters.{method}_about"), images=count(images, "image"),
                   time=duration(projection.seconds(method, images))))
    by = st.selectbox(say("clusters.features"), features(workspace), key="clusters.features", accept_new_options=True,
                      help=say("clusters.features_help"), format_func=_called)
    own = st.toggle(say("clusters.own_number"), key="clusters.own", help=say("clusters.own_number_help"))
    number = st.number_input(say("clusters.clusters"), 2, 100_000, 50, key="clusters.number") if own else None
    start_button(label, workspace, arguments(workspace, method, by, number), key="clusters.find")


def _called(choice: str) -> str:
    return say("clusters.of_run", run=text(choice.removeprefix(RUN))) if choice.startswith(RUN) else choice
