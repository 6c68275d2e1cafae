"""Series: proposed from names or photos, how far apart they are, and their division."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hai_core import nearest
from hai_core import series_proposals as proposals
from hai_core.series import series_decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, progress
from pages.ui.class_table import class_table, read_series_csv, series_csv, series_edits, series_proposal
from pages.ui.decide import decide
from pages.ui.edited import Edits, held, save_button
from pages.ui.text import text
from pages.ui.tiles import classes
from pages.ui.words import count, say

Floats = npt.NDArray[np.float32]

SOURCES = ("names", "photos")
BINS = 24  # of the histogram of distances


def draw_series(workspace: Workspace) -> None:
    """The page's view of the series: what is proposed, and their file."""
    st.caption(say("series.propose_hint"))
    _propose(workspace, classes(workspace), class_centres(workspace))
    _files(workspace)


def draw_distances(workspace: Workspace) -> None:
    """The page's view of how far apart series are, and of their division. Apart from the other, since data grids give their
    cells the same ids, which screen readers cannot do with twice on a page."""
    centroids = class_centres(workspace)
    if centroids is None:
        _need_features(workspace, "series.apart-features")
    else:
        _apart(workspace, classes(workspace), centroids)


def class_centres(workspace: Workspace) -> Floats | None:
    """(K, D) mean features of the classes, in name order, of the images in use; None before features were computed."""
    stores = tuple((str(file), loaders.stamp(file)) for file in nearest.indexes())
    catalog = loaders.stamp(workspace.catalog / "catalog.parquet")
    return _class_centres(workspace, (str(workspace.root), catalog, loaders.journal(workspace).version(), stores))


@st.cache_resource(max_entries=4, show_spinner=False)
def _class_centres(_workspace: Workspace, key: tuple[Any, ...]) -> Floats | None:
    features = nearest.stored(loaders.catalog(_workspace)["sha256"].tolist())
    if features is None:
        return None
    curation, names = loaders.curation(_workspace), classes(_workspace)
    codes = np.where(curation.excluded, -1, pd.Index(names).get_indexer(pd.Index(curation.label)))
    return proposals.class_centroids(features, codes, len(names))


def _need_features(workspace: Workspace, key: str) -> None:
    """Says that there are none, and offers to compute them; shows how far that is."""
    busy = progress.runs(workspace, ("embed", "find"))
    if not busy:
        st.info(say("series.need_features"), icon=":material/scatter_plot:")
        progress.start_button(say("series.compute"), workspace, ["embed", "-w", str(workspace.root)], key)
    progress.job_panel(workspace, ("embed", "find"), ended=int(not busy), done=False, key=key)


def _propose(workspace: Workspace, names: list[str], centroids: Floats | None) -> None:
    bar = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    source = bar.segmented_control(say("series.source"), SOURCES, format_func=lambda name: say(f"series.{name}"),
                                   default="names", required=True, key="series.source", persist_state="session")
    if source == "photos" and centroids is None:
        _need_features(workspace, "series.tree-features")
        return
    if source == "photos":
        usual, most = proposals.reach(centroids)
        top = max(most, 0.01)
        cut = bar.slider(say("series.distance"), 0.0, top, usual, top / 200, format="%.3f", key=f"series.distance-{top:.4f}",
                         help=say("series.distance_help"), width=320)
        made = proposals.by_centroids(names, centroids, cut)
    else:
        cut = bar.segmented_control(say("series.words"), range(1, proposals.DEEPEST + 1), default=proposals.depth(names),
                                    required=True, key="series.words", help=say("series.words_help"))
        made = proposals.by_names(names, cut)
    anew = bar.toggle(say("series.anew"), key="series.anew")
    curation = loaders.curation(workspace)
    wanted = made if anew else proposals.continued(made, curation.series)
    table = class_table(loaders.catalog(workspace), curation)
    now = dict(zip(table["class"], table["series"], strict=True))
    shown = series_proposal(table, wanted)
    _proposal(workspace, *held("series.edited", (str(workspace.root), source, cut, anew), shown), now)


def _proposal(workspace: Workspace, shown: pd.DataFrame, key: str, edits: Edits, now: Mapping[str, str]) -> None:
    """The proposal as a table to edit, and the button that saves it; `now`: class -> series."""
    changed = int((shown["series"] != shown["now"]).sum())
    called = shown["series"][shown["series"] != ""]
    st.markdown(say("series.proposed", series=count(called.nunique(), "series"), classes=count(len(called), "class"),
                    changes=count(changed, "change")) if changed else say("series.nothing"))
    st.data_editor(shown, key=key, hide_index=True, height=min(36 * len(shown) + 40, 420), disabled=["class", "images", "now"],
                   column_config={
        "class": st.column_config.TextColumn(say("series.class"), width="medium"),
        "images": st.column_config.NumberColumn(say("series.images"), width="small"),
        "now": st.column_config.TextColumn(say("series.now")),
        "series": st.column_config.TextColumn(say("series.series"), help=say("series.series_help"))})
    made = partial(series_edits, now=now)
    try:
        decisions = made(shown, edits)
    except InputError as problem:
        st.error(text(problem))
        return
    label = say("series.save_n", classes=count(len(decisions), "class")) if decisions else say("series.save")
    save_button(label, "series.save", "series.edited", workspace, made, disabled=not decisions)


def _apart(workspace: Workspace, names: list[str], centroids: Floats) -> None:
    """Distances within and between series, and the division that a threshold on them makes."""
    now = loaders.curation(workspace).series
    whole = proposals.parents(now)
    distances = proposals.separations(names, centroids, whole)
    if distances.empty:
        st.caption(say("series.none_yet"))
        return
    st.caption(say("series.apart_hint"))
    top = float(np.nanmax(distances[proposals.MEASURES].to_numpy(), initial=0.01)) * 1.05
    left, right = st.columns([1, 1], gap="large")
    with left:
        place = st.container(gap="xxsmall")
        usual = float(np.nan_to_num(distances["min_to_other"].median(), nan=top / 2))
        threshold = st.slider(say("series.threshold"), 0.0, top, usual, top / 200, format="%.3f",
                              key=f"series.threshold-{top:.4f}", help=say("series.threshold_help"))
        with place:
            _histogram(distances, threshold, top)
    number = st.column_config.NumberColumn
    right.dataframe(distances, hide_index=True, height=400, column_config={
        "series": say("series.series"), "nearest": say("series.nearest"),
        "classes": number(say("series.classes"), width="small"),
        **{name: number(say(f"series.{name}"), format="%.3f", width="small") for name in proposals.MEASURES}})
    divided = proposals.subdivide(names, centroids, whole, threshold)
    _division(workspace, {name: called for name, called in divided.items() if called != now.get(name)}, divided)


def _histogram(distances: pd.DataFrame, threshold: float, top: float) -> None:
    """How many series are so far apart, one below the other for each measure, with the threshold as a line through all."""
    edges = np.linspace(0, top, BINS + 1)
    line = alt.Chart(pd.DataFrame({"at": [threshold]})).mark_rule(color="#d9922b", strokeWidth=2).encode(x="at:Q")
    for name in proposals.MEASURES:
        many, last = np.histogram(distances[name].dropna(), edges)[0], name == proposals.MEASURES[-1]
        scale, axis = alt.Scale(domain=[0, top], nice=False), alt.Axis(format=".2f", grid=False, tickCount=6, labels=last)
        counted = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "series": many})
        bars = alt.Chart(counted).mark_bar(orient="vertical").encode(
            x=alt.X("from:Q", title=None, scale=scale, axis=axis), x2="to:Q",
            y=alt.Y("series:Q", title=None, axis=alt.Axis(tickCount=2, format="d", minExtent=24, maxExtent=24)),
            tooltip=[alt.Tooltip("from:Q", title=say("series.distance"), format=".3f"),
                     alt.Tooltip("series:Q", title=say("series.series"))])
        st.caption(say(f"series.{name}"))
        st.altair_chart(alt.layer(bars, line).properties(height=115 if last else 90), alt=say(f"series.{name}"))


def _division(workspace: Workspace, changed: dict[str, str], divided: dict[str, str]) -> None:
    """What the division would change, series by series, and the button that saves it as one batch."""
    if not changed:
        st.caption(say("series.whole"))
        return
    about = {proposals.parent(called) for called in changed.values()}
    parts = pd.DataFrame([(called, name) for name, called in divided.items() if proposals.parent(called) in about],
                         columns=["part", "class"]).groupby("part", sort=True)["class"].agg([", ".join]).reset_index()
    many = count(len(about), "series")
    st.markdown(say("series.divided", series=many, classes=count(len(changed), "class")))
    with st.container(height=min(40 * len(parts) + 60, 360), border=False):
        st.table(pd.DataFrame({say("series.holds"): parts["join"].map(text).to_numpy()}, index=parts["part"].map(text)))
    st.button(say("series.save_division", series=many), key="series.save-division", type="primary", on_click=decide,
              args=(workspace, [series_decision(name, called) for name, called in sorted(changed.items())]))


def _files(workspace: Workspace) -> None:
    curation = loaders.curation(workspace)
    with st.expander(say("series.file")):
        out, back = st.columns(2, gap="large")
        out.caption(say("series.file_hint"))
        out.download_button(say("series.export"), series_csv(curation), f"{workspace.name}-series.csv", "text/csv",
                            key="classes.export")
        uploaded = back.file_uploader(say("series.import"), type="csv", key="classes.import")
        if uploaded is None:
            return
        try:
            decisions = read_series_csv(uploaded.getvalue(), curation)
        except InputError as problem:
            back.error(text(problem))
            return
        label = say("series.save_n", classes=count(len(decisions), "class")) if decisions else say("series.import_nothing")
        back.button(label, key="classes.import-save", type="primary", disabled=not decisions, on_click=decide,
                    args=(workspace, decisions))
