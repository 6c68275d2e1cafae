"""Words about time, and the job panel in every state of a job."""

from __future__ import annotations

import re
import sys
import time
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from hai_core import jobs
from hai_core.workspace import repository_root
from pages.ui import progress, words


@pytest.mark.parametrize(("seconds", "words"), [
    (0.4, "0 s"), (59, "59 s"), (120, "2 min"), (125, "2 min 5 s"), (1500, "25 min"), (4800, "1 h 20 min")])
def test_durations_are_said_as_people_say_them(seconds, words):
    assert progress.duration(seconds) == words


HEAD = """
import os, pathlib, sys, time
folder = pathlib.Path(os.environ["HAI_JOB"])
def write(name, text):
    (folder / "part").write_text(text)
    os.replace(folder / "part", folder / name)
"""


def panel(root: str) -> None:
    from pathlib import Path

    from hai_core.workspace import Workspace
    from pages.ui import progress

    progress.job_panel(Workspace.open(Path(root)), "train", ended=5)


def start(workspace, body, *argv):
    return jobs.start(workspace, argv or ["train"], program=[sys.executable, "-c", HEAD + body])


def wait(workspace, job):
    while (job := jobs.get(workspace, job.id)).active:
        time.sleep(0.02)
    return job


def test_a_running_job_shows_how_far_it_is_and_can_be_cancelled(workspace):
    state = '{"task": "Training", "done": 2, "total": 8, "unit": "epochs", "seconds": 4, "rate": 0.5, "seconds_left": 12, ' \
            '"info": {"log_loss": 1.23456}}'
    job = start(workspace, f"write('progress.json', '{state}'); print('up', flush=True); time.sleep(60)")
    while not job.log():
        time.sleep(0.02)
    app = AppTest.from_function(panel, args=(str(workspace.root),)).run()
    assert not app.exception
    assert "Running" in app.markdown[0].value
    assert app.get("progress")[0].proto.text == "Training: 2 of 8 epochs · 0.5 a second · 12 s left · log_loss 1.235"
    assert app.code[0].value == "python -m hai_core train"
    app.button(key=f"jobs-cancel-{job.id}").click().run()
    assert jobs.get(workspace, job.id).state == "cancelled"
    assert "Cancelled" in app.markdown[0].value


def test_a_failed_job_shows_its_last_words_and_can_be_resumed(workspace, monkeypatch):
    job = start(workspace, "print('manifest.csv does not fit its digest'); "
                           "write('exit.json', '{\"code\": 2}'); sys.exit(2)", "train", "--manifest", "m")
    wait(workspace, job)
    started = []
    monkeypatch.setattr(jobs, "start", lambda _, argv: started.append(argv))
    app = AppTest.from_function(panel, args=(str(workspace.root),)).run()
    assert app.error[0].value == "manifest\\.csv does not fit its digest"
    app.button(key=f"jobs-resume-{job.id}").click().run()
    assert started == [("train", "--manifest", "m")]


def test_a_killed_job_is_said_to_have_died(workspace):
    wait(workspace, start(workspace, "os.kill(os.getpid(), 9)"))
    app = AppTest.from_function(panel, args=(str(workspace.root),)).run()
    assert "Died" in app.markdown[0].value
    assert app.warning


def test_other_kinds_of_jobs_are_not_shown(workspace):
    wait(workspace, start(workspace, "write('exit.json', '{\"code\": 0}')", "index"))
    app = AppTest.from_function(panel, args=(str(workspace.root),)).run()
    assert not app.markdown


def test_a_command_that_runs_again_takes_the_place_of_its_earlier_end(workspace):
    wait(workspace, start(workspace, "os.kill(os.getpid(), 9)"))
    job = start(workspace, "time.sleep(60)")
    app = AppTest.from_function(panel, args=(str(workspace.root),)).run()
    jobs.cancel(job)
    assert len(app.markdown) == 1
    assert "Running" in app.markdown[0].value


def test_every_unit_that_work_is_counted_in_has_words():
    sources = "\n".join(file.read_text("utf-8") for file in (repository_root() / "hai_core").rglob("*.py"))
    units = set(re.findall(r'track\(.*"([a-z]+)s"\) as', sources))
    assert {"image", "fold", "pair", "epoch"} <= units
    assert {f"count.{unit}" for unit in units} <= set(words.catalogue("en"))


@pytest.mark.parametrize(("argv", "told"), [
    (["train", "--manifest", "M", "--config", "careful", "--wait"], " · careful"), (["find", "noise"], ""),
    (["train", "--manifest", "M", "--config", "finetune", "--trial"], " · finetune · trial"),
    (["train", "--manifest", "M", "--config", "W/runs/20261125-quick/config.yaml"], " · 20261125\\-quick")])
def test_a_training_is_called_by_its_configuration(argv, told):
    assert progress._what(SimpleNamespace(argv=tuple(argv))) == told
