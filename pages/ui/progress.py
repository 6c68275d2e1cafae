"""What runs, how far it is and what it said: panels for jobs, and the buttons that start them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st

from hai_core import jobs
from hai_core.jobs import Job
from hai_core.workspace import InputError, Workspace
from pages.ui import fragments, state
from pages.ui.text import count, text
from pages.ui.toast import Notice
from pages.ui.words import say, section

REFRESH_SECONDS = 1.0
_ICONS = {"running": ":material/progress_activity:", "unknown": ":material/lan:", "done": ":material/check_circle:",
          "failed": ":material/error:", "cancelled": ":material/cancel:", "died": ":material/power_off:"}
_WATCHED = "watched-jobs"  # ids of jobs that were seen running: when one ends, the page is drawn anew


def start_button(label: str, workspace: Workspace, argv: Sequence[str], key: str, *, primary: bool = True, quiet: bool = False,
                 help: str = "") -> bool:
    """A button that starts `python -m hai_core ARGV` as a job and shows that command. True on the run after the click."""
    active = any(job.active and job.argv == tuple(argv) for job in jobs.list_jobs(workspace))
    weight = "tertiary" if quiet else "primary" if primary else "secondary"
    return st.button(label, key=key, type=weight, disabled=active, on_click=start, args=(workspace, tuple(argv)),
                     help=help or shlex.join(["python", "-m", "hai_core", *argv]))


def start(workspace: Workspace, argv: Sequence[str]) -> Job | None:
    """Start a job; a refusal is shown above the page."""
    try:
        job = jobs.start(workspace, argv)
        st.session_state[state.NOTICE] = Notice(say("progress.started"))  # the panel may be out of sight
        return job
    except InputError as refusal:
        st.session_state[state.PROBLEM] = str(refusal)
        return None


def runs(workspace: Workspace, kinds: Sequence[str]) -> bool:
    """Whether a job of one of these kinds is running."""
    return any(job.active for job in _jobs(workspace, kinds))


def job_panel(workspace: Workspace, kind: str | Sequence[str] = (), *, ended: int = 1, done: bool = True,
              key: str = "jobs") -> None:
    """Running jobs and the newest `ended` ones that ended, refreshed by itself while something runs.

    `kind`: show only jobs of these commands, such as "train" or "find noise"; all when empty. `done`: also those that ended
    well; a page that shows their result does without.
    """
    kinds = (kind,) if isinstance(kind, str) else tuple(kind)
    active = any(job.active for job in _jobs(workspace, kinds))
    fragments.draw(_panel, workspace, kinds, ended, done, active, key, run_every=REFRESH_SECONDS if active else None)


def _jobs(workspace: Workspace, kinds: Sequence[str]) -> list[Job]:
    return [job for job in jobs.list_jobs(workspace) if not kinds or any(_is_kind(job, kind) for kind in kinds)]


def _is_kind(job: Job, kind: str) -> bool:
    command, *arguments = kind.split()
    return job.argv[0] == command and set(arguments) <= set(job.argv)


def _panel(workspace: Workspace, kinds: Sequence[str], ended: int, done: bool, refreshed: bool, key: str) -> None:
    listed = _jobs(workspace, kinds)
    watched: set[str] = st.session_state.setdefault(f"{_WATCHED}-{key}", set())
    running = [job for job in listed if job.active]
    active = {job.id for job in running}
    refused = state.PROBLEM in st.session_state  # a button of this panel, which is drawn alone: the page says why
    if watched - active or (active and not refreshed) or refused:  # one ended, or was resumed in this panel
        watched.clear()
        st.rerun(scope="app")
    watched |= active
    again = {job.argv for job in running}
    past = [job for job in listed if not job.active][:ended]
    for job in [*running, *(job for job in past if (done or job.state != "done") and job.argv not in again)]:
        show_job(workspace, job, key)


def show_job(workspace: Workspace, job: Job, key: str) -> None:
    """One job: state, progress with count, rate and time left, command, log, and cancel or resume."""
    with st.container(border=True):
        head, button = st.columns([5, 1], vertical_alignment="center")
        head.markdown(f"{_ICONS[job.state]} **{say(f'progress.{job.state}')}**{_what(job)}{_when(job)}")
        with button:
            _job_button(workspace, job, key)
        if job.active:
            _bar(job)
        elif job.state == "failed":
            st.error(_last_words(job))
        elif job.state == "died":
            st.warning(say("progress.died_hint"))
        with st.expander(say("progress.log"), expanded=job.state == "failed"):
            st.code(job.command, language=None, wrap_lines=True)
            st.code(job.log() or say("progress.empty_log"), language=None, height=240)


def _what(job: Job) -> str:
    """Which training it is, since several may wait for their turn."""
    if job.argv[0] != "train" or "--config" not in job.argv:
        return ""
    config = Path(job.argv[job.argv.index("--config") + 1])
    name = config.parent.name if config.name == "config.yaml" else config.name  # of a run, or a preset
    return f" · {text(name)}" + (f" · {say('progress.trial')}" if "--trial" in job.argv else "")


def _job_button(workspace: Workspace, job: Job, key: str) -> None:
    if job.active:
        st.button(say("progress.cancel"), key=f"{key}-cancel-{job.id}", on_click=_cancel, args=(job,), width="stretch")
    elif job.state in ("cancelled", "died", "failed"):
        st.button(say("progress.resume"), key=f"{key}-resume-{job.id}", on_click=start, args=(workspace, job.argv),
                  width="stretch", help=say("progress.resume_help"))


def _cancel(job: Job) -> None:
    try:
        jobs.cancel(job)
    except InputError as refusal:
        st.session_state[state.PROBLEM] = str(refusal)


def _bar(job: Job) -> None:
    progress = job.progress
    if not progress:
        st.progress(0.0, text=say("progress.starting"))
        return
    done, total = progress["done"], progress["total"]
    words = [_task(progress["task"]) if not total else say("progress.bar", task=_task(progress["task"]), done=f"{done:,}",
                                                           total=count(total, progress["unit"].removesuffix("s")))]
    if progress["rate"]:
        words.append(say("progress.rate", n=f"{progress['rate']:,.1f}"))
    if progress["seconds_left"] is not None and done < total:
        words.append(say("progress.left", time=duration(progress["seconds_left"])))
    words += [f"{name} {format(value, '.4g') if isinstance(value, float) else value}"
              for name, value in progress["info"].items()]
    st.progress(min(done / total, 1.0) if total else 0.0, text=" · ".join(words))


def _task(told: str) -> str:
    """What a job calls what it does, such as 'Embedding with NAME', in the person's language where there is a word for it."""
    task, joined, what = told.partition(" with ")
    return section("tasks").get(task, task) + (f" · {text(what)}" if joined else "")


def _when(job: Job) -> str:
    if job.active:
        return f" · {duration((datetime.now(UTC) - job.started).total_seconds())}"
    took = say("progress.took", time=duration((job.ended - job.started).total_seconds())) if job.ended else ""
    return f"{took} · {ago(job.ended or job.started)}"


def _last_words(job: Job) -> str:
    return text(job.log(1) or say("progress.exit", code=job.exit_code))


def duration(seconds: float) -> str:
    """'8 s', '2 min 5 s', '2 min', '1 h 20 min'."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes < 1:
        return say("progress.seconds", s=rest)
    if minutes >= 60:
        return say("progress.hours", h=minutes // 60, m=minutes % 60)
    return say("progress.minutes_seconds", m=minutes, s=rest) if minutes < 10 and rest else say("progress.minutes", m=minutes)


def ago(moment: datetime) -> str:
    """'just now', '5 min ago', '2026-05-01 14:03'."""
    minutes = int((datetime.now(UTC) - moment).total_seconds() // 60)
    if minutes < 1:
        return say("progress.just_now")
    return say("progress.minutes_ago", m=minutes) if minutes < 60 else moment.astimezone().strftime("%Y-%m-%d %H:%M")
