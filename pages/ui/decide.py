"""Write decisions, undo them, and say so: every change of the journal by the app goes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from hai_core.decisions import Batch, Curation
from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, state
from pages.ui.text import text
from pages.ui.toast import Notice, toast
from pages.ui.words import count, say


def decide(workspace: Workspace, decisions: Sequence[Decision], note: str = "", asked: int = 0) -> Batch | None:
    """Append one undoable batch. What was done is said in a toast; a refusal above the page, and then None is returned.

    `asked`: so many were asked for, all that a filter matches. Then those for which it cannot be done (others may have decided
    meanwhile) are skipped, and how many.
    """
    if not decisions:
        return None
    decisions = _about_what_is_shown(workspace, decisions)
    note = note or describe(decisions)
    return _write(workspace, note, lambda: loaders.journal(workspace).append(
        decisions, loaders.catalog(workspace), author=state.author(), note=note, skip_invalid=asked > 0), asked)


def _about_what_is_shown(workspace: Workspace, decisions: Sequence[Decision]) -> Sequence[Decision]:
    """`label_ok` speaks of the folder's label; where a person has relabelled, "Label is right" is about the label shown."""
    if not any(decision.action == "label_ok" for decision in decisions):
        return decisions
    curation, paths = loaders.curation(workspace), loaders.catalog(workspace)["path"]
    relabelled = dict(zip(paths[curation.relabeled], curation.label[curation.relabeled], strict=True))
    return [replace(decision, action="relabel", value=relabelled[decision.path])
            if decision.action == "label_ok" and relabelled.get(decision.path) else decision for decision in decisions]


def changing(decisions: Sequence[Decision], catalog: pd.DataFrame, curation: Curation) -> list[Decision]:
    """Those decisions about images that change something as things stand."""
    row = {path: at for at, path in enumerate(catalog["path"])}
    done: dict[str, Callable[[int, str], bool]] = {
        "exclude": lambda at, _: bool(curation.excluded[at]), "restore": lambda at, _: not curation.excluded[at],
        "label_ok": lambda at, _: bool(curation.reviewed["noise"][at] and not curation.unsure[at]),
        "unsure": lambda at, _: bool(curation.unsure[at]), "quality_ok": lambda at, _: bool(curation.reviewed["quality"][at]),
        "relabel": lambda at, value: bool(curation.relabeled[at] and curation.label[at] == value)}
    return [decision for decision in decisions if decision.action not in done or decision.path not in row
            or not done[decision.action](row[decision.path], decision.value)]


def undo(workspace: Workspace, batch: str) -> Batch | None:
    """Take a batch back. Nothing is done when that has happened already: a browser without an answer asks again."""
    batches = loaders.batches(workspace)
    if (batches["id"].eq(batch) & ~batches["live"]).any():
        return None
    return _write(workspace, say("decide.undone", note=_note(workspace, batch)), lambda: loaders.journal(workspace).undo(
        batch, catalog=loaders.catalog(workspace), author=state.author()))


def undo_last(workspace: Workspace, seen: str | None = None) -> list[str]:
    """Take this person's newest batch back; says so when there is none. Returns the paths that it was about.

    `seen`: the batch that was the newest one when it was asked for. Where that is another now (it was taken back already, or
    decided in another window), nothing is done and that is said.
    """
    batch = last_batch(workspace)
    if seen is not None and seen != last_id(workspace):
        st.session_state[state.NOTICE] = Notice(say("decide.not_the_last"))
        return []
    if batch is None:
        st.session_state[state.NOTICE] = Notice(say("decide.nothing_to_undo"))
        return []
    about = [decision.path for decision in loaders.journal(workspace).live() if decision.batch == batch["id"] and decision.path]
    return about if undo(workspace, batch["id"]) else []


def redo(workspace: Workspace, batch: str) -> Batch | None:
    return _write(workspace, say("decide.redone", note=_note(workspace, batch)), lambda: loaders.journal(workspace).redo(
        batch, catalog=loaders.catalog(workspace), author=state.author()))


def _note(workspace: Workspace, batch: str) -> str:
    batches = loaders.batches(workspace).set_index("id")
    return str(batches["note"].get(batch, "")) or say("decide.decisions")


def _write(workspace: Workspace, said: str, write: Callable[[], Batch], asked: int = 0) -> Batch | None:
    before = st.session_state.get(state.VERSION)
    try:
        batch = write()
    except InputError as refusal:
        st.session_state[state.PROBLEM] = str(refusal)
        return None
    st.session_state.pop(state.PROBLEM, None)
    if before is not None and loaders.journal(workspace).version() == before + 1:  # else others wrote too: see pages.ui.watch
        st.session_state[state.VERSION] = before + 1
    if asked:
        said = say("decide.bulk", note=said, changed=f"{batch.applied:,}", skipped=f"{asked - batch.applied:,}")
    st.session_state[state.NOTICE] = Notice(said, "" if batch.target else batch.id)
    return batch


def describe(decisions: Sequence[Decision]) -> str:
    """'Excluded · 3 images', 'Relabelled to K5_2019 · 1 image', 'Merged · A into B'."""
    first, many = decisions[0], len(decisions)
    same = all(d.action == first.action and d.value == first.value for d in decisions)
    if not same:
        return count(many, "decision")
    verb = say(f"decide.{first.action}")
    if first.label:
        if many > 1 or first.action not in ("merge", "rename", "series", "keep_apart"):
            return f"{verb} · {first.label if many == 1 else count(many, 'class')}"
        return f"{verb} · " + say(f"decide.{first.action}_as", name=first.label, value=first.value or first.other)
    what = count(many, "pair" if first.action == "not_duplicates" else "image")
    return f"{say('decide.relabel_to', value=first.value)} · {what}" if first.action == "relabel" else f"{verb} · {what}"


def last_batch(workspace: Workspace) -> pd.Series | None:
    """The newest batch of this person's decisions that is not undone: nobody takes back by a key what another has decided."""
    batches = loaders.batches(workspace)
    live = batches[(batches["kind"] == "decide") & batches["live"] & (batches["author"] == state.author())]
    return None if live.empty else live.sort_values("number").iloc[-1]


def last_id(workspace: Workspace) -> str:
    """The id of `last_batch`, '' for none."""
    batch = last_batch(workspace)
    return "" if batch is None else str(batch["id"])


@contextmanager
def notices(workspace: Workspace | None) -> Iterator[None]:
    """What the last action did or why it was refused, above the page that is drawn inside; both are gone on the next run."""
    toast(st.session_state.pop(state.NOTICE, None), partial(undo, workspace) if workspace else lambda batch: None)
    problem = st.session_state.pop(state.PROBLEM, None)
    place = st.container()  # always there: an element that comes or goes would have the browser build the page below it anew
    if problem:
        message, close = place.columns([12, 1], vertical_alignment="center")
        message.error(text(problem), icon=":material/block:")
        close.button(say("decide.close"), key="close-problem", type="tertiary")
    try:
        yield
    except RerunException:  # the page is drawn again at once, before anyone has read what stands above it
        if problem:
            st.session_state.setdefault(state.PROBLEM, problem)
        raise
