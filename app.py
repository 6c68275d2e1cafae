"""HAI Workbench: navigation, workspace picker, and what every page has around it. Start: python -m hai_core app"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core.workspace import InputError
from pages.ui import decide, sidebar, similar, state, watch, welcome
from pages.ui.text import text
from pages.ui.words import say

PAGES = {  # in the order of the work
    "overview": "home", "duplicates": "filter_none", "noise": "label_off", "clusters": "bubble_chart",
    "classes": "account_tree", "manifest": "inventory_2", "training": "model_training", "confusions": "grid_on",
    "journal": "history"}

UI = Path(__file__).parent / "pages" / "ui"
st.set_page_config("HAI Workbench", UI / "icon.svg", layout="wide", initial_sidebar_state=248)
st.logo(UI / "wordmark.svg", icon_image=UI / "icon.svg")
st.html(UI / "style.css")
page = st.navigation([
    st.Page(f"pages/{name}.py", title=say(f"app.{name}"), icon=f":material/{icon}:", default=name == "overview",
            url_path="" if name == "overview" else name) for name, icon in PAGES.items()], expanded=True)
workspace = state.current()
sidebar.show(workspace)
with decide.notices(workspace):
    if workspace is None:
        welcome.show()
    else:
        try:
            watch.seen(workspace)
            watch.watch(workspace)
            similar.show(workspace)
            page.run()
        except InputError as problem:  # one sentence for the person; a bug keeps its traceback
            st.error(text(problem), icon=":material/error:")
