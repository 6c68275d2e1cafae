"""Journal: every decision, who made it and when; undo and redo of any batch, with what that would change."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import streamlit as st

from hai_core.workspace import InputError, Workspace
from pages.ui import decide, loaders, needs, state
from pages.ui.text import WRAPPED, count, text

COLUMNS = ["time", "author", "action", "state", "path", "label", "value", "other", "reason", "note"]
SHOWN_CHANGES = 500  # rows of a preview
TALLEST = 640  # pixels of a table, which fill a laptop's screen


def main() -> None:
    workspace = state.workspace()
    st.title("Journal")
    needs.catalog(workspace)
    batches = loaders.batches(workspace)
    if batches.empty:
        st.info("No decisions yet. What you decide on the review pages is written here, and can be undone here at any time.",
                icon=":material/history:")
        st.page_link("pages/duplicates.py", label="Review duplicates", icon=":material/filter_none:")
        return
    entries = loaders.entries(workspace)
    by_batch, by_decision = st.tabs(["Batches", "Decisions"])
    with by_batch:
        _batches(workspace, batches, entries)
    with by_decision:
        _decisions(entries, batches)
    _export(workspace)


def _batches(workspace: Workspace, batches: pd.DataFrame, entries: pd.DataFrame) -> None:
    """What was done together is undone together."""
    decided = batches[batches["kind"] == "decide"].sort_values("number", ascending=False, ignore_index=True)
    shown = pd.DataFrame({
        "#": decided["number"], "When": _local(decided["time"]), "Who": decided["author"],
        "State": decided["live"].map({True: "", False: "undone"}), "What": decided["note"]})
    left, right = st.container(key="wide-journal").columns([2, 1], gap="medium")
    with left:
        st.caption("Choose a batch to see what it did and to undo it.")
        chosen = st.dataframe(shown, hide_index=True, height=_height(shown), key="journal-batches", on_select="rerun",
                              selection_mode="single-row", column_config={
                                  "#": st.column_config.NumberColumn(width=40),
                                  "When": st.column_config.DatetimeColumn(width=125, format="YYYY-MM-DD HH:mm"),
                                  "Who": st.column_config.TextColumn(width=80),
                                  "State": st.column_config.TextColumn(width=60)})
    rows = chosen["selection"]["rows"]
    with right:
        _batch(workspace, decided.iloc[rows[0] if rows else 0], entries)


def _batch(workspace: Workspace, batch: pd.Series, entries: pd.DataFrame) -> None:
    """One batch: what undoing (or redoing) it would change, and the button that does."""
    st.subheader(f"Batch {batch['number']}")
    st.markdown(text(batch["note"]))
    verb, act = ("Undo", decide.undo) if batch["live"] else ("Redo", decide.redo)
    st.button(f"{verb} this batch", key="journal-undo", type="primary", icon=f":material/{verb.lower()}:", on_click=act,
              args=(workspace, batch["id"]))
    if batch["live"]:
        _preview(workspace, batch["id"])
    own = entries[entries["batch"] == batch["id"]]
    with st.expander(f"Its {count(len(own), 'decision')}"):
        st.dataframe(own[["action", "path", "label", "other", "value", "reason", "stale"]], hide_index=True)


def _preview(workspace: Workspace, batch: str) -> None:
    try:
        changes = loaders.journal(workspace).preview_undo(batch, loaders.catalog(workspace))
    except InputError as refusal:
        st.warning(text(refusal))
        return
    if changes.empty:
        st.caption("Undoing it would change nothing: later decisions hold.")
        return
    st.caption("What undoing it would change:")
    about = changes["path"].where(changes["path"] != "", changes["class"])
    st.dataframe(changes.head(SHOWN_CHANGES).assign(about=about), hide_index=True, row_height=WRAPPED,
                 height=WRAPPED * min(len(changes), 5) + 38,
                 column_order=["about", "what", "before", "after"], column_config={
                     "about": st.column_config.TextColumn(width=120), "what": st.column_config.TextColumn(width=72),
                     "before": st.column_config.TextColumn(width=80), "after": st.column_config.TextColumn(width=80)})


def _decisions(entries: pd.DataFrame, batches: pd.DataFrame) -> None:
    """Every decision, filtered."""
    words, actions, authors, states = st.columns([2, 1.4, 1.2, 1.2])
    wanted = words.text_input("Find", placeholder="File, class or reason", key="journal-find")
    action = actions.multiselect("Action", sorted(entries["action"].unique()), key="journal-action", placeholder="All")
    author = authors.multiselect("Who", sorted(entries["author"].unique()), key="journal-author", placeholder="All")
    table = entries.assign(
        state=[_state(live, stale) for live, stale in zip(entries["live"], entries["stale"], strict=True)],
        time=_local(entries["time"]), note=entries["batch"].map(batches.set_index("id")["note"]))
    kept = states.multiselect("State", ["holds", "undone", "stale"], key="journal-state", placeholder="All")
    searched = table[["path", "label", "other", "value", "reason"]].agg("\n".join, axis=1).str.casefold()
    keep = pd.Series(True, index=table.index)
    for word in wanted.casefold().split():
        keep &= searched.str.contains(word, regex=False)
    for name, values in (("action", action), ("author", author)):
        keep &= table[name].isin(values) if values else True
    if kept:
        keep &= table["state"].str.split(":").str[0].isin(kept)
    shown = table[keep].sort_values("seq", ascending=False)
    st.caption(f"{count(len(shown), 'decision')}")
    st.dataframe(shown[COLUMNS], hide_index=True, height=_height(shown), column_config={"label": "class"})


def _height(table: pd.DataFrame) -> int:
    return min(35 * (len(table) + 1) + 3, TALLEST)


def _state(live: bool, stale: str) -> str:
    if not live:
        return "undone"
    return f"stale: {stale}" if stale else "holds"


def _local(times: pd.Series) -> pd.Series:
    return pd.to_datetime(times, utc=True).dt.tz_convert(None)


def _export(workspace: Workspace) -> None:
    version = loaders.journal(workspace).version()
    st.download_button("Export the journal (JSON Lines)", lambda: _exported(workspace),
                       f"{workspace.name}-journal-{version}.jsonl", "application/x-ndjson", on_click="ignore",
                       icon=":material/download:",
                       help="`python -m hai_core journal restore` reads it back, also into another workspace.")


def _exported(workspace: Workspace) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal.jsonl"
        loaders.journal(workspace).export(file)
        return file.read_bytes()


main()
