"""The command line as scripts use it: exit status, JSON on standard output, one sentence on standard error."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import tiny
import tiny_runs
from tiny_runs import make_config, make_manifest, write_photos

from hai_core import backbones, cli, decisions, manifest, runs

ROOT = Path(__file__).parent.parent


@pytest.fixture
def workspace(make_tree, tmp_path, capsys) -> Path:
    """An indexed workspace of five images in the classes 아리아 and B, "c"."""
    images = make_tree("아리아/1.jpg", "아리아/2.jpg", 'B, "c"/=3.jpg', 'B, "c"/4.jpg', 'B, "c"/5.jpg')
    assert cli.main(["init", str(tmp_path / "w"), "--images", str(images)]) == 0
    assert cli.main(["index", "-w", str(tmp_path / "w")]) == 0
    capsys.readouterr()
    return tmp_path / "w"


def result(capsys, *words) -> dict:
    """What a command prints with --json; its standard output holds nothing else."""
    assert cli.main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys, *words) -> str:
    assert cli.main([*map(str, words)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def decide(tmp_path, rows: list[dict]) -> Path:
    pd.DataFrame(rows).to_csv(tmp_path / "d.csv", index=False)
    return tmp_path / "d.csv"


def test_index_counts(workspace, capsys):
    again = result(capsys, "index", "-w", workspace)
    assert (again["images"], again["unreadable"], again["decoded"]) == (5, 0, 0)


def test_a_wrong_request_is_one_sentence_and_status_2(workspace, tmp_path, capsys):
    assert "nowhere" in refusal(capsys, "index", "-w", tmp_path / "nowhere")
    assert "already is a workspace" in refusal(capsys, "init", workspace, "--images", tmp_path / "images")
    assert "0.7" in refusal(capsys, "init", tmp_path / "x", "--images", tmp_path / "images", "--holdout", 0.7)
    assert "none.csv" in refusal(capsys, "decide", "-w", workspace, "--from", tmp_path / "none.csv")
    assert "invalid choice: 'dupes'" in refusal(capsys, "find", "dupes", "-w", workspace)


def test_a_target_that_cannot_be_written_is_one_sentence_and_leaves_nothing(workspace, tmp_path, capsys):
    (tmp_path / "folder.jsonl").mkdir()
    assert "cannot be written" in refusal(capsys, "journal", "export", "-w", workspace, tmp_path / "folder.jsonl")
    (tmp_path / "folder.csv").mkdir()
    assert "cannot be written" in refusal(capsys, "series", "export", "-w", workspace, tmp_path / "folder.csv")
    assert not list(tmp_path.glob("*.part"))
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "q.csv"
    assert "q.csv cannot be written" in refusal(capsys, "find", "quality", "-w", workspace, "--out", below)
    assert "not a directory" in refusal(capsys, "init", tmp_path / "file" / "w", "--images", tmp_path / "images")
    assert "file: file exists" in refusal(capsys, "manifest", "build", "-w", workspace, "--out", tmp_path / "file" / "m")


def test_a_labels_file_is_read_before_a_workspace_is_made(tmp_path, make_tree, capsys):
    images, labels = make_tree("1.jpg"), tmp_path / "labels.csv"
    for text, encoding, sentence in (("file,label\n", "utf-8", "has no column path"), ("path,label\n차,\n", "cp949", "UTF-8")):
        labels.write_text(text, encoding=encoding)
        assert sentence in refusal(capsys, "init", tmp_path / "x", "--images", images, "--labels", labels)
        assert not (tmp_path / "x").exists()


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Images below images/, a manifest of them, and a configuration that trains in a moment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: tiny.backbone())
    Path("tiny.yaml").write_text(make_config().to_yaml(), encoding="utf-8")
    photos = write_photos(tmp_path / "images")
    manifest.save(make_manifest(photos), tmp_path / "manifest")
    return photos


@pytest.mark.parametrize("mlflow", ["absent", "down"])
def test_everything_but_the_mirror_works_while_mlflow_is_absent_or_down(photos, tmp_path, capsys, monkeypatch, mlflow):
    if mlflow == "absent":
        monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    result(capsys, "init", "w", "--images", "images", "--holdout", "0")
    began = time.monotonic()
    assert cli.main(["train", "--manifest", "manifest", "--config", "tiny.yaml", "-w", "w", "--json"]) == 0
    told = capsys.readouterr()
    assert "warning: the run is complete, but was not mirrored to MLflow" in told.err
    run = json.loads(told.out)["run"]
    assert result(capsys, "predict", "--run", run, "-w", "w", "--images", "images", "--out", "p.csv")["images"] == len(photos)
    photos.rename(columns={"path": "file"}).to_csv("l.csv", index=False)
    assert result(capsys, "evaluate", "--predictions", "p.csv", "--labels", "l.csv")["n"] == len(photos)
    assert refusal(capsys, "tracking", "sync", "-w", "w").startswith("error: MLflow is not available: ")
    assert refusal(capsys, "tracking", "register", "-w", "w", "--run", run).startswith("error: MLflow is not available: ")
    assert "MLflow" in refusal(capsys, "tracking", "ui", "-w", "w")
    assert time.monotonic() - began < 60


def test_a_run_is_registered_under_the_workspaces_name_and_how_to_serve_it_is_said(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    result(capsys, "init", "w", "--images", "images", "--holdout", "0")
    run = result(capsys, "train", "--manifest", "manifest", "--config", "tiny.yaml", "-w", "w")["run"]
    assert cli.main(["tracking", "register", "-w", "w", "--run", run, "--json"]) == 0
    told = capsys.readouterr()
    store = f"sqlite:///{tmp_path / 'w' / 'mlflow.db'}"
    assert json.loads(told.out) == {"name": "w", "version": "1", "uri": "models:/w/1", "store": store}
    programs = Path(sys.executable).parent
    assert (f"PATH={programs}:$PATH MLFLOW_TRACKING_URI={store} {programs / 'mlflow'} models serve --env-manager local "
            "-m models:/w/1 ") in told.err
    assert "there is no run nothing" in refusal(capsys, "tracking", "register", "-w", "w", "--run", "nothing")


def test_runs_go_to_a_folder_and_come_from_it(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for name in ("w", "v"):
        result(capsys, "init", name, "--images", "images", "--holdout", "0")
    run = result(capsys, "train", "--manifest", "manifest", "--config", "tiny.yaml", "-w", "w")["run"]
    url = f"file://{tmp_path}/사본 1"
    assert result(capsys, "runs", "push", "-w", "w", "--run", run, url) == {"run": run, "url": url}
    assert result(capsys, "runs", "pull", "-w", "v", url) == {"runs": [run]}
    there, here = (tmp_path / name / "runs" / run for name in ("v", "w"))
    assert (there / "oof.parquet").read_bytes() == (here / "oof.parquet").read_bytes()


def test_relink_refuses_a_folder_of_other_images(workspace, tmp_path, make_tree, capsys):
    moved, other = tmp_path / "moved", tmp_path / "other"
    (tmp_path / "images").rename(moved)
    other.mkdir()
    (other / "1.jpg").write_bytes(b"x")
    assert "holds none of the 5 images" in refusal(capsys, "relink", "-w", workspace, "--images", other)
    assert result(capsys, "relink", "-w", workspace, "--images", moved)["images"] == str(moved)
    (moved / "아리아").rename(moved / "Aria")
    (moved / 'B, "c"').rename(moved / "B")
    assert result(capsys, "relink", "-w", workspace, "--images", moved)["images"] == str(moved)


def test_a_class_folder_with_outer_spaces_can_be_decided_on(make_tree, tmp_path, capsys):
    images = make_tree(" A /1.jpg", "A/2.jpg", "B/3.jpg")
    assert cli.main(["init", str(tmp_path / "s"), "--images", str(images), "--holdout", "0"]) == 0
    assert cli.main(["index", "-w", str(tmp_path / "s")]) == 0
    capsys.readouterr()
    rows = decide(tmp_path, [{"action": "relabel", "path": "B/3.jpg", "value": " A "},
                             {"action": "merge", "class": "B", "value": "A"},
                             {"action": "series", "class": " A ", "value": "line "}])
    assert result(capsys, "decide", "-w", tmp_path / "s", "--from", rows)["applied"] == 3
    result(capsys, "series", "export", "-w", tmp_path / "s", tmp_path / "series.csv")
    table = pd.read_csv(tmp_path / "series.csv", keep_default_na=False)
    assert table.to_numpy().tolist() == [[" A ", "line"], ["A", ""]]
    assert result(capsys, "series", "import", "-w", tmp_path / "s", tmp_path / "series.csv")["applied"] == 0


def test_accepting_a_table_twice_writes_nothing_the_second_time(workspace, tmp_path, capsys):
    table = pd.DataFrame({"path": ["아리아/1.jpg"], "problem": "dark", "score": 0.1, "reason": "dark"})
    table.to_csv(tmp_path / "q.csv", index=False)
    assert result(capsys, "decide", "-w", workspace, "--accept", tmp_path / "q.csv")["applied"] == 1
    again = result(capsys, "decide", "-w", workspace, "--accept", tmp_path / "q.csv")
    assert (again["batch"], again["applied"], again["settled"]) == ("", 0, 1)


def test_a_table_without_suggestions_is_no_fault(workspace, tmp_path, capsys):
    pd.DataFrame(columns=["path", "problem", "score", "reason"]).to_csv(tmp_path / "q.csv", index=False)
    assert result(capsys, "decide", "-w", workspace, "--accept", tmp_path / "q.csv")["applied"] == 0
    pd.DataFrame(columns=["action", "path"]).to_csv(tmp_path / "d.csv", index=False)
    assert "d.csv holds no decision" in refusal(capsys, "decide", "-w", workspace, "--from", tmp_path / "d.csv")


def test_decide_undo_redo(workspace, tmp_path, capsys):
    rows = decide(tmp_path, [{"action": "exclude", "path": 'B, "c"/=3.jpg'},
                             {"action": "relabel", "path": "아리아/1.jpg", "value": 'B, "c"'}])
    made = result(capsys, "decide", "-w", workspace, "--from", rows, "--by", "지민")
    assert (made["applied"], made["rejected"]) == (2, 0)
    assert result(capsys, "undo", "-w", workspace)["batch"] == made["batch"]
    assert result(capsys, "redo", "-w", workspace, "--batch", made["batch"])["applied"] == 2
    assert "there is nothing" in refusal(capsys, "redo", "-w", workspace)


def test_an_invalid_row_stops_the_batch_unless_told_otherwise(workspace, tmp_path, capsys):
    rows = decide(tmp_path, [{"action": "exclude", "path": "아리아/1.jpg"}, {"action": "exclude", "path": "아리아/9.jpg"}])
    assert "row 2: " in refusal(capsys, "decide", "-w", workspace, "--from", rows)
    made = result(capsys, "decide", "-w", workspace, "--from", rows, "--skip-invalid")
    assert (made["applied"], made["rejected"]) == (1, 1)


def test_journal_export_and_restore(workspace, tmp_path, capsys):
    result(capsys, "decide", "-w", workspace, "--from", decide(tmp_path, [{"action": "exclude", "path": "아리아/1.jpg"}]))
    assert result(capsys, "journal", "export", "-w", workspace, tmp_path / "j.jsonl")["entries"] == 1
    cli.main(["init", str(tmp_path / "w2"), "--images", str(tmp_path / "images")])
    cli.main(["index", "-w", str(tmp_path / "w2")])
    capsys.readouterr()
    assert result(capsys, "journal", "restore", "-w", tmp_path / "w2", tmp_path / "j.jsonl")["entries"] == 1
    assert result(capsys, "journal", "restore", "-w", tmp_path / "w2", tmp_path / "j.jsonl")["entries"] == 0


def test_series_there_and_back(workspace, tmp_path, capsys):
    file = tmp_path / "s.csv"
    result(capsys, "series", "export", "-w", workspace, file)
    table = pd.read_csv(file, keep_default_na=False)
    assert table.to_dict("list") == {"class": ['B, "c"', "아리아"], "series": ["", ""]}
    table.assign(series=["", "=한빛"]).to_csv(file, index=False)
    assert result(capsys, "series", "import", "-w", workspace, file)["applied"] == 1
    assert result(capsys, "series", "import", "-w", workspace, file)["applied"] == 0


def test_two_runs_are_compared_on_their_holdout(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone())
    photos, made = tiny_runs.write_photos(tmp_path / "images"), []
    for epochs in (4, 30):
        options = tiny_runs.make_config(f"epochs={epochs}")
        made.append(runs.train(tiny_runs.make_manifest(photos), options, images=tmp_path / "images", runs=tmp_path / "runs"))
    (made[0].path / "holdout.parquet").unlink()
    found = result(capsys, "compare", made[0].path, made[1].path, "--images", tmp_path / "images")
    assert found["images"] == 6
    assert (found["before"], found["after"]) == pytest.approx(tuple(run.metrics["holdout_log_loss"] for run in made))
    assert found["low"] <= found["difference"] <= found["high"]
    assert found["resamples"] == 2000
    assert cli.main(["compare", str(made[0].path), str(made[1].path)]) == 0
    assert f"{found['difference']:+.4f}" in capsys.readouterr().out
    assert "no run" in refusal(capsys, "compare", made[0].path, tmp_path / "nothing")


def test_a_bug_is_a_traceback_and_status_1(workspace, monkeypatch, tmp_path):
    def broken(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(decisions.Journal, "undo", broken)
    monkeypatch.setenv("HAI_JOB", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        cli.main(["undo", "-w", str(workspace)])
    assert json.loads((tmp_path / "exit.json").read_text())["code"] == 1


def test_a_job_leaves_its_result(workspace, monkeypatch, tmp_path):
    monkeypatch.setenv("HAI_JOB", str(tmp_path))
    assert cli.main(["index", "-w", str(workspace)]) == 0
    assert json.loads((tmp_path / "exit.json").read_text())["result"]["images"] == 5


def test_terminate_is_a_cancel(tmp_path):
    script = ("import os, signal, sys, time; from hai_core import cli, demo\n"
              "def write(*a, **k): os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)\n"
              "demo.write = write; sys.exit(cli.main(['demo', 'x']))")
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 130
    assert "Traceback" not in ended.stderr


def test_help_is_quick_to_import():
    heavy = "torch pandas streamlit mlflow sklearn umap"
    script = f"import sys; from hai_core import cli; cli.parser(); print([m for m in '{heavy}'.split() if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "['pandas']"


def test_trainings_that_wait_take_turns(tmp_path):
    order = []

    def second():
        with cli._turn(tmp_path):
            order.append("second")

    waiting = threading.Thread(target=second)
    with cli._turn(tmp_path):
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
