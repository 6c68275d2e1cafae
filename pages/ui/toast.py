"""What was just done, shown for some seconds, with an Undo that takes exactly that back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui.words import say

_here = Path(__file__).parent
_component = st.components.v2.component("hai_toast", css=(_here / "toast.css").read_text("utf-8"), isolate_styles=False,
                                        js=(_here / "toast.js").read_text("utf-8"))
_NUMBER = "toast.number"  # int: of the last notice; rises, also when the server was started anew


@dataclass(frozen=True)
class Notice:
    """`text` is shown as it is; `batch` is what Undo takes back, '' for nothing."""

    text: str
    batch: str = ""


def toast(notice: Notice | None, undo: Callable[[str], object]) -> None:
    """Show `notice`. Without one nothing new is shown, but the last one's Undo still works: call it on every run."""
    if notice is not None:
        st.session_state[_NUMBER] = time.time_ns() // 1_000_000
        st.session_state["toast.notice"] = notice
    last: Notice | None = st.session_state.get("toast.notice")
    data = {"number": st.session_state.get(_NUMBER, 0), "text": last.text if last else "", "batch": last.batch if last else "",
            "undo": say("decide.undo")}
    with st.container(key="toast"):
        _component(key="toast.component", data=data, on_undo_change=lambda: _clicked(undo))


def _clicked(undo: Callable[[str], object]) -> None:
    batch = st.session_state["toast.component"].get("undo")
    if batch:
        undo(batch)
