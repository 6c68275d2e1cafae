import builtins
import json
import os
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
import tiny
from tiny_runs import make_config, make_manifest, write_photos

from hai_core import backbones, catalog, manifest, progress, runs, tracking, usage
from hai_core.decisions import Journal
from hai_core.journal_lines import read_lines
from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace

NAME = "wörk 일 'x'"


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory):
    """(workspace, run), mirrored; made once, because MLflow takes seconds to set up a store."""
    place = tmp_path_factory.mktemp("tracking")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAI_CACHE", str(place / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(backbones, "load", lambda name: tiny.backbone())
        photos = write_photos(place / "images")
        workspace = Workspace.create(place / NAME, place / "images")
        run = runs.train(make_manifest(photos), make_config(), images=place / "images", runs=workspace.runs, command="typed")
        assert tracking.mirror(run.path, workspace)
    return workspace, run


def client_of(workspace):
    from mlflow import MlflowClient

    return MlflowClient(tracking.uri(workspace))


def all_runs(workspace):
    client = client_of(workspace)
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def test_a_run_has_a_child_for_each_member_with_its_epochs(mirrored):
    workspace, run = mirrored
    found = {known.info.run_name: known for known in all_runs(workspace)}
    parent = found.pop(run.id)
    assert set(found) == {card.name for card in run.cards}
    assert {child.data.tags["mlflow.parentRunId"] for child in found.values()} == {parent.info.run_id}
    for card in run.cards:
        child = found[card.name]
        curve = client_of(workspace).get_metric_history(child.info.run_id, "log_loss")
        expected = run.history.loc[run.history["member"] == card.name, "log_loss"].tolist()
        assert [point.value for point in sorted(curve, key=lambda point: point.step)] == pytest.approx(expected)
        assert child.data.metrics["weight"] == pytest.approx(card.weight)
        assert child.data.params["fold"] == str(card.fold)


def test_the_parent_holds_parameters_figures_and_the_manifest(mirrored):
    workspace, run = mirrored
    parent = next(known for known in all_runs(workspace) if known.info.run_name == run.id)
    assert parent.data.params["epochs"] == "4"
    assert parent.data.params["linear.scale"] == "16.0"
    assert parent.data.metrics["log_loss"] == pytest.approx(run.metrics["log_loss"])
    assert parent.data.metrics["holdout_accuracy"] == pytest.approx(run.metrics["holdout_accuracy"])
    assert parent.data.tags["hai.command"] == "typed"
    assert parent.info.status == "FINISHED"
    [dataset] = parent.inputs.dataset_inputs
    assert run.info["manifest"].startswith(dataset.dataset.digest)
    assert parent.data.tags["hai.manifest"] == run.info["manifest"]


def test_system_metrics_commit_and_requirements_are_there(mirrored):
    workspace, run = mirrored
    parent = next(known for known in all_runs(workspace) if known.info.run_name == run.id)
    [line] = usage.read(run.path / "system.jsonl")
    assert parent.data.metrics["system/cpu_utilization_percentage"] == line["cpu_utilization_percentage"]
    assert parent.data.metrics["system/system_memory_usage_percentage"] == line["system_memory_usage_percentage"]
    commit = run.info["git"].removesuffix("-dirty")
    assert parent.data.tags["mlflow.source.git.commit"] == commit
    assert parent.data.tags["mlflow.source.git.dirty"] == ("true" if run.info["git"].endswith("-dirty") else "false")
    names = {file.path for file in client_of(workspace).list_artifacts(parent.info.run_id)}
    assert "requirements.txt" in names
    assert ("changes.diff" in names) == run.info["git"].endswith("-dirty")


def test_the_decisions_that_made_the_manifest_are_with_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone())
    write_photos(tmp_path / "images")
    workspace = Workspace.create(tmp_path / NAME, tmp_path / "images")
    catalog.index(workspace)
    table, journal = catalog.load(workspace), Journal(workspace)
    first, second = (Decision(action="exclude", path=table["path"][row]) for row in (0, 1))
    journal.append([first], table, author="지민")
    built, _ = manifest.build_for(workspace, pd.DataFrame(columns=["path", "group"]))
    run = runs.train(built, make_config(), images=tmp_path / "images", runs=workspace.runs)
    journal.append([second], table, author="지민")
    assert tracking.mirror(run.path, workspace)
    parent = next(known for known in all_runs(workspace) if known.info.run_name == run.id)
    file = client_of(workspace).download_artifacts(parent.info.run_id, "manifest/decisions.jsonl", str(tmp_path))
    [entry] = read_lines(Path(file))
    assert [decision.path for decision in entry.decisions] == [first.path]
    assert parent.data.tags["hai.decisions"] == "1 live decision, up to version 1 of the journal"
    [dataset] = parent.inputs.dataset_inputs
    assert json.loads(dataset.dataset.profile)["decisions"]["last"] == 1


def test_the_artefacts_are_there(mirrored):
    workspace, run = mirrored
    parent = next(known for known in all_runs(workspace) if known.info.run_name == run.id)
    client = client_of(workspace)
    places = (None, "members", "manifest")
    names = {file.path for place in places for file in client.list_artifacts(parent.info.run_id, place)}
    assert names >= {"config.yaml", "oof.parquet", "confusion.csv", "reliability.png", "members/tiny-fold0.safetensors",
                     "manifest/manifest.csv", "metrics.json"}
    picture = next(workspace.root.rglob("reliability.png")).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert workspace.root / "mlartifacts" in next(workspace.root.rglob("reliability.png")).parents


def test_mirroring_again_changes_nothing(mirrored):
    workspace, run = mirrored
    before = {known.info.run_id for known in all_runs(workspace)}
    assert tracking.mirror(run.path, workspace)
    assert tracking.sync(workspace) == 1
    assert {known.info.run_id for known in all_runs(workspace)} == before


def test_what_was_cut_short_is_mirrored_anew(mirrored):
    workspace, run = mirrored
    client = client_of(workspace)
    parent = next(known for known in all_runs(workspace) if known.info.run_name == run.id)
    client.delete_tag(parent.info.run_id, tracking.DONE)
    assert tracking.sync(workspace) == 1
    found = all_runs(workspace)
    assert len(found) == 4
    assert parent.info.run_id not in {known.info.run_id for known in found}


def test_a_lost_mirror_is_made_again(mirrored, tmp_path):
    workspace, _ = mirrored
    copy = tmp_path / "copy"
    shutil.copytree(workspace.root, copy, ignore=shutil.ignore_patterns("mlartifacts"))
    moved = Workspace.open(copy)
    client = client_of(moved)
    for known in all_runs(moved):
        client.delete_run(known.info.run_id)
    assert tracking.sync(moved) == 1
    assert len(all_runs(moved)) == 4


@pytest.fixture
def heard(monkeypatch):
    said = []
    monkeypatch.setattr(progress, "say", said.append)
    return said


def test_without_mlflow_there_is_a_warning_and_a_finished_run(mirrored, heard, monkeypatch):
    workspace, run = mirrored
    real = builtins.__import__

    def absent(name, *arguments, **named):
        if name.split(".")[0] == "mlflow":
            raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert not tracking.mirror(run.path, workspace)
    assert "cannot import mlflow" in heard[0]
    with pytest.raises(InputError, match="MLflow is not available"):
        tracking.sync(workspace)


def test_a_server_that_does_not_answer_is_a_warning_within_seconds(mirrored, heard, monkeypatch):
    workspace, run = mirrored
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    began = time.monotonic()
    assert not tracking.mirror(run.path, workspace)
    assert time.monotonic() - began < 30
    assert "was not mirrored" in heard[0]
    with pytest.raises(InputError, match="open that in a browser"):
        tracking.serve_ui(workspace)


@pytest.mark.parametrize("place", ["mysql://somebody:secret@127.0.0.1:9/x", "http://somebody:secret@127.0.0.1:9"])
def test_a_store_that_cannot_be_used_is_a_warning_without_its_password(mirrored, heard, monkeypatch, place):
    workspace, run = mirrored
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place)
    assert not tracking.mirror(run.path, workspace)
    assert "was not mirrored" in heard[0]
    assert "secret" not in heard[0]


def test_a_damaged_store_is_a_warning(mirrored, heard, tmp_path):
    workspace, run = mirrored
    other = Workspace.create(tmp_path / "other", workspace.images)
    (other.root / "mlflow.db").write_bytes(b"this is no database, but long enough to look at" * 100)
    assert not tracking.mirror(run.path, other)
    assert len(heard) == 1


def test_no_telemetry_and_nothing_on_standard_output(mirrored, capsys):
    workspace, run = mirrored
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    parent = next(known for known in all_runs(workspace) if known.info.run_name == run.id)
    client = client_of(workspace)._tracking_client
    client.tracking_uri = "http://a-server"  # only then does MLflow print where a run is
    client._log_url(parent.info.run_id)
    assert capsys.readouterr().out == ""
