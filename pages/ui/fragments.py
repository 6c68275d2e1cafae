"""Parts of a page that are drawn anew on their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st


def draw(part: Callable[..., None], *arguments: Any, run_every: float | None = None) -> None:
    """Draw `part` as a fragment, in a container of its own; `run_every`: also every so many seconds.

    Streamlit (1.67) forgets what it has not yet sent of a fragment when that fragment starts to run again. At the end of the
    page's run the browser then takes the fragment for gone, and what stands beside it moves up a place: other parts are drawn
    over it, or built anew in the middle of a key stroke. In a container nothing stands beside it.
    """
    with st.container():
        st.fragment(part, run_every=run_every)(*arguments)
