"""What one writes in Streamlit without a gallery: 60 thumbnails by `st.image` in columns. Run by benchmarks/review.py."""

from __future__ import annotations

import io
import os
from pathlib import Path

import streamlit as st
from PIL import Image

from hai_core import catalog
from hai_core.workspace import Workspace

TILES, COLUMNS = 60, 6

st.set_page_config(layout="wide")
workspace = Workspace.open(Path(os.environ["HAI_WORKSPACE"]))
table = st.cache_resource(lambda root: catalog.load(Workspace.open(Path(root))))(str(workspace.root))
state = st.session_state
state.setdefault("page", 0)
state.setdefault("reverse", False)


def turn(by: int) -> None:
    state["page"] = (state["page"] + by) % (len(table) // TILES)


st.button("Next", on_click=turn, args=(1,))
st.button("Far", on_click=turn, args=(117,))
st.button("Filter", on_click=lambda: state.update(reverse=not state["reverse"], page=0))
shown = (table.iloc[::-1] if state["reverse"] else table).iloc[state["page"] * TILES:(state["page"] + 1) * TILES]
thumbnails = catalog.thumbnails(workspace.catalog, list(shown["sha256"]))
columns = st.columns(COLUMNS)
for i, (sha256, path) in enumerate(zip(shown["sha256"], shown["path"], strict=True)):
    columns[i % COLUMNS].image(Image.open(io.BytesIO(thumbnails[sha256])), caption=Path(path).name)
