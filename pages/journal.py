"""Journal: every decision, who made it and when; found, exported, undone and done again, with what undoing would change."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from hai_core.manifest_export import spreadsheet_safe
from hai_core.rules import describe
from hai_core.workspace import Workspace, csv_bytes
from pages.ui import decide, loaders, needs, state, undoing
from pages.ui.activity import local
from pages.ui.journal_rows import STATES, Wanted, between, matching, told
from pages.ui.text import count, text
from pages.ui.words import say

CHOSEN = "journal.batch"  # session key: id of the batch that is shown
SHOWN = "journal.shown"  # session key: int, rises when a batch was chosen elsewhere than in the table
SPANS = ("any", "hour", "today", "week", "dates")
COLUMNS = ["when", "author", "action", "state", "path", "label", "value", "other", "reason", "note"]
EXPORTED = ["seq", "time", "author", "action", "path", "label", "other", "value", "reason", "state", "stale", "batch", "note"]
LISTED = 1000  # rows of a table: a person looks at the newest, and asks for older ones
TALLEST = 640  # pixels of a table, which fill a laptop's screen


def main() -> None:
    workspace = state.workspace()
    st.title(say("journal.title"))
    needs.catalog(workspace)
    batches = loaders.batches(workspace)
    if batches.empty:
        st.info(say("journal.none_yet"), icon=":material/history:")
        st.page_link("pages/duplicates.py", label=say("journal.review_duplicates"), icon=":material/filter_none:")
        return
    zone = st.context.timezone
    catalog = loaders.stamp(workspace.catalog / "catalog.parquet")
    rows = _rows(workspace, zone, str(workspace.root), workspace.id, catalog, loaders.journal(workspace).version())
    wanted = _filters(rows, zone)
    found = matching(rows, wanted)
    decided = batches[(batches["kind"] == "decide") & batches["id"].isin(found["batch"])].iloc[::-1]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(say("journal.found", decisions=count(len(found), "decision"), batches=count(len(decided), "batch")),
                   width="stretch")
        _export(workspace, found)
    by_batch, by_decision = st.tabs([say("journal.batches"), say("journal.decisions")], key="journal-tab", on_change="rerun")
    if by_batch.open:
        with by_batch:
            _batches(workspace, decided, rows, zone, wanted)
    if by_decision.open:
        with by_decision:
            _decisions(found)


@st.cache_resource(max_entries=4, show_spinner=False)
def _rows(_workspace: Workspace, zone: str | None, *key: object) -> pd.DataFrame:
    """Every decision, newest first; `key` changes with the workspace, its catalog and its journal."""
    curation = loaders.curation(_workspace)
    stale = {decision.seq: why for decision, why in (*curation.stale, *curation.impossible)}
    return told(loaders.journal(_workspace).entries(), loaders.batches(_workspace), stale, zone)


def _filters(rows: pd.DataFrame, zone: str | None) -> Wanted:
    words, action, author, kept, when = st.columns([1.7, 1.2, 1.1, 1.1, 1.1])
    searched = words.text_input(say("journal.find"), placeholder=say("journal.find_hint"), key="journal-find")
    actions = action.multiselect(say("journal.action"), sorted(rows["action"].unique()), key="journal-action",
                                 placeholder=say("journal.all"))
    authors = author.multiselect(say("journal.author"), sorted(rows["author"].unique()), key="journal-author",
                                 placeholder=say("journal.all"))
    states = kept.multiselect(say("journal.state"), STATES, key="journal-state", placeholder=say("journal.all"),
                              format_func=lambda name: say(f"journal.{name}"))
    with when:
        span = st.selectbox(say("journal.when"), SPANS, key="journal-span",
                            format_func=lambda name: say(f"journal.span_{name}"))
        dates = st.date_input(say("journal.dates"), (), key="journal-dates") if span == "dates" else ()
    since, before = between(span, pd.Timestamp.now(zone or "UTC").tz_localize(None), *map(pd.Timestamp, dates))
    return Wanted(searched, tuple(actions), tuple(authors), tuple(states), since, before)


def _batches(workspace: Workspace, decided: pd.DataFrame, rows: pd.DataFrame, zone: str | None, wanted: Wanted) -> None:
    """What was done together is undone together."""
    if decided.empty:
        st.caption(say("journal.no_match"))
        return
    chosen = st.session_state.get(CHOSEN)
    at = int((decided["id"] == chosen).to_numpy().argmax())  # the newest, when none is chosen or it is not among them
    listed = decided.iloc[:max(LISTED, at + 1)]
    shown = pd.DataFrame({
        "number": listed["number"], "state": listed["live"].map({True: "", False: say("journal.undone")}),
        "note": listed["note"], "when": local(listed["time"], zone), "author": listed["author"]})
    if listed["live"].all():
        shown = shown.drop(columns="state")
    left, right = st.container(key="wide-journal").columns([1.3, 1], gap="medium")
    with left:
        st.caption(say("journal.choose"))
        key = f"journal-batches-{hash(wanted)}-{len(decided)}-{st.session_state.get(SHOWN, 0)}"
        st.dataframe(shown, hide_index=True, height=_height(shown), key=key, on_select=lambda: _chosen(key, listed),
                     selection_mode="single-row", selection_default={"selection": {"rows": [at], "columns": [], "cells": []}},
                     column_config={"number": st.column_config.NumberColumn("#", width=50),
                                    "state": st.column_config.TextColumn(say("journal.state"), width=60),
                                    "note": st.column_config.TextColumn(say("journal.note"), width=190),
                                    "when": st.column_config.DatetimeColumn(say("journal.when"), width=125,
                                                                            format="YYYY-MM-DD HH:mm"),
                                    "author": st.column_config.TextColumn(say("journal.author"), width=80)})
        if len(listed) < len(decided):
            st.caption(say("journal.newest", n=f"{len(listed):,}"))
    with right:
        _batch(workspace, listed.iloc[at], rows)


def _chosen(key: str, listed: pd.DataFrame) -> None:
    selected = st.session_state[key]["selection"]["rows"]
    st.session_state[CHOSEN] = listed["id"].iloc[selected[0]] if selected else None


def _show(batch: str) -> None:
    st.session_state[CHOSEN] = batch
    st.session_state[SHOWN] = st.session_state.get(SHOWN, 0) + 1


def _batch(workspace: Workspace, batch: pd.Series, rows: pd.DataFrame) -> None:
    """One batch: the button that undoes (or redoes) it, what that would change, and its decisions."""
    own = rows[rows["batch"] == batch["id"]]
    st.subheader(say("journal.batch", number=batch["number"]))
    st.markdown(f"{text(batch['note'])} · {text(batch['author'])}")
    forbidden = undoing.prevented(workspace, batch["id"]) if batch["live"] else None
    verb, act = ("undo", decide.undo) if batch["live"] else ("redo", decide.redo)
    st.button(say(f"journal.{verb}"), key="journal-undo", type="primary", icon=f":material/{verb}:", on_click=act,
              args=(workspace, batch["id"]), disabled=forbidden is not None)
    if forbidden:
        decision, why = forbidden
        st.warning(say("journal.forbidden", seq=decision.seq, what=text(describe(decision)), author=text(decision.author),
                       why=text(why)), icon=":material/block:")
        st.button(say("journal.show_later"), key="journal-show-later", on_click=_show, args=(decision.batch,))
    elif batch["live"]:
        undoing.draw_preview(workspace, batch["id"])
    with st.expander(say("journal.its", decisions=count(len(own), "decision"))):
        st.dataframe(own.head(LISTED), hide_index=True, column_config=_titles(),
                     column_order=["action", "path", "label", "other", "value", "reason", "stale"])


def _decisions(found: pd.DataFrame) -> None:
    """Every decision that is asked for."""
    shown = found.head(LISTED)
    shown = shown.assign(state=shown["state"].map(lambda name: say(f"journal.{name}")))
    st.dataframe(shown, hide_index=True, height=_height(shown), column_order=COLUMNS, column_config=_titles())
    if len(shown) < len(found):
        st.caption(say("journal.newest", n=f"{len(shown):,}"))


def _titles() -> dict[str, object]:
    named = {name: say(f"journal.{name}") for name in COLUMNS if name != "when"}
    return named | {"when": st.column_config.DatetimeColumn(say("journal.when"), format="YYYY-MM-DD HH:mm"),
                    "stale": say("journal.not_applied")}


def _height(table: pd.DataFrame) -> int:
    return min(35 * (len(table) + 1) + 3, TALLEST)


def _export(workspace: Workspace, found: pd.DataFrame) -> None:
    """The whole journal, to be read back; and what is asked for as a table."""
    name = f"{workspace.name}-journal-{loaders.journal(workspace).version()}"
    size = count(len(found), "decision")
    with st.popover(say("journal.export"), icon=":material/download:"):
        st.download_button(say("journal.export_all"), lambda: _lines(workspace), f"{name}.jsonl", "application/x-ndjson",
                           on_click="ignore", help=say("journal.export_all_help"), width="stretch", key="journal-export-all")
        st.download_button(say("journal.export_found", decisions=size), lambda: csv_bytes(found[EXPORTED]), f"{name}.csv",
                           "text/csv", on_click="ignore", help=say("journal.export_found_help"), width="stretch",
                           key="journal-export-found")
        st.download_button(say("journal.export_sheet", decisions=size), lambda: csv_bytes(spreadsheet_safe(found[EXPORTED])),
                           f"{name}-for-spreadsheets.csv", "text/csv", on_click="ignore",
                           help=say("journal.export_sheet_help"), width="stretch", key="journal-export-sheet")


def _lines(workspace: Workspace) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal.jsonl"
        loaders.journal(workspace).export(file)
        return file.read_bytes()


main()
