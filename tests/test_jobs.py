"""Jobs with real tiny processes: what they write, how their state is told, how they end."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hai_core import jobs
from hai_core.workspace import InputError, Workspace

WRITES = """
    import json, os, pathlib, sys, time
    folder = pathlib.Path(os.environ["HAI_JOB"])
    def end(code, result=None):
        (folder / "part").write_text(json.dumps({"code": code, "result": result}))
        os.replace(folder / "part", folder / "exit.json")  # whole or not there, as the command line writes it
        sys.exit(code)
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "images").mkdir()
    return Workspace.create(tmp_path / "work space", tmp_path / "images")


def program(body: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(WRITES) + textwrap.dedent(body)]


def wait(workspace: Workspace, job: jobs.Job, until: Callable[[jobs.Job], bool] = lambda job: not job.active) -> jobs.Job:
    deadline = time.monotonic() + 20
    while not until(job := jobs.get(workspace, job.id)):
        assert time.monotonic() < deadline, f"still {job.state}: {job.log()}"
        time.sleep(0.02)
    return job


def test_a_job_runs_to_its_end_and_keeps_its_result_and_log(workspace: Workspace) -> None:
    job = jobs.start(workspace, ["index", "-w", "a b"], program=program("print('정상'); end(0, {'images': 7})"))
    job = wait(workspace, job)
    assert (job.state, job.exit_code, job.result) == ("done", 0, {"images": 7})
    assert job.log() == "정상"
    assert job.command == "python -m hai_core index -w 'a b'"
    assert job.ended is not None
    assert job.ended >= job.started


def test_a_job_that_ends_with_another_status_has_failed(workspace: Workspace) -> None:
    job = wait(workspace, jobs.start(workspace, ["find"], program=program("print('no such kind'); end(2)")))
    assert (job.state, job.exit_code, job.log()) == ("failed", 2, "no such kind")


def test_a_killed_job_has_died_and_is_no_zombie(workspace: Workspace) -> None:
    job = jobs.start(workspace, ["train"], program=program("print('up', flush=True); time.sleep(60)"))
    wait(workspace, job, lambda job: job.log() == "up")
    assert jobs.get(workspace, job.id).state == "running"
    os.kill(job.pid, signal.SIGKILL)
    job = wait(workspace, job)
    assert (job.state, job.exit_code) == ("died", None)


def test_an_unreaped_process_counts_as_gone(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.threading, "Thread", lambda **_: type("Never", (), {"start": lambda self: None})())
    job = jobs.start(workspace, ["train"], program=program("os.kill(os.getpid(), 9)"))
    job = wait(workspace, job)
    assert psutil.Process(job.pid).status() == psutil.STATUS_ZOMBIE
    assert job.state == "died"
    os.waitpid(job.pid, 0)


def test_another_process_with_the_same_number_is_not_the_job(workspace: Workspace) -> None:
    job = wait(workspace, jobs.start(workspace, ["index"], program=program("os.kill(os.getpid(), 9)")))
    with jobs._engine(workspace).begin() as connection:
        earlier = psutil.Process().create_time() - 60
        connection.execute(jobs._jobs.update().values(pid=os.getpid(), created=earlier))
    reused = jobs.get(workspace, job.id)
    assert reused.state == "died"
    jobs.cancel(reused)  # would end this test run


def test_cancel_ends_the_whole_group_and_lets_it_finish_in_order(workspace: Workspace) -> None:
    job = jobs.start(workspace, ["train"], program=program("""
        import signal, subprocess
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        (folder / "child").write_text(str(child.pid))
        signal.signal(signal.SIGTERM, lambda *_: end(130))
        print("up", flush=True)
        time.sleep(60)
    """))
    wait(workspace, job, lambda job: job.log() == "up")
    jobs.cancel(job)
    job = jobs.get(workspace, job.id)
    assert (job.state, job.exit_code) == ("cancelled", 130)
    child = int((job.folder / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_cancel_forces_what_does_not_listen(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "TERMINATE_SECONDS", 0.3)
    job = jobs.start(workspace, ["train"], program=program("""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(60)
    """))
    wait(workspace, job, lambda job: job.log() == "up")
    jobs.cancel(job)
    assert jobs.get(workspace, job.id).state == "cancelled"


def test_a_job_that_finished_just_before_it_was_cancelled_is_done(workspace: Workspace) -> None:
    job = wait(workspace, jobs.start(workspace, ["index"], program=program("end(0)")))
    (job.folder / "cancelled").touch()
    assert jobs.get(workspace, job.id).state == "done"


def test_progress_is_what_the_process_last_reported(workspace: Workspace) -> None:
    job = jobs.start(workspace, ["embed"], program=program("""
        sys.path.insert(0, os.getcwd())
        from hai_core import progress
        progress.report_to(file=folder / "progress.json")
        with progress.track("Embedding", total=4) as bar:
            bar.advance(3, rate=2.5)
        end(0)
    """))
    job = wait(workspace, job)
    assert (job.progress["task"], job.progress["done"], job.progress["total"]) == ("Embedding", 3, 4)
    assert job.progress["info"] == {"rate": 2.5}


def test_jobs_outlive_the_process_that_started_them(workspace: Workspace, tmp_path: Path) -> None:
    starter = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from hai_core import jobs
        from hai_core.workspace import Workspace
        jobs.start(Workspace.open(Path({str(workspace.root)!r})), ["embed"], program={program("time.sleep(60)")!r})
    """)
    environment = os.environ | {"PYTHONPATH": str(jobs.repository_root())}
    assert os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", starter], environment) == 0
    [job] = jobs.list_jobs(workspace)
    assert job.state == "running"
    jobs.cancel(job)
    assert jobs.get(workspace, job.id).state == "cancelled"


def test_newest_first_and_each_workspace_its_own(workspace: Workspace, tmp_path: Path) -> None:
    other = Workspace.create(tmp_path / "other", tmp_path / "images")
    first = jobs.start(workspace, ["index"], program=program("end(0)"))
    second = jobs.start(workspace, ["embed"], program=program("end(0)"))
    assert [job.id for job in jobs.list_jobs(workspace)] == [second.id, first.id]
    assert jobs.list_jobs(other) == []
    with pytest.raises(InputError, match=first.id):
        jobs.get(other, first.id)


def test_the_same_command_does_not_run_twice_at_once_but_can_be_resumed(workspace: Workspace) -> None:
    job = jobs.start(workspace, ["train"], program=program("print('up', flush=True); time.sleep(60)"))
    with pytest.raises(InputError, match="already runs"):
        jobs.start(workspace, ["train"], program=program("end(0)"))
    jobs.cancel(job)
    resumed = jobs.start(workspace, jobs.get(workspace, job.id).argv, program=program("end(0)"))
    assert wait(workspace, resumed).state == "done"
    assert jobs.get(workspace, job.id).state == "cancelled"


def test_a_job_of_another_machine_is_unknown_until_it_reports_its_end(workspace: Workspace) -> None:
    job = wait(workspace, jobs.start(workspace, ["train"], program=program("os.kill(os.getpid(), 9)")))
    with jobs._engine(workspace).begin() as connection:
        connection.execute(jobs._jobs.update().values(host="elsewhere"))
    far = jobs.get(workspace, job.id)
    assert (far.state, far.active, far.ended) == ("unknown", True, None)
    with pytest.raises(InputError, match="elsewhere"):
        jobs.cancel(far)
    (far.folder / "exit.json").write_text(json.dumps({"code": 0, "result": None}))
    assert jobs.get(workspace, job.id).state == "done"


def test_a_job_of_a_machine_that_was_silent_for_long_can_be_given_up(workspace: Workspace) -> None:
    job = wait(workspace, jobs.start(workspace, ["train"], program=program("os.kill(os.getpid(), 9)")))
    with jobs._engine(workspace).begin() as connection:
        connection.execute(jobs._jobs.update().values(host="gone"))
    for file in job.folder.iterdir():
        os.utime(file, (0, 0))
    jobs.cancel(jobs.get(workspace, job.id))
    assert jobs.get(workspace, job.id).state == "cancelled"


def test_the_log_shows_redrawn_lines_once_and_only_its_end(workspace: Workspace) -> None:
    body = r"sys.stdout.write('1 %\r50 %\r100 %\n' + 'x' * 200_000 + '\nlast but one\nlast\n'); end(0)"
    job = wait(workspace, jobs.start(workspace, ["index"], program=program(body)))
    assert job.log(2) == "last but one\nlast"
    assert len(job.log()) < 70_000
    short = wait(workspace, jobs.start(workspace, ["embed"], program=program(r"sys.stdout.write('1 %\r100 %\n'); end(0)")))
    assert short.log() == "100 %"


def test_a_team_may_keep_its_jobs_in_one_database(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HAI_DATABASE_URL", f"sqlite:///{tmp_path / 'team.sqlite'}")
    job = wait(workspace, jobs.start(workspace, ["index"], program=program("end(0)")))
    assert [listed.id for listed in jobs.list_jobs(workspace)] == [job.id]
    assert (tmp_path / "team.sqlite").exists()
    assert not (workspace.jobs / "jobs.sqlite").exists()
