"""More like this: the images nearest to one, from any tile of any page, with what can be decided about them."""

from __future__ import annotations

import streamlit as st

from hai_core.workspace import Workspace
from pages.ui import loaders, state
from pages.ui.choices import relabel
from pages.ui.gallery import EXCLUDE, LABEL_OK, UNSURE, gallery, strip
from pages.ui.tiles import tiles
from pages.ui.words import say

NEIGHBOURS = 60


def show(workspace: Workspace) -> None:
    """The dialog, while an image is asked about."""
    path = st.session_state.get(state.SIMILAR)
    if path and not st.session_state.get(state.CREATING):  # one dialog at a time
        st.dialog(say("gallery.similar_title"), width="large", on_dismiss=_close)(_draw)(workspace, path)


def _close() -> None:
    st.session_state.pop(state.SIMILAR, None)


def _draw(workspace: Workspace, path: str) -> None:
    strip(workspace, tiles(workspace, [path]), key="similar-asked", size=150)
    near = loaders.neighbours(workspace, path, NEIGHBOURS)
    if near.empty:
        st.info(say("gallery.no_neighbours"))
        return
    shown = tiles(workspace, near["path"])
    alike = near.set_index("path")["similarity"].loc[shown["path"]]
    captions = [f"{caption}\n{say('gallery.alike', share=f'{share:.0%}')}"
                for caption, share in zip(shown["caption"], alike, strict=True)]
    actions = [EXCLUDE, LABEL_OK, relabel(workspace), UNSURE]
    gallery(workspace, shown.assign(caption=captions), f"similar-{path}", actions, size=120, page_size=NEIGHBOURS,
            similar=False)
