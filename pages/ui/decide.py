"""Write decisions, undo them, and say so: every change of the journal by the app goes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import RerunException

from hai_core.decisions import Batch
from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, state
from pages.ui.text import count, text

VERBS = {
    "exclude": "Excluded", "restore": "Restored", "label_ok": "Label confirmed", "quality_ok": "Quality confirmed",
    "not_duplicates": "Not duplicates", "relabel": "Relabelled", "unsure": "Marked unsure", "tag": "Tagged", "merge": "Merged",
    "keep_apart": "Kept apart", "rename": "Renamed", "drop_class": "Class dropped", "series": "Series set",
}


def decide(workspace: Workspace, decisions: Sequence[Decision], note: str = "") -> Batch | None:
    """Append one undoable batch. What was done is said in a toast; a refusal above the page, and then None is returned."""
    if not decisions:
        return None
    decisions = _about_what_is_shown(workspace, decisions)
    note = note or describe(decisions)
    return _write(note, lambda: loaders.journal(workspace).append(
        decisions, loaders.catalog(workspace), author=state.author(), note=note))


def _about_what_is_shown(workspace: Workspace, decisions: Sequence[Decision]) -> Sequence[Decision]:
    """`label_ok` speaks of the folder's label; where a person has relabelled, "Label is right" is about the label shown."""
    if not any(decision.action == "label_ok" for decision in decisions):
        return decisions
    curation, paths = loaders.curation(workspace), loaders.catalog(workspace)["path"]
    relabelled = dict(zip(paths[curation.relabeled], curation.label[curation.relabeled], strict=True))
    return [replace(decision, action="relabel", value=relabelled[decision.path])
            if decision.action == "label_ok" and relabelled.get(decision.path) else decision for decision in decisions]


def undo(workspace: Workspace, batch: str) -> Batch | None:
    return _write(f"Undone: {_note(workspace, batch)}", lambda: loaders.journal(workspace).undo(
        batch, catalog=loaders.catalog(workspace), author=state.author()))


def undo_last(workspace: Workspace) -> list[str]:
    """Take the newest batch back; says so when there is none. Returns the paths that it was about."""
    batch = last_batch(workspace)
    if batch is None:
        st.session_state[state.NOTICE] = "There is nothing to undo"
        return []
    about = [decision.path for decision in loaders.journal(workspace).live() if decision.batch == batch["id"] and decision.path]
    return about if undo(workspace, batch["id"]) else []


def redo(workspace: Workspace, batch: str) -> Batch | None:
    return _write(f"Done again: {_note(workspace, batch)}", lambda: loaders.journal(workspace).redo(
        batch, catalog=loaders.catalog(workspace), author=state.author()))


def _note(workspace: Workspace, batch: str) -> str:
    batches = loaders.batches(workspace).set_index("id")
    return str(batches["note"].get(batch, "")) or "decisions"


def _write(said: str, write: Callable[[], Batch]) -> Batch | None:
    try:
        batch = write()
    except InputError as refusal:
        st.session_state[state.PROBLEM] = str(refusal)
        return None
    st.session_state.pop(state.PROBLEM, None)
    st.session_state[state.NOTICE] = said
    return batch


def describe(decisions: Sequence[Decision]) -> str:
    """'Excluded · 3 images', 'Relabelled to K5_2019 · 1 image', 'Merged A into B'."""
    first, many = decisions[0], len(decisions)
    same = all(d.action == first.action and d.value == first.value for d in decisions)
    if not same:
        return count(many, "decision")
    if first.label:
        names = first.label if many == 1 else count(many, "class")
        into = {"merge": f" into {first.value}", "rename": f" to {first.value}", "series": f": {first.value}",
                "keep_apart": f" from {first.other}"}.get(first.action, "")
        return f"{VERBS[first.action]} · {names}{into}"
    to = f" to {first.value}" if first.value else ""
    what = "pair" if first.action == "not_duplicates" else "image"
    return f"{VERBS[first.action]}{to} · {count(many, what)}"


def last_batch(workspace: Workspace) -> pd.Series | None:
    """The newest batch of decisions that is not undone."""
    batches = loaders.batches(workspace)
    live = batches[(batches["kind"] == "decide") & batches["live"]]
    return None if live.empty else live.sort_values("number").iloc[-1]


@contextmanager
def notices() -> Iterator[None]:
    """What the last action did or why it was refused, above the page that is drawn inside; both are gone on the next run."""
    said = st.session_state.pop(state.NOTICE, None)
    if said:
        st.toast(text(said), icon=":material/check:")
    problem = st.session_state.pop(state.PROBLEM, None)
    place = st.container()  # always there: an element that comes or goes would have the browser build the page below it anew
    if problem:
        message, close = place.columns([12, 1], vertical_alignment="center")
        message.error(text(problem), icon=":material/block:")
        close.button("Close", key="close-problem", type="tertiary")
    try:
        yield
    except RerunException:  # the page is drawn again at once, before anyone has read what stands above it
        if problem:
            st.session_state.setdefault(state.PROBLEM, problem)
        raise
