"""Tables that a person edits: their edits outlive what others decide meanwhile, until they are saved."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import state
from pages.ui.decide import decide

Edits = Mapping[int, Mapping[str, Any]]  # row position -> column -> value


def held(key: str, about: Hashable, table: pd.DataFrame) -> tuple[pd.DataFrame, str, Edits]:
    """The table to show, the key of its `st.data_editor`, and the edits made in it.

    That is `table`, as things are now; but while there are unsaved edits and its rows (column `class`) are others, the one that
    they were made in. `about`: what the person chose to have in the table; where that is another, so is the table.
    """
    kept = st.session_state.get(key)
    ours = kept is not None and kept["about"] == about
    edits = _edits(kept) if ours else {}
    if ours and kept["table"]["class"].equals(table["class"]):
        kept["table"] = table  # the widget keeps its edits, and the cell that is being typed in
    elif not edits:
        number = kept["number"] + 1 if kept else 0
        kept = {"about": about, "table": table, "widget": f"{key}-{number}", "number": number}
        st.session_state[key] = kept
    return kept["table"], kept["widget"], edits


def _edits(kept: dict[str, Any]) -> Edits:
    found: Edits = st.session_state.get(kept["widget"], {}).get("edited_rows", {})
    return found


def save_button(label: str, key: str, table: str, workspace: Workspace,
                made: Callable[[pd.DataFrame, Edits], Sequence[Decision]], disabled: bool) -> None:
    """Saves what the edits of the table `held` under the key `table` are `made` to; then they are done with."""

    def save() -> None:
        kept = st.session_state[table]
        try:
            decisions = made(kept["table"], _edits(kept))  # with a cell that the click on the button has just ended
        except InputError as problem:
            st.session_state[state.PROBLEM] = str(problem)
            return
        if decide(workspace, decisions):
            kept["about"] = None

    st.button(label, key=key, type="primary", disabled=disabled, on_click=save)
