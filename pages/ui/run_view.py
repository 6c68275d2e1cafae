"""A training run on the page: the list of runs, how one is learning, what came out of it."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from hai_core import jobs, runs, tracking
from hai_core.runs import Run
from hai_core.workspace import Workspace
from pages.ui import fragments, loaders
from pages.ui.plots import NO_TOOLS, curves, reliability
from pages.ui.progress import duration, job_panel, start_button
from pages.ui.text import bold, text
from pages.ui.words import say

REFRESH_SECONDS = 2.0
MLFLOW_PORT = 5000
FIGURES = {"log_loss": "{:.4f}", "accuracy": "{:.1%}", "top5": "{:.1%}", "ece": "{:.3f}", "holdout_log_loss": "{:.4f}",
           "holdout_accuracy": "{:.1%}"}  # key of the metrics -> how it is written
_SHOWN = ["name", "state", "started", "log_loss", "accuracy", "holdout_log_loss", "holdout_accuracy", "members", "classes",
          "images", "took", "manifest", "id"]


def columns() -> dict[str, object]:
    """The titles of the list of runs."""
    numbers = {"log_loss": "%.4f", "accuracy": "percent", "holdout_log_loss": "%.4f", "holdout_accuracy": "percent"}
    return {**{name: say(f"training.{name}") for name in ("name", "members", "classes", "images", "took", "manifest", "id")},
            **{name: st.column_config.NumberColumn(say(f"training.{name}"), format=form) for name, form in numbers.items()},
            "state": say("training.state"),
            "started": st.column_config.DatetimeColumn(say("training.started"), format="YYYY-MM-DD HH:mm")}


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """The list of runs as it is shown."""
    shown = table.assign(took=[duration(seconds) for seconds in table["seconds"]], manifest=table["manifest"].str[:12],
                         state=[say(f"training.{state}") for state in table["state"]],
                         started=pd.to_datetime(table["started"], utc=True).dt.tz_localize(None))
    return shown[_SHOWN]


@st.cache_resource(max_entries=8, show_spinner=False)
def opened(path: str, key: object) -> Run:
    """The run in a folder; `key` is the stamp of its run.json."""
    return runs.load(path)


def draw(workspace: Workspace, row: pd.Series) -> None:
    """What came out of a run, or why nothing did."""
    run = opened(row["path"], loaders.stamp(Path(row["path"]) / "run.json"))
    st.markdown(f"{bold(row['name'])} · `{row['id']}`")
    if row["state"] != runs.FINISHED:
        draw_unfinished(workspace, run, row)
        return
    draw_figures(run)
    left, right = st.columns(2, gap="large")
    left.plotly_chart(curves(run.history, "log_loss", say("training.curve")), key="training.curve",
                      alt=say("training.curve"), config=NO_TOOLS)
    right.plotly_chart(reliability(bins(run.reliability)), key="training.reliability", alt=say("plots.reliability"),
                       config=NO_TOOLS)
    draw_parts(run)
    draw_members(run)
    draw_again(workspace, run)
    draw_serving(workspace, row["id"])
    if st.button(say("training.confusions"), key="training.confusions", icon=":material/grid_on:"):
        see_confusions(row["path"])


def see_confusions(run: str, other: str | None = None) -> None:
    """Go to the Confusions page, to this run, or to what has changed in it since another one; from the whole matrix."""
    for gone in ("confusions.cells", "confusions.window"):
        st.session_state.pop(gone, None)
    st.session_state["confusions.run"], st.session_state["confusions.other"] = run, other
    st.switch_page("pages/confusions.py")


def draw_again(workspace: Workspace, run: Run) -> None:
    """The same training on the newest manifest, where the run's is another: what the decisions since were worth."""
    newest = loaders.manifests(workspace).iloc[0]
    if newest["digest"] == run.info["manifest"]:
        return
    argv = ["train", "--manifest", newest["path"], "--config", str(run.path / "config.yaml"), "-w", str(workspace.root),
            "--wait"]
    start_button(say("training.again", digest=newest["digest"][:12]), workspace, argv, key="training.again", primary=False)


def draw_serving(workspace: Workspace, name: str) -> None:
    """The run as a version of a model, which MLflow serves."""
    with st.expander(say("training.serve")):
        st.caption(say("training.serve_about"))
        argv = ("tracking", "register", "-w", str(workspace.root), "--run", name)
        start_button(say("training.register"), workspace, argv, key="training.register", primary=False)
        job_panel(workspace, "tracking register", done=False, key="training.register-jobs")
        done = [job for job in jobs.list_jobs(workspace) if job.argv == argv and job.state == "done"]
        if done:
            st.code(tracking.serving(tracking.Registered(**done[0].result)), language=None, wrap_lines=True)


def draw_unfinished(workspace: Workspace, run: Run, row: pd.Series) -> None:
    if row["state"] == runs.RUNNING:
        st.caption(say("training.still"))
        return
    if row["error"]:
        st.error(text(row["error"]))
    st.caption(say("training.kept"))
    argv = shlex.split(run.info["command"])[3:]  # after `python -m hai_core`
    if argv:
        start_button(say("training.go_on"), workspace, argv, key="training.resume")


def draw_figures(run: Run) -> None:
    with st.container(horizontal=True, gap="large"):  # wraps in a narrow window
        for key, form in FIGURES.items():
            if key in run.metrics:
                by_chance = run.metrics.get(f"{key}_by_chance")  # runs of earlier versions do not tell
                more = "" if by_chance is None else " " + say("training.by_chance", value=form.format(by_chance))
                st.metric(say(f"training.{key}"), form.format(run.metrics[key]), width="content",
                          help=say(f"training.{key}_help") + more)


def bins(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The reliability diagram's lines: calibrated, and before that where the run tells it."""
    if "images_before" not in table:
        return {say("training.out_of_fold"): table}
    before = table[["images_before", "confidence_before", "accuracy_before"]]
    return {say("training.calibrated"): table, say("training.uncalibrated"): before.rename(
        columns=lambda name: name.removesuffix("_before"))}


def draw_parts(run: Run) -> None:
    """What each part of the ensemble adds, and the ways to combine that were compared; runs of earlier versions do not tell."""
    if not run.effects:
        return
    with st.expander(say("training.parts")):
        st.caption(say("training.parts_about"))
        st.dataframe(parts(run.effects), hide_index=True, key="training.parts", column_config={
            "part": say("training.part"),
            "gain": st.column_config.NumberColumn(say("training.adds"), format="%.4f", help=say("training.adds_help")),
            "range": st.column_config.TextColumn(say("training.range"), help=say("training.range_help")),
            "used": st.column_config.CheckboxColumn(say("training.used"), help=say("training.used_help"))})
        if len(run.plans) > 1:
            st.caption(say("training.plans_about"))
            st.dataframe(ways(run.plans), hide_index=True, key="training.plans", column_config={
                "weights": st.column_config.TextColumn(say("training.weights"), help=say("training.weights_help")),
                "hierarchy": st.column_config.CheckboxColumn(say("training.series"), help=say("training.series_help")),
                "log_loss": st.column_config.NumberColumn(say("training.log_loss"), format="%.4f",
                                                          help=say("training.nested")),
                "chosen": st.column_config.CheckboxColumn(say("training.chosen"))})


def parts(effects: list[dict[str, object]]) -> pd.DataFrame:
    """What each part adds, as it is shown."""
    return pd.DataFrame([{"part": say(f"training.part_{row['part']}", name=row["name"]), "gain": row["gain"],
                          "range": f"{row['low']:.4f} .. {row['high']:.4f}", "used": row["used"]} for row in effects])


def ways(plans: list[dict[str, object]]) -> pd.DataFrame:
    """The ways to combine that were compared, as they are shown, the best first."""
    table = pd.DataFrame([{"weights": say(f"training.way_{row['weights']}"), "hierarchy": row["hierarchy"] == "series",
                           "log_loss": row["log_loss"], "chosen": row["chosen"]} for row in plans])
    return table.sort_values("log_loss", ignore_index=True)


def draw_members(run: Run) -> None:
    members = pd.DataFrame([asdict(card) for card in run.cards]).dropna(axis=1, how="all")  # frozen features have no rate
    named = {name: say(f"training.column_{name}") for name in ("recipe", "name", "fold", "n_train", "n_validation")} | {
        "log_loss": st.column_config.NumberColumn(say("training.log_loss"), format="%.4f", help=say("training.tempered")),
        "accuracy": st.column_config.NumberColumn(say("training.accuracy"), format="percent"),
        "temperature": st.column_config.NumberColumn(say("training.temperature"), format="%.3f")}
    with st.expander(say("training.members_of", n=len(members))):
        if len(run.recipes) > 1:
            st.dataframe(pd.DataFrame(run.recipes), hide_index=True, column_config=named | {
                "weight": st.column_config.ProgressColumn(say("training.weight"), min_value=0, max_value=1, format="%.3f")})
        st.dataframe(members, hide_index=True, column_config=named | {
            "weight": st.column_config.NumberColumn(say("training.weight"), format="%.4f", help=say("training.weight_help")),
            "seconds": st.column_config.NumberColumn(say("training.seconds"), format="%.1f"),
            "images_per_second": st.column_config.NumberColumn(say("training.rate"), format="%.1f"),
            "wait_share": st.column_config.NumberColumn(say("training.wait_share"), format="percent",
                                                        help=say("training.wait_share_help"))})
    with st.expander(say("training.record")):
        st.code(run.config.to_yaml(), language="yaml")
        st.code(run.info["command"], language=None, wrap_lines=True)
        recorded = ("manifest", "seed", "versions", "machine", "git", "started", "seconds")
        st.json({key: run.info[key] for key in recorded}, expanded=False)


def draw_learning(workspace: Workspace) -> None:
    """Curves of the members so far, while a training job runs."""
    if any(job.active and job.argv[:1] == ("train",) for job in jobs.list_jobs(workspace)):
        fragments.draw(_learning, workspace, run_every=REFRESH_SECONDS)


def _learning(workspace: Workspace) -> None:
    table = loaders.runs(workspace)
    going = table[table["state"] == runs.RUNNING]
    history = learned(Path(going["path"].iloc[0])) if len(going) else pd.DataFrame()
    if history.empty:
        st.caption(say("training.no_curves"))
        return
    left, right = st.columns(2, gap="large")
    left.plotly_chart(curves(history, "log_loss", say("training.curve")), key="training.live-loss",
                      alt=say("training.curve"), config=NO_TOOLS)
    right.plotly_chart(curves(history, "accuracy", say("training.curve_accuracy")), key="training.live-accuracy",
                       alt=say("training.curve_accuracy"), config=NO_TOOLS)


def learned(run: Path) -> pd.DataFrame:
    """`member`, `epoch`, `log_loss`, `accuracy`, ... of a run's members so far; of a fine-tuned one since its first epoch."""
    fields = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((run / "members").glob("*.json"))]
    return pd.concat([pd.DataFrame(one["history"]).assign(member=one["name"]) for one in fields]) if fields else pd.DataFrame()


def draw_mlflow(workspace: Workspace) -> None:
    """Every run is mirrored to MLflow; its own pages are a server on this machine."""
    argv = ["tracking", "ui", "-w", str(workspace.root), "--port", str(MLFLOW_PORT)]
    with st.expander("MLflow"):
        st.caption(say("training.mlflow"))
        if any(job.active and job.argv == tuple(argv) for job in jobs.list_jobs(workspace)):
            st.link_button(say("training.mlflow_open"), f"http://127.0.0.1:{MLFLOW_PORT}", icon=":material/open_in_new:")
        else:
            start_button(say("training.mlflow_start"), workspace, argv, key="training.mlflow", primary=False)
        job_panel(workspace, "tracking ui", done=False, key="training.mlflow-jobs")
