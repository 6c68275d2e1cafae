"""Training: start an ensemble on a manifest, watch it learn, compare what came out."""

from __future__ import annotations

import re
import shlex

import pandas as pd
import streamlit as st

from hai_core import backbones, runs
from hai_core.members import config
from hai_core.workspace import InputError, Workspace
from pages.ui import compare_view, loaders, needs, options, run_view, state
from pages.ui.progress import ago, duration, job_panel, start_button
from pages.ui.text import count, text
from pages.ui.words import in_own_words, say

CHOSEN = "training.run"  # str: id of the run that is shown; None for the newest


def manifest_names(manifests: pd.DataFrame) -> dict[str, str]:
    """Manifest folder -> how it is called in a list."""
    return {path: f"{digest[:12]} · {say('training.built', when=ago(time.to_pydatetime()))}"
            for path, digest, time in zip(manifests["path"], manifests["digest"], manifests["time"], strict=True)}


def draw_new_run(workspace: Workspace, manifests: pd.DataFrame) -> None:
    names = manifest_names(manifests)
    presets = {preset.name: preset for preset in config.presets()}
    left, right = st.columns([1, 1.3], gap="large")
    with left:
        manifest = st.selectbox(say("training.manifest"), list(names), format_func=names.__getitem__, key="training.manifest")
        preset = st.segmented_control(say("training.preset"), list(presets), default="default", required=True,
                                      key="training.preset", wrap=True)
        about, _, details = unwrapped(presets[preset].about.replace("`", "")).partition("\n")
        st.caption(text(in_own_words(f"preset_about.{preset}", about)))
    base = config.load(preset)
    with right:
        changed = options.overrides(base, options.form(base, f"training.{preset}"))
    argv = ["train", "--manifest", manifest, "--config", preset, "-w", str(workspace.root)]
    for override in changed:
        argv += ["--set", override]
    with left:
        draw_start(workspace, argv, preset, changed, str(manifests.set_index("path")["digest"][manifest]))
        if details.strip():
            with st.expander(say("training.costs")):
                st.caption("  \n".join(map(text, details.strip().split("\n"))))


def draw_start(workspace: Workspace, argv: list[str], preset: str, changed: list[str], digest: str) -> None:
    try:
        chosen = config.load(preset, changed)
        for name in chosen.backbones:
            if not backbones.is_packaged(name):  # timm takes seconds to load
                backbones.check(name)
    except InputError as problem:
        st.error(text(problem))
        return
    st.markdown(say("training.trains", members=count(len(chosen.members), "member"), folds=count(chosen.folds, "fold"),
                    recipes=count(len(chosen.recipes), "recipe"), epochs=count(chosen.epochs, "epoch")))
    with st.container(horizontal=True, vertical_alignment="center"):
        start_button(say("training.start"), workspace, [*argv, "--wait"], key="training.start")
        if chosen.mode == "finetune":
            start_button(say("training.try"), workspace, [*argv, "--trial", "--wait"], key="training.try", primary=False)
    if chosen.mode == "finetune":
        draw_estimate(runs.tried(digest, chosen, workspace.runs))
    st.code(shlex.join(["python", "-m", "hai_core", *argv, "--wait"]), language=None, wrap_lines=True)


def draw_estimate(found: dict[str, float] | None) -> None:
    """How long the training would take and what it would cost, as its first steps told."""
    if found is None:
        st.caption(say("training.try_first"))
        return
    told, price = st.columns([2, 1], vertical_alignment="center")
    rate = price.number_input(say("training.price"), min_value=0.0, value=None, step=0.1, format="%g", key="training.price",
                              placeholder=say("training.price_none"), help=say("training.price_help"))
    costs = (rate or 0) * found["seconds"] / 3600
    cost = say("training.cost", cost=f"{costs:,.2f}" if costs >= 0.01 else "< 0.01") if rate else ""
    told.markdown(say("training.estimate", time=duration(found["seconds"]), rate=f"{found['images_per_second']:,.1f}",
                      wait=f"{found['wait_share']:.0%}") + cost)


def unwrapped(about: str) -> str:
    """A preset's comment with the lines that only continue another one joined to it."""
    return re.sub(r"\n(?=[a-z(0-9])", " ", about)


def draw_runs(workspace: Workspace, table: pd.DataFrame) -> None:
    st.subheader(say("training.runs"))
    view = st.segmented_control(say("compare.view"), ["one", "two"], default="one", required=True, key="training.view",
                                label_visibility="collapsed", format_func=lambda name: say(f"compare.view_{name}"))
    if view == "two":
        compare_view.draw(workspace, table)
        return
    ids = table["id"].tolist()
    chosen = st.session_state.get(CHOSEN)
    at = ids.index(chosen) if chosen in ids else 0
    key = f"training.runs-{ids[0]}-{len(ids)}"  # Streamlit keeps the number of the row, in whatever list
    st.dataframe(run_view.listed(table), hide_index=True, key=key, on_select=lambda: _choose(key, ids),
                 selection_mode="single-row", column_config=run_view.columns(),
                 selection_default={"selection": {"rows": [at] if chosen in ids else [], "columns": [], "cells": []}})
    run_view.draw(workspace, table.iloc[at])
    draw_comparison(table, at)


def draw_comparison(table: pd.DataFrame, at: int) -> None:
    """One click to what has changed since an earlier run: the same training on another manifest, else the one before it."""
    run, earlier = table.iloc[at], table.iloc[at + 1:]
    earlier = earlier[earlier["state"] == runs.FINISHED]
    if run["state"] != runs.FINISHED or earlier.empty:
        return
    same = earlier[(earlier["config"] == run["config"]) & (earlier["manifest"] != run["manifest"])]
    other = (same if len(same) else earlier).iloc[0]
    chosen = {"training.view": "two", compare_view.BEFORE: other["path"], compare_view.AFTER: run["path"]}
    st.button(say("training.compare", name=f"{text(other['name'])} · {other['id']}"), key="training.compare",
              icon=":material/compare_arrows:", on_click=lambda: st.session_state.update(chosen))


def _choose(key: str, ids: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    st.session_state[CHOSEN] = ids[rows[0]] if rows else None


def main() -> None:
    workspace = state.workspace()
    st.title(say("training.title"))
    needs.catalog(workspace)
    manifests = loaders.manifests(workspace)
    if manifests.empty:
        st.info(say("training.no_manifest"), icon=":material/model_training:")
        start_button(say("training.build"), workspace, ["manifest", "build", "-w", str(workspace.root)], key="training.build")
        job_panel(workspace, ["manifest build"], key="training.manifest-jobs")
        return
    table = loaders.runs(workspace)
    job_panel(workspace, ["train", "embed"], done=False, key="training.jobs")
    with st.container():  # always there, so that the form below stays as it is when the training ends
        run_view.draw_learning(workspace)
    with st.expander(say("training.new"), expanded=table.empty, icon=":material/add:"):
        draw_new_run(workspace, manifests)
    if table.empty:
        st.caption(say("training.no_runs"))
        return
    draw_runs(workspace, table)
    run_view.draw_mlflow(workspace)


main()
