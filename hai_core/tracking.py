"""Mirrors run folders to MLflow, where people compare runs. `runs/<id>/` stays the truth; a lost mirror is made again.

The store is `mlflow.db` and `mlartifacts/` in the workspace, or where MLFLOW_TRACKING_URI points. A run becomes one MLflow run
with a child for each member. MLflow notes artefacts by their full path: after moving a workspace, delete both and sync. No
telemetry. MLflow takes seconds to import, so nothing here imports it before it is needed.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from hai_core import progress, runs
from hai_core.members.config import SECTIONS
from hai_core.runs import FINISHED, Run
from hai_core.workspace import InputError, Workspace, lock, write_table

RUN, DONE = "hai.run", "hai.mirrored"  # tags: the run's id, on it and its members; set last, when everything is there
BATCH = 900  # metrics in one request; MLflow takes 1,000 values


class Unavailable(Exception):
    """MLflow is not installed, does not answer, or refused."""


def uri(workspace: Workspace | None, folder: Path | None = None) -> str:
    """Where the mirror is: MLFLOW_TRACKING_URI, else the workspace's store (without one: the store in the runs' `folder`)."""
    place = workspace.root if workspace is not None else folder
    if os.environ.get("MLFLOW_TRACKING_URI") or place is None:
        return os.environ.get("MLFLOW_TRACKING_URI", "")
    return f"sqlite:///{place.resolve() / 'mlflow.db'}"


def mirror(path: Path, workspace: Workspace | None = None) -> bool:
    """Mirror a finished run, once: a run that is mirrored already is left alone.

    Whether the mirror has it now; when MLflow is missing or does not answer, a warning is said and nothing raised.
    """
    try:
        with _mlflow(workspace, path.parent) as (client, experiment):
            _mirror(client, experiment, runs.load(path))
    except Unavailable as problem:
        progress.say(f"warning: the run is complete, but was not mirrored to MLflow ({problem}); later: tracking sync")
        return False
    return True


def sync(workspace: Workspace) -> int:
    """Mirror every finished run of the workspace that is not mirrored yet; returns how many the mirror has now.

    Raises InputError when MLflow is missing or does not answer.
    """
    listed = runs.list_runs(workspace.runs)
    finished = listed.loc[listed["state"] == FINISHED, "path"].tolist()
    try:
        with _mlflow(workspace, workspace.runs) as (client, experiment):
            for path in reversed(finished):
                _mirror(client, experiment, runs.load(path))
    except Unavailable as problem:
        raise InputError(f"MLflow is not available: {problem}") from problem
    return len(finished)


def serve_ui(workspace: Workspace, port: int = 5000) -> int:
    """Run MLflow's own pages on 127.0.0.1 until interrupted; returns their exit status.

    Raises InputError when MLFLOW_TRACKING_URI names a server, which has pages of its own.
    """
    place = uri(workspace)
    if place.startswith("http"):
        raise InputError(f"MLflow runs at {place} (MLFLOW_TRACKING_URI); open that in a browser")
    _quiet()
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", place, "--host", "127.0.0.1", "--port", str(port)]
    return subprocess.run(command, check=False).returncode


def _quiet() -> None:
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING",
                        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}.items():
        os.environ.setdefault(name, value)


@contextmanager
def _mlflow(workspace: Workspace | None, folder: Path) -> Iterator[tuple[Any, str]]:
    """(client, experiment id); MLflow's own failures in the block become Unavailable."""
    _quiet()
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as missing:
        raise Unavailable(f"cannot import {missing.name}") from missing
    logging.getLogger("alembic").setLevel(logging.WARNING)
    place = workspace.root if workspace is not None else folder
    try:
        with lock(place / "mlflow.lock", None):
            client = MlflowClient(uri(workspace, folder))
            yield client, _experiment(client, workspace, place)
    except (MlflowException, SQLAlchemyError, OSError) as problem:
        raise Unavailable(str(problem).splitlines()[0]) from problem


def _experiment(client: Any, workspace: Workspace | None, place: Path) -> str:
    name = workspace.name if workspace is not None else "HAI Workbench"
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    artifacts = None if os.environ.get("MLFLOW_TRACKING_URI") else (place / "mlartifacts").resolve().as_uri()
    return str(client.create_experiment(name, artifact_location=artifacts))


def _mirror(client: Any, experiment: str, run: Run) -> None:
    found = client.search_runs([experiment], f"tags.`{RUN}` = '{run.id}'", max_results=1000)
    if any(DONE in known.data.tags for known in found):
        return
    for half in found:  # of a mirroring that was cut short
        client.delete_run(half.info.run_id)
    began = int(pd.Timestamp(run.info["started"]).timestamp() * 1000)
    parent = client.create_run(experiment, start_time=began, run_name=run.id, tags=_tags(run)).info.run_id
    _log(client, parent, began, _flat(run.config.model_dump(exclude=SECTIONS.keys() - {run.config.head})),
         {name: value for name, value in run.metrics.items() if isinstance(value, (int, float))})
    _log_manifest(client, parent, run)
    _log_artifacts(client, parent, run)
    history = dict(list(run.history.groupby("member")))
    for card in run.cards:
        child = client.create_run(experiment, start_time=began, run_name=card.name,
                                  tags={RUN: run.id, "mlflow.parentRunId": parent}).info.run_id
        _log(client, child, began, {"recipe": card.recipe, "fold": card.fold},
             {name: getattr(card, name) for name in ("n_train", "n_validation", "temperature", "weight", "seconds")})
        _log_history(client, child, began, history[card.name].drop(columns="member"), card.seconds)
        began += int(card.seconds * 1000)
        client.set_terminated(child, end_time=began)
    client.set_tag(parent, DONE, "yes")
    client.set_terminated(parent, end_time=began)


def _tags(run: Run) -> dict[str, str]:
    info = run.info
    return {RUN: run.id, "hai.manifest": info["manifest"], "hai.config": info["config"], "hai.command": info["command"],
            "hai.folder": str(run.path), "mlflow.source.name": "hai_core", "mlflow.source.git.commit": info["git"]}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options as `section.key`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _log(client: Any, run: str, time: int, params: dict[str, Any], metrics: dict[str, float]) -> None:
    from mlflow.entities import Metric, Param

    client.log_batch(run, metrics=[Metric(name, value, time, 0) for name, value in metrics.items()],
                     params=[Param(name, str(value)) for name, value in params.items()])


def _log_history(client: Any, run: str, began: int, history: pd.DataFrame, seconds: float) -> None:
    from mlflow.entities import Metric

    metrics = [Metric(str(name), float(value), began + int(1000 * seconds * epoch / len(history)), int(epoch))
               for row in history.to_dict("records") for epoch in (row.pop("epoch"),) for name, value in row.items()]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start:start + BATCH])


def _log_manifest(client: Any, run: str, trained: Run) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest, info = trained.info["manifest"], trained.info
    profile = {"images": info["images"], "holdout": info["holdout"], "classes": len(trained.classes), "digest": digest}
    source = {"uri": (trained.path / "manifest.csv").as_uri()}
    dataset = Dataset(name="manifest", digest=digest[:36],  # MLflow takes no longer one
                      source_type="local", source=json.dumps(source), profile=json.dumps(profile))
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _log_artifacts(client: Any, run: str, trained: Run) -> None:
    for name in ("run.json", "config.yaml", "metrics.json", "oof.parquet"):
        client.log_artifact(run, str(trained.path / name))
    for name in ("manifest.csv", "manifest.json"):
        client.log_artifact(run, str(trained.path / name), "manifest")
    client.log_artifacts(run, str(trained.path / "members"), "members")
    with tempfile.TemporaryDirectory() as folder:
        write_table(trained.confusion, Path(folder) / "confusion.csv")
        _draw_reliability(trained, Path(folder) / "reliability.png")
        client.log_artifacts(run, folder)


def _draw_reliability(run: Run, file: Path) -> None:
    """How often the first choice is right by how sure it is, as a picture."""
    from matplotlib.figure import Figure

    bins = run.reliability
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.bar(bins["low"], bins["accuracy"].fillna(0), bins["high"] - bins["low"], align="edge", edgecolor="white")
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence (probability of the first choice)", ylabel="share right",
             title=f"Expected calibration error {run.metrics['ece']:.3f} ({run.metrics['ece_before']:.3f} before)")
    figure.savefig(file, dpi=100)
