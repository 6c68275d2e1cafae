import json
import socket

import pandas as pd
import pytest
import streamlit as st

from hai_core import jobs
from hai_core.workspace import write_atomic
from pages.ui import state
from pages.ui.run_view import learned


def words(page):
    kinds = (page.markdown, page.caption, page.success, page.info, page.error)
    return " ".join(element.value for kind in kinds for element in kind)


@pytest.fixture
def started(monkeypatch):
    """The commands that were started; nothing runs."""
    commands = []
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: commands.append(list(argv)))
    return commands


def test_without_a_manifest_the_page_offers_to_build_one(open_page, workspace, started):
    page = open_page("training")
    assert not page.exception
    assert "there is none yet" in words(page)
    page.button(key="training.build").click().run()
    assert started == [["manifest", "build", "-w", str(workspace.root)]]


def test_start_runs_the_command_of_manifest_preset_and_changed_options(open_page, workspace, build, started):
    _, folder = build()
    page = open_page("training")
    assert not page.exception
    page.segmented_control(key="training.preset").set_value("quick").run()
    page.number_input(key="training.quick.epochs").set_value(7).run()
    assert "**3 members**" in words(page)
    page.button(key="training.start").click().run()
    assert started == [["train", "--manifest", str(folder), "--config", "quick", "-w", str(workspace.root),
                        "--set", "epochs=7"]]


def test_an_impossible_configuration_is_said_and_cannot_be_started(open_page, build):
    build()
    page = open_page("training")
    page.text_area(key="training.default.recipes").set_value("a + a").run()
    assert "twice" in page.error[0].value
    assert not any(button.key == "training.start" for button in page.button)


def test_a_finished_run_shows_its_figures_members_and_how_it_came_about(open_page, trained):
    page = open_page("training")
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Log loss"] == f"{trained.metrics['log_loss']:.4f}"
    assert {"Accuracy", "Top 5", "Calibration error", "Holdout log loss", "Holdout accuracy"} <= set(shown)
    tables = [table.value for table in page.dataframe]
    assert tables[0]["id"].tolist() == [trained.id]
    assert tables[1]["name"].tolist() == ["tiny-fold0", "tiny-fold1", "tiny-fold2"]
    assert any("recipes" in code.value for code in page.code)


def test_an_interrupted_run_can_be_gone_on_with(open_page, trained, started):
    gone = {"host": socket.gethostname(), "id": 2**22 + 1}  # no process has so high a number
    info = trained.info | {"state": "running", "process": gone, "command": "python -m hai_core train --manifest 'a b'"}
    write_atomic(trained.path / "run.json", json.dumps(info))
    page = open_page("training")
    assert not page.exception
    page.button(key="training.resume").click().run()
    assert started == [["train", "--manifest", "a b"]]


def test_curves_are_of_the_members_that_have_finished(trained):
    (trained.path / "members" / "tiny-fold2.json").unlink()
    assert learned(trained.path).groupby("member").size().to_dict() == {"tiny-fold0": 4, "tiny-fold1": 4}
    assert learned(trained.path / "nowhere").equals(pd.DataFrame())


def test_see_its_confusions_chooses_this_run_there(open_page, trained, monkeypatch):
    visited = []
    monkeypatch.setattr(st, "switch_page", visited.append)
    monkeypatch.setattr(state, "_inside_the_app", lambda: None)  # AppTest starts every run anew, and the click would be lost
    page = open_page("training")
    page.button(key="training.confusions").click().run()
    assert visited == ["pages/confusions.py"]
    assert page.session_state["confusions.run"] == str(trained.path)
    there = open_page("confusions", **{"confusions.run": str(trained.path)})
    assert there.selectbox(key="confusions.run").value == str(trained.path)


def test_mlflow_is_started_by_the_command(open_page, trained, workspace, started):
    page = open_page("training")
    page.button(key="training.mlflow").click().run()
    assert started == [["tracking", "ui", "-w", str(workspace.root), "--port", "5000"]]


def test_why_mlflows_pages_did_not_start_is_shown(open_page, trained, workspace):
    folder = workspace.jobs / "20260101-000000-abcdef"
    folder.mkdir(parents=True)
    (folder / "exit.json").write_text(json.dumps({"code": 2, "result": None}))
    (folder / "log.txt").write_text("MLflow is not available\n")
    with jobs._engine(workspace).begin() as connection:
        connection.execute(jobs._jobs.insert().values(
            id=folder.name, workspace=workspace.id, host="here", argv='["tracking", "ui"]', pid=0, created=0.0,
            started="2026-01-01T00:00:00+00:00"))
    assert "MLflow is not available" in words(open_page("training"))
