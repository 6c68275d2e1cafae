"""Training: start an ensemble on a manifest, watch it learn, compare what came out."""

from __future__ import annotations

import re
import shlex

import pandas as pd
import streamlit as st

from hai_core.members import config
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, needs, options, run_view, state
from pages.ui.progress import ago, job_panel, start_button
from pages.ui.text import count, text


def manifest_names(manifests: pd.DataFrame) -> dict[str, str]:
    """Manifest folder -> how it is called in a list."""
    rows = manifests.to_dict("records")
    return {row["path"]: f"{row['digest'][:12]}  ·  built {ago(row['time'].to_pydatetime())}" for row in rows}


def draw_new_run(workspace: Workspace, manifests: pd.DataFrame) -> None:
    names = manifest_names(manifests)
    presets = {preset.name: preset for preset in config.presets()}
    left, right = st.columns([1, 1.3], gap="large")
    with left:
        manifest = st.selectbox("Manifest", list(names), format_func=names.__getitem__, key="training.manifest")
        preset = st.segmented_control("Preset", list(presets), default="default", required=True, key="training.preset",
                                      wrap=True)
        about, _, details = unwrapped(presets[preset].about).partition("\n")
        st.caption(text(about))
    base = config.load(preset)
    with right:
        changed = options.overrides(base, options.form(base, f"training.{preset}"))
    argv = ["train", "--manifest", manifest, "--config", preset, "-w", str(workspace.root)]
    for override in changed:
        argv += ["--set", override]
    with left:
        draw_start(workspace, argv, preset, changed)
        if details.strip():
            with st.expander("What it costs and what to expect"):
                st.caption("  \n".join(map(text, details.strip().split("\n"))))


def draw_start(workspace: Workspace, argv: list[str], preset: str, changed: list[str]) -> None:
    try:
        chosen = config.load(preset, changed)
    except InputError as problem:
        st.error(text(problem))
        return
    st.markdown(f"Trains **{count(len(chosen.members), 'member')}**: {count(len(chosen.recipes), 'recipe')} "
                f"on {chosen.folds} folds, {count(chosen.epochs, 'epoch')} each.")
    start_button("Start training", workspace, argv, key="training.start")
    st.code(shlex.join(["python", "-m", "hai_core", *argv]), language=None, wrap_lines=True)


def unwrapped(about: str) -> str:
    """A preset's comment with the lines that only continue another one joined to it."""
    return re.sub(r"\n(?=[a-z(0-9])", " ", about)


def draw_runs(workspace: Workspace, runs: pd.DataFrame) -> None:
    st.subheader("Runs")
    event = st.dataframe(run_view.listed(runs), hide_index=True, key="training.runs", on_select="rerun",
                         selection_mode="single-row", column_config=run_view.COLUMNS)
    rows = event["selection"]["rows"]
    run_view.draw(workspace, runs.iloc[rows[0] if rows else 0])


def main() -> None:
    workspace = state.workspace()
    st.title("Training")
    needs.catalog(workspace)
    manifests = loaders.manifests(workspace)
    if manifests.empty:
        st.info("Training reads a manifest, the frozen table of images and labels, and there is none yet.",
                icon=":material/model_training:")
        start_button("Build a manifest", workspace, ["manifest", "build", "-w", str(workspace.root)], key="training.build")
        job_panel(workspace, ["manifest build"], key="training.manifest-jobs")
        return
    runs = loaders.runs(workspace)
    job_panel(workspace, ["train", "embed"], done=False, key="training.jobs")
    with st.container():  # always there, so that the form below stays as it is when the training ends
        run_view.draw_learning(workspace)
    with st.expander("New run", expanded=runs.empty, icon=":material/add:"):
        draw_new_run(workspace, manifests)
    if runs.empty:
        st.caption("The first run's result will appear here: log loss, accuracy, its members, and how far its probabilities "
                   "can be trusted.")
        return
    draw_runs(workspace, runs)
    run_view.draw_mlflow(workspace)


main()
