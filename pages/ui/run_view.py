"""A training run on the page: the list of runs, how one is learning, what came out of it."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from hai_core import jobs, runs
from hai_core.runs import Run
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.plots import NO_TOOLS, curves, reliability
from pages.ui.progress import duration, job_panel, start_button
from pages.ui.text import bold, text

REFRESH_SECONDS = 2.0
MLFLOW_PORT = 5000
FIGURES = {  # key of the metrics -> name, how it is written, what it means
    "log_loss": ("Log loss", "{:.4f}", "Nats, out of fold: every image is answered by members that did not train on it; "
                 "weights and temperatures are cross-fitted. Lower is better."),
    "accuracy": ("Accuracy", "{:.1%}", "Share of the images whose most probable class is their label, out of fold."),
    "top5": ("Top 5", "{:.1%}", "Share of the images whose label is among the five most probable classes, out of fold."),
    "ece": ("Calibration error", "{:.3f}", "How far stated probabilities are from how often they are right, 0 to 1, after "
            "temperature scaling; 0 is calibrated."),
    "holdout_log_loss": ("Holdout log loss", "{:.4f}", "On the images that no manifest ever trains on: by this one, compare "
                         "runs on different manifests."),
    "holdout_accuracy": ("Holdout accuracy", "{:.1%}", "On the images that no manifest ever trains on.")}
_SHOWN = ["name", "state", "started", "log_loss", "accuracy", "holdout_log_loss", "holdout_accuracy", "members", "classes",
          "images", "took", "manifest", "id"]
COLUMNS = {
    "name": "Configuration", "state": "State", "members": "Members", "classes": "Classes", "images": "Images", "took": "Took",
    "manifest": "Manifest", "id": "Run", "started": st.column_config.DatetimeColumn("Started (UTC)", format="YYYY-MM-DD HH:mm"),
    "log_loss": st.column_config.NumberColumn("Log loss", format="%.4f"),
    "accuracy": st.column_config.NumberColumn("Accuracy", format="percent"),
    "holdout_log_loss": st.column_config.NumberColumn("Holdout log loss", format="%.4f"),
    "holdout_accuracy": st.column_config.NumberColumn("Holdout accuracy", format="percent")}


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """The list of runs as it is shown."""
    shown = table.assign(took=[duration(seconds) for seconds in table["seconds"]], manifest=table["manifest"].str[:12],
                         started=pd.to_datetime(table["started"], utc=True).dt.tz_localize(None))
    return shown[_SHOWN]


@st.cache_resource(max_entries=8, show_spinner="Reading the run…")
def opened(path: str, key: object) -> Run:
    """The run in a folder; `key` is the stamp of its run.json."""
    return runs.load(path)


def draw(workspace: Workspace, row: pd.Series) -> None:
    """What came out of a run, or why nothing did."""
    run = opened(row["path"], loaders.stamp(Path(row["path"]) / "run.json"))
    st.markdown(f"{bold(row['name'])} · `{row['id']}`")
    if row["state"] != runs.FINISHED:
        draw_unfinished(workspace, run, row["state"])
        return
    draw_figures(run)
    left, right = st.columns(2, gap="large")
    left.plotly_chart(curves(run.history, "log_loss", "Log loss on the fold left out"), key="training.curve",
                      alt="Log loss of every member by epoch", config=NO_TOOLS)
    right.plotly_chart(reliability({"out of fold": run.reliability}), key="training.reliability", alt="Reliability diagram",
                       config=NO_TOOLS)
    draw_members(run)
    if st.button("See which classes it confuses", key="training.confusions", icon=":material/grid_on:"):
        st.session_state["confusions.run"] = row["path"]
        st.switch_page("pages/confusions.py")


def draw_unfinished(workspace: Workspace, run: Run, state: str) -> None:
    if state == runs.RUNNING:
        st.caption("It is still training.")
        return
    if run.info["error"]:
        st.error(text(run.info["error"]))
    st.caption("What finished is kept: the same command trains only the members that are missing.")
    argv = shlex.split(run.info["command"])[3:]  # after `python -m hai_core`
    if argv:
        start_button("Go on with it", workspace, argv, key="training.resume")


def draw_figures(run: Run) -> None:
    with st.container(horizontal=True, gap="large"):  # wraps in a narrow window
        for key, (name, form, help) in FIGURES.items():
            if key in run.metrics:
                st.metric(name, form.format(run.metrics[key]), help=help, width="content")


def draw_members(run: Run) -> None:
    members = pd.DataFrame([asdict(card) for card in run.cards])
    with st.expander(f"Members ({len(members)})"):
        if len(run.recipes) > 1:
            st.dataframe(pd.DataFrame(run.recipes), hide_index=True, column_config={
                "weight": st.column_config.ProgressColumn("weight", min_value=0, max_value=1, format="%.3f")})
        st.dataframe(members, hide_index=True, column_config={
            "weight": st.column_config.NumberColumn("weight", format="%.4f", help="In the ensemble; all of them sum to 1."),
            "log_loss": st.column_config.NumberColumn("log loss", format="%.4f", help="On the fold left out, tempered."),
            "accuracy": st.column_config.NumberColumn("accuracy", format="percent"),
            "temperature": st.column_config.NumberColumn("temperature", format="%.3f"),
            "seconds": st.column_config.NumberColumn("seconds", format="%.1f")})
    with st.expander("Configuration and record"):
        st.code(run.config.to_yaml(), language="yaml")
        st.code(run.info["command"], language=None, wrap_lines=True)
        recorded = ("manifest", "seed", "versions", "machine", "git", "started", "seconds")
        st.json({key: run.info[key] for key in recorded}, expanded=False)


def draw_learning(workspace: Workspace) -> None:
    """Curves of the members that have finished so far, while a training job runs."""
    if any(job.active and job.argv[:1] == ("train",) for job in jobs.list_jobs(workspace)):
        st.fragment(_learning, run_every=REFRESH_SECONDS)(workspace)


def _learning(workspace: Workspace) -> None:
    table = loaders.runs(workspace)
    going = table[table["state"] == runs.RUNNING]
    history = learned(Path(going["path"].iloc[0])) if len(going) else pd.DataFrame()
    if history.empty:
        st.caption("Curves appear here when the first member is trained.")
        return
    left, right = st.columns(2, gap="large")
    left.plotly_chart(curves(history, "log_loss", "Log loss on the fold left out"), key="training.live-loss",
                      alt="Log loss of the members trained so far", config=NO_TOOLS)
    right.plotly_chart(curves(history, "accuracy", "Accuracy on the fold left out"), key="training.live-accuracy",
                       alt="Accuracy of the members trained so far", config=NO_TOOLS)


def learned(run: Path) -> pd.DataFrame:
    """`member`, `epoch`, `log_loss`, `accuracy`, ... of the members that a run has finished so far."""
    fields = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((run / "members").glob("*.json"))]
    return pd.concat([pd.DataFrame(one["history"]).assign(member=one["name"]) for one in fields]) if fields else pd.DataFrame()


def draw_mlflow(workspace: Workspace) -> None:
    """Every run is mirrored to MLflow; its own pages are a server on this machine."""
    argv = ["tracking", "ui", "-w", str(workspace.root), "--port", str(MLFLOW_PORT)]
    with st.expander("MLflow"):
        st.caption("Every run is mirrored to MLflow: parameters, metrics by epoch, the manifest as its data set, tables and "
                   "plots. The runs here do not need it.")
        if any(job.active and job.argv == tuple(argv) for job in jobs.list_jobs(workspace)):
            st.link_button("Open MLflow in the browser", f"http://127.0.0.1:{MLFLOW_PORT}", icon=":material/open_in_new:")
        else:
            start_button("Start MLflow's pages", workspace, argv, key="training.mlflow", primary=False)
        job_panel(workspace, "tracking", ended=0, key="training.mlflow-jobs")
