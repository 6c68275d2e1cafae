"""Classes: proposals which of them are one and the same, their series, and the table of all."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, needs, state
from pages.ui.class_table import class_table, edits
from pages.ui.decide import decide
from pages.ui.edited import Edits, held, save_button
from pages.ui.merge_view import draw_merges
from pages.ui.series_view import draw_distances, draw_series
from pages.ui.text import text
from pages.ui.words import count, say


def draw_table(workspace: Workspace) -> None:
    curation = loaders.curation(workspace)
    now = class_table(loaders.catalog(workspace), curation)
    table, key, changes = held("classes.edited", str(workspace.root), now)
    st.caption(say("classes.table_hint"))
    text_column = st.column_config.TextColumn
    st.data_editor(table, key=key, hide_index=True, height=min(36 * len(table) + 40, 620),
                   disabled=["class", "images", "holds"], column_config={
        "class": text_column(say("classes.class"), width="medium"),
        "images": st.column_config.NumberColumn(say("classes.images"), width="small"),
        "holds": text_column(say("classes.holds"), help=say("classes.holds_help")),
        "series": text_column(say("classes.series"), help=say("classes.series_help")),
        "rename": text_column(say("classes.rename")),
        "merge": st.column_config.SelectboxColumn(say("classes.merge"), options=["", *table["class"]]),
        "drop": st.column_config.CheckboxColumn(say("classes.drop"), width="small", help=say("classes.drop_help"))})
    known = set(now["class"])

    def made(table: pd.DataFrame, changes: Edits) -> list[Decision]:
        """Without edits of classes that others have merged, renamed or dropped meanwhile."""
        return edits(table, {row: new for row, new in changes.items() if table["class"].iloc[row] in known})

    try:
        decisions = made(table, changes)
    except InputError as problem:
        st.error(text(problem))
        return
    label = say("classes.save_n", changes=count(len(decisions), "change")) if decisions else say("classes.save")
    save_button(label, "classes.save", "classes.edited", workspace, made, disabled=not decisions)


def draw_dropped(workspace: Workspace) -> None:
    dropped = [name for name, final in loaders.curation(workspace).mapping.items() if not final]
    if not dropped:
        return
    with st.container(border=True):
        chosen = st.multiselect(say("classes.dropped", n=len(dropped)), dropped, key="classes.dropped",
                                placeholder=say("classes.dropped_choose"))
        st.button(say("classes.bring_back"), key="classes.bring-back", disabled=not chosen, on_click=decide,
                  args=(workspace, [Decision("merge", label=name, value=name) for name in chosen]))


def draw_all(workspace: Workspace) -> None:
    draw_table(workspace)
    draw_dropped(workspace)


ADDRESSED = "classes.addressed"  # str: the view that the address had when the page was drawn last
VIEWS = {"merges": draw_merges, "series": draw_series, "distances": draw_distances, "table": draw_all}


def choose_view() -> str:
    """One of VIEWS; the address has it in no language (`bind` would have the text on the button)."""
    asked = st.query_params.get("view", "")
    if asked in VIEWS and asked != st.session_state.get(ADDRESSED):
        st.session_state["view"] = asked
    st.session_state.setdefault("view", "merges")
    view = st.segmented_control(say("classes.view"), VIEWS, format_func=lambda name: say(f"classes.{name}"), required=True,
                                key="view", label_visibility="collapsed")
    st.query_params["view"] = st.session_state[ADDRESSED] = view
    return view


def main() -> None:
    workspace = state.workspace()
    st.title(say("classes.title"))
    needs.catalog(workspace)
    VIEWS[choose_view()](workspace)


main()
