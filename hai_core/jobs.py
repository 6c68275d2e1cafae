"""Long work as a detached process that runs the same command a person could type.

A job is a row in a database (what was started, where, as which process) and a folder `jobs/<id>/` (what the process
writes: `progress.json`, `log.txt`, `exit.json`). Its state is worked out from these and from the process table whenever
it is asked for. Nothing has to wait for the process, so a job outlives the browser's page and the app.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import psutil
from sqlalchemy import Column, Engine, Float, Integer, MetaData, Row, String, Table, Text, insert, select
from sqlalchemy.schema import CreateTable

from hai_core.database import connect
from hai_core.workspace import InputError, Workspace, repository_root

State = Literal["running", "done", "failed", "cancelled", "died", "unknown"]

PROGRAM = (sys.executable, "-m", "hai_core")
CANCELLED = 130  # exit status of an interrupted command
GIVEN_UP = timedelta(minutes=10)  # without a sign of life, after which another machine's job may be
TERMINATE_SECONDS = 5.0  # how long a cancelled job may take to put its things away
SAME_PROCESS_SECONDS = 2.0  # a start time is known to the second at worst (it is worked out from the boot time)
LOG_BYTES = 64_000  # read from the end of a log

_jobs = Table(
    "jobs", MetaData(),
    Column("id", String(32), primary_key=True),
    Column("workspace", String(32), nullable=False),
    Column("host", String(255), nullable=False),
    Column("argv", Text, nullable=False),  # JSON list
    Column("pid", Integer, nullable=False),
    Column("created", Float, nullable=False),  # start of the process, seconds since 1970: tells a reused pid apart
    Column("started", String(40), nullable=False),  # ISO 8601, UTC
)


@dataclass(frozen=True)
class Job:
    """A job as it was when it was asked for.

    `state` is running; done (exit 0); failed (another exit status); cancelled (by `cancel` or Ctrl-C); died (the process
    is gone without a word, as after kill -9 or a power cut); or unknown (on another machine, and not ended yet).
    """

    id: str
    argv: tuple[str, ...]  # after `python -m hai_core`
    state: State
    host: str
    pid: int
    created: float
    started: datetime  # UTC
    ended: datetime | None  # UTC; the last sign of life of a job that died; None while running
    exit_code: int | None
    result: Any  # what the command prints with --json; None before it ended
    progress: dict[str, Any]  # as hai_core.progress writes it; empty before the first report
    folder: Path

    @property
    def command(self) -> str:
        """What a person types to do the same."""
        return shlex.join(["python", "-m", "hai_core", *self.argv])

    @property
    def active(self) -> bool:
        """Not known to have ended."""
        return self.state in ("running", "unknown")

    def log(self, lines: int = 200) -> str:
        """The last `lines` lines of the process's output; of a line that was redrawn, how it looked last."""
        try:
            with open(self.folder / "log.txt", "rb") as handle:
                handle.seek(max(0, handle.seek(0, os.SEEK_END) - LOG_BYTES))
                text = handle.read().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        redrawn = (line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n"))
        return "\n".join([line for line in redrawn if line][-lines:])


def start(workspace: Workspace, argv: Sequence[str], *, program: Sequence[str] = PROGRAM) -> Job:
    """Run `python -m hai_core ARGV` detached, from the repository's root, and return at once.

    To resume a job that was cancelled or died, start its `argv` again: every command continues where it stopped.
    Raises InputError when the same command already runs for this workspace.
    """
    twin = next((job for job in list_jobs(workspace) if job.active and job.argv == tuple(argv)), None)
    if twin is not None:
        raise InputError(f"this already runs: {twin.command}")
    identifier = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    folder = workspace.jobs / identifier
    folder.mkdir(parents=True)
    environment = os.environ | {"HAI_JOB": str(folder), "PYTHONUNBUFFERED": "1"}
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen([*program, *argv], cwd=repository_root(), env=environment, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    created = psutil.Process(process.pid).create_time()
    threading.Thread(target=process.wait, daemon=True).start()  # or the ended job stays a zombie as long as the app runs
    with _engine(workspace).begin() as connection:
        connection.execute(insert(_jobs).values(
            id=identifier, workspace=workspace.id, host=socket.gethostname(), pid=process.pid, created=created,
            argv=json.dumps(list(argv), ensure_ascii=False), started=datetime.now(UTC).isoformat()))
    return get(workspace, identifier)


def list_jobs(workspace: Workspace) -> list[Job]:
    """Every job of the workspace, newest first."""
    wanted = select(_jobs).where(_jobs.c.workspace == workspace.id).order_by(_jobs.c.started.desc())
    with _engine(workspace).connect() as connection:
        rows = connection.execute(wanted).all()
    return [_job(workspace, row) for row in rows]


def get(workspace: Workspace, identifier: str) -> Job:
    """Raises InputError when the workspace has no such job."""
    wanted = select(_jobs).where(_jobs.c.workspace == workspace.id, _jobs.c.id == identifier)
    with _engine(workspace).connect() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None:
        raise InputError(f"there is no job {identifier} in {workspace.root}")
    return _job(workspace, row)


def cancel(job: Job) -> None:
    """End the job's whole process group: ask (SIGTERM), and after TERMINATE_SECONDS force (SIGKILL). Returns when it is gone.

    Does nothing when the job has ended. Raises InputError when it runs on another machine; when nothing was heard of it for ten
    minutes it is given up instead.
    """
    if job.host != socket.gethostname():
        sign = _last_sign(job.folder)
        if sign is not None and datetime.now(UTC) - sign < GIVEN_UP:
            raise InputError(f"job {job.id} runs on {job.host} and can only be cancelled there")
        (job.folder / "cancelled").touch()  # that machine, or its name, may be gone for good
        return
    if not _alive(job.pid, job.created):
        return
    (job.folder / "cancelled").touch()
    _signal(job.pid, signal.SIGTERM)
    deadline = time.monotonic() + TERMINATE_SECONDS
    while _group(job.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    while _group(job.pid):
        _signal(job.pid, signal.SIGKILL)
        time.sleep(0.05)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _group(group: int) -> list[int]:
    """Living processes of a process group."""
    members = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
        except ProcessLookupError:
            continue
    return members


def _alive(pid: int, created: float) -> bool:
    """Whether the process is still this one (not another that got its number) and no zombie."""
    try:
        process = psutil.Process(pid)
        same: bool = abs(process.create_time() - created) < SAME_PROCESS_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _job(workspace: Workspace, row: Row[Any]) -> Job:
    folder = workspace.jobs / row.id
    alive = row.host == socket.gethostname() and _alive(row.pid, row.created)  # before exit.json: it may end in between
    end = _read(folder / "exit.json")
    state = _state(alive, row.host, end, (folder / "cancelled").exists())
    ended = None if state in ("running", "unknown") else _last_sign(folder)
    return Job(id=row.id, argv=tuple(json.loads(row.argv)), state=state, host=row.host, pid=row.pid, created=row.created,
               started=datetime.fromisoformat(row.started), ended=ended, exit_code=end.get("code"), result=end.get("result"),
               progress=_read(folder / "progress.json"), folder=folder)


def _state(alive: bool, host: str, end: dict[str, Any], cancelled: bool) -> State:
    if end:
        if end["code"] == 0:
            return "done"
        return "cancelled" if cancelled or end["code"] == CANCELLED else "failed"
    if host != socket.gethostname():
        return "cancelled" if cancelled else "unknown"
    if alive:
        return "running"
    return "cancelled" if cancelled else "died"


def _last_sign(folder: Path) -> datetime | None:
    """When the process last wrote anything; None when its folder was removed."""
    times = [file.stat().st_mtime for name in ("exit.json", "log.txt", "progress.json") if (file := folder / name).exists()]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _read(file: Path) -> dict[str, Any]:
    """The process replaces its files atomically, so what is there is whole."""
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return content


def _engine(workspace: Workspace) -> Engine:
    return _open(workspace.jobs / "jobs.sqlite", os.environ.get("HAI_DATABASE_URL"))


@lru_cache(maxsize=32)
def _open(file: Path, url: str | None) -> Engine:
    engine = connect(file)
    with engine.begin() as connection:
        connection.execute(CreateTable(_jobs, if_not_exists=True))
    return engine
