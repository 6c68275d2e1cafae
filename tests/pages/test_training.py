import json
import socket

import pandas as pd
import pytest
import streamlit as st

from hai_core import jobs
from hai_core.workspace import write_atomic
from pages.ui import state
from pages.ui.run_view import bins, learned


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
    assert tables[1]["part"].tolist() [:1] == ["Temperature"]  # one recipe, one view, no series: nothing else can be left out
    assert tables[1]["part"][1].startswith("All members together, over tiny-fold")
    assert tables[2]["name"].tolist() == ["tiny-fold0", "tiny-fold1", "tiny-fold2"]
    assert any("recipes" in code.value for code in page.code)


def test_what_each_part_adds_is_shown_with_its_interval_and_the_ways_that_were_compared(open_page, trained):
    effects = [{"part": part, "name": name, "used": part != "hierarchy", "log_loss": 1.0, "gain": 0.0123, "low": -0.001,
                "high": 0.03} for part, name in [("recipes", "a"), ("recipe", "b+c"), ("views", ""), ("temperature", ""),
                                                 ("groups", ""), ("weights", ""), ("hierarchy", "")]]
    plans = [{"weights": way, "calibration": "temperature", "hierarchy": level, "chosen": chosen, "log_loss": loss,
              "gain": 0.0, "low": 0.0, "high": 0.0} for way, level, chosen, loss in [
                  ("uniform", "none", False, 1.2), ("optimised", "series", True, 1.0),
                  ("inverse_log_loss", "none", False, 1.1)]]
    results = json.loads((trained.path / "metrics.json").read_text())
    write_atomic(trained.path / "metrics.json", json.dumps(results | {"effects": effects, "plans": plans}))
    page = open_page("training")
    assert not page.exception
    parts, ways = (table.value for table in page.dataframe[1:3])
    assert parts["part"].tolist()[:3] == ["All recipes together, over a alone", "Recipe b+c", "Mirror image"]
    assert parts["range"].tolist() == ["-0.0010 .. 0.0300"] * 7
    assert parts["used"].tolist() == [True] * 6 + [False]
    assert ways["weights"].tolist() == ["fitted", "by 1 / log loss", "equal"]
    assert ways["chosen"].tolist() == ways["hierarchy"].tolist() == [True, False, False]


def test_a_run_of_an_earlier_version_is_shown_without_what_it_does_not_tell(open_page, trained):
    results = json.loads((trained.path / "metrics.json").read_text())
    write_atomic(trained.path / "metrics.json", json.dumps({k: v for k, v in results.items() if k not in ("effects", "plans")}))
    table = pd.read_parquet(trained.path / "reliability.parquet")
    assert len(bins(table)) == 2
    old = table[["low", "high", "images", "confidence", "accuracy"]]
    old.to_parquet(trained.path / "reliability.parquet", index=False)
    assert len(bins(old)) == 1
    page = open_page("training")
    assert not page.exception
    assert [table.value.columns[0] for table in page.dataframe] == ["name", "name"]


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
