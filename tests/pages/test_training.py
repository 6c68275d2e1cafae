import json
import socket

import pandas as pd
import pytest
import streamlit as st

from hai_core import catalog, jobs, runs
from hai_core.decisions import Journal
from hai_core.members import config
from hai_core.records import Decision
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
                        "--set", "epochs=7", "--wait"]]


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


def test_the_run_that_was_chosen_stays_when_another_one_ends(open_page, trained, more_runs):
    other = more_runs("epochs=3")
    page = open_page("training", **{"training.run": trained.id})
    assert not page.exception
    assert any(f"`{trained.id}`" in element.value for element in page.markdown)
    assert page.dataframe[0].value["id"].tolist() == [other.id, trained.id]


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


def test_a_run_is_registered_by_the_command(open_page, trained, workspace, started):
    page = open_page("training")
    page.button(key="training.register").click().run()
    assert started == [["tracking", "register", "-w", str(workspace.root), "--run", trained.id]]


@pytest.mark.parametrize("rates", [{}, {"images_per_second": 12.5, "wait_share": 0.25}])
def test_how_fast_fine_tuned_members_learned_is_shown_and_of_others_nothing(open_page, trained, rates):
    results = json.loads((trained.path / "metrics.json").read_text())
    results["members"][1] |= rates
    write_atomic(trained.path / "metrics.json", json.dumps(results))
    shown = open_page("training").dataframe[2].value
    assert {"images_per_second", "wait_share"} & set(shown) == set(rates)
    assert shown.loc[1, list(rates)].to_dict() == rates


def test_the_calibration_error_is_told_beside_what_chance_makes_of_it(open_page, trained):
    [shown] = [metric for metric in open_page("training").metric if metric.label == "Calibration error"]
    assert f"{trained.metrics['ece_by_chance']:.3f} by chance" in shown.help


def test_one_run_cannot_be_compared(open_page, trained):
    assert "needs two finished runs" in words(open_page("training", **{"training.view": "two"}))


def test_two_runs_are_compared_on_the_holdout_with_their_figures_and_what_differs(open_page, trained, more_runs):
    other = more_runs("epochs=30")
    page = open_page("training", **{"training.view": "two"})
    assert not page.exception
    assert [page.selectbox(key=f"compare.{side}").value for side in ("before", "after")] == [str(trained.path), str(other.path)]
    held = trained.metrics["holdout_n"]
    assert f"On {held} images that neither run trained on" in words(page)
    assert f"{trained.metrics['holdout_log_loss']:.4f} → {other.metrics['holdout_log_loss']:.4f}" in words(page)
    tables = [table.value for table in page.dataframe]
    [told] = [table for table in tables if "option" in table]
    assert told.to_dict("records") == [{"option": "epochs", "before": "4", "after": "30"}]
    [figures] = [table for table in tables if "figure" in table]
    assert figures["before"][0].startswith(f"{trained.metrics['log_loss']:.4f} ± ")


def test_a_run_of_before_holdout_answers_were_kept_can_answer_now(open_page, trained, more_runs, started, workspace):
    other = more_runs("epochs=5")
    (trained.path / "holdout.parquet").unlink()
    page = open_page("training", **{"training.view": "two"})
    assert "trained before its answers" in words(page)
    page.button(key="compare.answer").click().run()
    assert started == [["compare", trained.id, other.id, "-w", str(workspace.root)]]


def test_see_what_changed_opens_both_runs_there(open_page, trained, more_runs, monkeypatch):
    other = more_runs("epochs=5")
    visited = []
    monkeypatch.setattr(st, "switch_page", visited.append)
    monkeypatch.setattr(state, "_inside_the_app", lambda: None)
    page = open_page("training", **{"training.view": "two"})
    page.button(key="compare.see").click().run()
    assert visited == ["pages/confusions.py"]
    assert page.session_state["confusions.run"] == str(other.path)
    assert page.session_state["confusions.other"] == str(trained.path)


def test_a_fine_tuning_is_tried_before_it_is_started_and_its_time_and_cost_are_told(open_page, workspace, build, started):
    built, folder = build()
    page = open_page("training")
    page.segmented_control(key="training.preset").set_value("finetune").run()
    assert "Twenty steps tell how long" in words(page)
    page.button(key="training.try").click().run()
    assert started == [["train", "--manifest", str(folder), "--config", "finetune", "-w", str(workspace.root), "--trial",
                        "--wait"]]
    chosen = config.load("finetune")
    found = {"seconds": 7200.0, "images_per_second": 12.34, "wait_share": 0.05}
    write_atomic(runs._trial_file(built.digest, chosen, workspace.runs), json.dumps(found))
    page.run()
    assert "About **2 h" in words(page)
    assert "12.3 images a second, 5% of the time" in words(page)
    page.number_input(key="training.price").set_value(1.5).run()
    assert "About **3.00** in all" in words(page)


def test_the_same_training_is_offered_on_the_newest_manifest(open_page, workspace, build, trained, started):
    page = open_page("training")
    assert not any(button.key == "training.again" for button in page.button)
    images = catalog.load(workspace)
    Journal(workspace).append([Decision("exclude", path=images["path"][0])], images, author="t")
    _, folder = build()
    page = open_page("training")
    page.button(key="training.again").click().run()
    assert started == [["train", "--manifest", str(folder), "--config", str(trained.path / "config.yaml"), "-w",
                        str(workspace.root), "--wait"]]


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


def test_one_click_compares_a_run_with_the_same_training_before_the_decisions(open_page, workspace, trained, more_runs, build):
    assert not any(button.key == "training.compare" for button in open_page("training").button)
    images = catalog.load(workspace)
    Journal(workspace).append([Decision("exclude", path=images["path"][0])], images, author="t")
    manifest, _ = build()
    more_runs("epochs=3")
    newest = [more_runs(f"epochs={epochs}", manifest=manifest) for epochs in (3, 4)][-1]
    page = open_page("training")
    page.button(key="training.compare").click().run()
    assert not page.exception
    chosen = [page.selectbox(key=f"compare.{side}").value for side in ("before", "after")]
    assert chosen == [str(trained.path), str(newest.path)]
