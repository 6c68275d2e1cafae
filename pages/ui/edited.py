"""Tables that a person edits: their edits outlive what others decide meanwhile, until they are saved."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui.decide import decide


def held(key: str, about: Hashable, table: pd.DataFrame) -> tuple[pd.DataFrame, str, dict[int, dict[str, Any]]]:
    """The table to show, the key of its `st.data_editor`, and the edits made in it (row position -> column -> value).

    That is `table`, as things are now; but while there are unsaved edits, the one that they were made in. `about`: what the
    person chose to have in the table; where that is another, so is the table.
    """
    kept = st.session_state.get(key)
    edits = _edits(kept) if kept and kept["about"] == about else {}
    if not edits and (kept is None or kept["about"] != about or not kept["table"].equals(table)):
        kept = {"about": about, "table": table, "widget": f"{key}-{kept['number'] + 1 if kept else 0}",
                "number": kept["number"] + 1 if kept else 0}
        st.session_state[key] = kept
    return kept["table"], kept["widget"], edits


def _edits(kept: dict[str, Any]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = st.session_state.get(kept["widget"], {}).get("edited_rows", {})
    return found


def save_button(label: str, key: str, table: str, workspace: Workspace, decisions: Sequence[Decision]) -> None:
    """Saves `decisions`; then the edits of the table `held` under the key `table` are done with."""

    def save() -> None:
        if decide(workspace, decisions):
            st.session_state[table]["about"] = None

    st.button(label, key=key, type="primary", disabled=not decisions, on_click=save)
