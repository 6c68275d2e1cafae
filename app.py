"""HAI Workbench: navigation, workspace picker, and what every page has around it. Start: python -m hai_core app"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from hai_core.workspace import InputError
from pages.ui import decide, sidebar, similar, state, watch, welcome
from pages.ui.text import text
from pages.ui.words import say

PAGES = {
    "": [st.Page("pages/overview.py", title=say("app.overview"), icon=":material/home:", url_path="", default=True)],
    say("app.review"): [
        st.Page("pages/duplicates.py", title=say("app.duplicates"), icon=":material/filter_none:", url_path="duplicates"),
        st.Page("pages/noise.py", title=say("app.noise"), icon=":material/label_off:", url_path="noise"),
        st.Page("pages/clusters.py", title=say("app.clusters"), icon=":material/bubble_chart:", url_path="clusters"),
        st.Page("pages/classes.py", title=say("app.classes"), icon=":material/account_tree:", url_path="classes"),
    ],
    say("app.train"): [
        st.Page("pages/manifest.py", title=say("app.manifest"), icon=":material/inventory_2:", url_path="manifest"),
        st.Page("pages/training.py", title=say("app.training"), icon=":material/model_training:", url_path="training"),
        st.Page("pages/confusions.py", title=say("app.confusions"), icon=":material/grid_on:", url_path="confusions"),
    ],
    say("app.record"): [st.Page("pages/journal.py", title=say("app.journal"), icon=":material/history:", url_path="journal")],
}

UI = Path(__file__).parent / "pages" / "ui"
st.set_page_config("HAI Workbench", UI / "icon.svg", layout="wide", initial_sidebar_state=248)
st.logo(UI / "wordmark.svg", icon_image=UI / "icon.svg")
st.html(UI / "style.css")
page = st.navigation(PAGES)
workspace = state.current()
sidebar.show(workspace)
with decide.notices(workspace):
    if workspace is None:
        welcome.show()
    else:
        try:
            watch.seen(workspace)
            if page.url_path != "classes":  # where it would take a half-filled table away
                watch.watch(workspace)
            similar.show(workspace)
            page.run()
        except InputError as problem:  # one sentence for the person; a bug keeps its traceback
            st.error(text(problem), icon=":material/error:")
