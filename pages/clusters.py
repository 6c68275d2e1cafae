"""The map: images that look alike are near each other; what is selected on it is shown beside it, to be decided on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hai_core.findings import class_tree, map_parts
from hai_core.findings.map_parts import MapParts
from hai_core.workspace import Workspace
from pages.ui import fragments, loaders, needs, state
from pages.ui.choices import relabel
from pages.ui.colours import COLOURINGS, FOLD, Colouring, by_fold
from pages.ui.dendrogram import dendrogram, distances, group_table
from pages.ui.gallery import EXCLUDE, LABEL_OK, RESTORE, UNSURE, gallery, reset
from pages.ui.image_map import Placed, image_map
from pages.ui.map_options import new_map
from pages.ui.mixture import cuts, mixture
from pages.ui.plots import NO_TOOLS
from pages.ui.progress import job_panel, start_button
from pages.ui.text import text
from pages.ui.tiles import tiles
from pages.ui.words import count, say

MAP, GALLERY = "clusters.map", "clusters.gallery"
SELECTED = "clusters.selected"  # list[str]: paths of the images beside the map
CHANGED = "clusters.changed"  # bool: something was chosen in a fragment, and the page is to follow
DISTANCE = "clusters.cut"  # tuple[digest of a map, float]: where its tree is cut


@dataclass(frozen=True)
class Map:
    """The last map, of the images that are still there. `parts` (of all its images; `kept` are still there) may be missing."""

    placed: Placed
    parts: MapParts | None
    kept: npt.NDArray[np.bool_]

    def clusters(self) -> npt.NDArray[np.int64]:
        """Cluster of each image (N,): as computed, or cut where the person put the slider."""
        of, distance = st.session_state.get(DISTANCE, ("", 0.0))
        if self.parts is None or of != self.placed.digest:
            return self.placed.table["cluster"].to_numpy(np.int64)
        return self.parts.tree.cut(distance=distance)[self.kept]


def last_map(workspace: Workspace) -> Map | None:
    if loaders.findings("clusters", workspace) is None:
        return None
    stamps = (loaders.stamp(file) for file in (workspace.findings / "clusters.parquet", workspace.findings / map_parts.FILE,
                                               workspace.catalog / "catalog.parquet"))
    return _map(workspace, (str(workspace.root), *stamps))


@st.cache_resource(max_entries=2, show_spinner=False)
def _map(_workspace: Workspace, key: object) -> Map:
    found = loaders.findings("clusters", _workspace)
    assert found is not None
    row = pd.Index(loaders.catalog(_workspace)["path"]).get_indexer(pd.Index(found["path"]))
    kept = row >= 0
    return Map(Placed(found.assign(row=row)[kept].reset_index(drop=True)), map_parts.load(_workspace, found), kept)


def choose(paths: list[str]) -> None:
    st.session_state[SELECTED] = paths
    reset(GALLERY)


def choose_in_fragment(paths: list[str]) -> None:
    choose(paths)
    st.session_state[CHANGED] = True


def colouring_of(workspace: Workspace, by: str, points: pd.DataFrame) -> Colouring | None:
    """None, with what can be done about it said, where what the colours are about was never computed."""
    if by == FOLD:
        runs = sorted((file.parent.name for file in workspace.runs.glob("*/metrics.json")), reverse=True)
        if not runs:
            st.info(say("clusters.needs_run"))
            return None
        run = st.selectbox(say("clusters.run"), runs, key="clusters.run")
        return by_fold(points, Path(workspace.runs / run))
    paint, kind = COLOURINGS[by]
    colouring = paint(points, loaders.curation(workspace), workspace)
    if colouring is None:
        st.info(say("clusters.needs_findings"))
        start_button(say(f"clusters.find_{kind}"), workspace, needs.find_command(workspace, kind), key=f"clusters.find-{kind}")
    return colouring


def draw_map(workspace: Workspace, shown: Map) -> None:
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    by = left.selectbox(say("clusters.colour_by"), [*COLOURINGS, FOLD], key="clusters.colour",
                        format_func=lambda name: say(f"clusters.by_{name}"))
    with right.popover(say("clusters.new_map"), width="stretch"):
        new_map(workspace, say("clusters.compute"))
    points = shown.placed.table
    if by == "cluster":
        points = points.assign(cluster=shown.clusters())
    colouring = colouring_of(workspace, by, points)
    curation = loaders.curation(workspace)
    if colouring is None:
        by = "class"
        colouring = COLOURINGS[by][0](points, curation, workspace)
    assert colouring is not None
    rows = points["row"].to_numpy()
    visible = np.ones(len(rows), bool) if by == "decision" else ~curation.excluded[rows]
    title = say("clusters.map_title", images=count(int(visible.sum()), "image"), by=say(f"clusters.by_{by}"))
    image_map(workspace, shown.placed, colouring, MAP, by=by, shown=visible, selected=st.session_state.get(SELECTED, []),
              on_select=choose, title=title)
    st.caption(say("clusters.hint"))


def draw_selection(workspace: Workspace) -> None:
    paths = st.session_state.get(SELECTED, [])
    if not paths:
        st.markdown(f"**{say('clusters.nothing')}**")
        st.caption(say("clusters.nothing_about"))
        return
    st.markdown(f"**{say('clusters.selected', images=count(len(paths), 'image'))}**")
    actions = [EXCLUDE, LABEL_OK, relabel(workspace), UNSURE, RESTORE]
    gallery(workspace, tiles(workspace, paths), GALLERY, actions, size=112)


def draw_clusters(workspace: Workspace, shown: Map) -> None:
    """Where the tree is cut, and the clusters that come of it, the most mixed first."""
    draw_cut(shown)
    points, curation, cluster = shown.placed.table, loaders.curation(workspace), shown.clusters()
    rows = points["row"].to_numpy()
    used = ~curation.excluded[rows]
    table = mixture(cluster[used], curation.label[rows[used]])

    def select() -> None:
        chosen = st.session_state["clusters.table"]["selection"]["rows"]
        choose(points["path"][np.isin(cluster, table["cluster"].iloc[chosen]) & used].tolist())

    st.caption(say("clusters.mixed_about"))
    share = st.column_config.ProgressColumn(say("clusters.share"), format="percent", min_value=0, max_value=1,
                                            help=say("clusters.share_help"))
    st.dataframe(table, key="clusters.table", hide_index=True, selection_mode="single-row", height=280, on_select=select,
                 column_config={"cluster": st.column_config.NumberColumn(say("clusters.cluster")), "purity": share,
                                **{name: say(f"clusters.{name}") for name in ("images", "classes", "largest")}})


def draw_cut(shown: Map) -> None:
    if shown.parts is None:
        st.caption(say("clusters.no_tree"))
        return
    digest, tree, number = shown.placed.digest, shown.parts.tree, int(shown.placed.table["cluster"].nunique())
    options = cuts(tree, number)
    if len(options) < 2:
        return
    of, distance = st.session_state.get(DISTANCE, ("", 0.0))
    computed = min(options, key=lambda d: abs(tree.count(d) - number))
    key = f"clusters.distance-{digest}"
    st.select_slider(say("clusters.distance"), options, value=distance if of == digest else computed, key=key,
                     help=say("clusters.distance_help"),
                     format_func=lambda d: f"{d:.3g} · {count(tree.count(d), 'cluster')}",
                     on_change=lambda: st.session_state.update({DISTANCE: (digest, st.session_state[key])}))


def draw_classes(workspace: Workspace, shown: Map) -> None:
    """The tree of classes; a fragment, so that moving the line draws neither the map nor the gallery anew."""
    if st.session_state.pop(CHANGED, False):
        st.rerun(scope="app")
    if shown.parts is None or len(shown.parts.classes.names) < 3:
        st.caption(say("clusters.no_tree" if shown.parts is None else "clusters.few_classes"))
        return
    known = shown.parts.classes
    tree = class_tree.class_tree(known.means)
    options = distances(tree)
    distance = st.select_slider(say("clusters.class_distance"), options, options[len(options) // 4], key="clusters.line",
                                format_func=lambda d: f"{d:.4f}", help=say("clusters.class_distance_help"))
    table = group_table(tree, known, distance)
    together = int(table["classes"].sum())
    st.caption(say("clusters.groups_about", groups=count(len(table), "group"), classes=count(together, "class"),
                   alone=count(len(known.names) - together, "other class")))

    def select() -> None:
        chosen = st.session_state["clusters.groups"]["selection"]["rows"]
        wanted = {name for names in table["names"].iloc[chosen] for name in names}
        points = shown.placed.table
        used = ~loaders.curation(workspace).excluded[points["row"]]
        choose_in_fragment(points["path"][points["label"].isin(wanted) & used].tolist())

    st.dataframe(table, key="clusters.groups", hide_index=True, selection_mode="single-row", on_select=select,
                 height=min(280, 36 * len(table) + 40), column_config={
                     "names": st.column_config.ListColumn(say("clusters.group"), width="large"),
                     "classes": say("clusters.classes"), "images": say("clusters.images"),
                     "distance": st.column_config.NumberColumn(say("clusters.joins"), format="%.3f")})
    with st.container(height=520):
        st.plotly_chart(dendrogram(tree, known.names, distance, say("clusters.tree_axis")), key="clusters.tree",
                        config=NO_TOOLS, alt=say("clusters.tree_alt", classes=count(len(known.names), "class")))


def draw_below(workspace: Workspace, shown: Map) -> None:
    views = {"mixed": draw_clusters, "tree": partial(fragments.draw, draw_classes)}
    view = st.segmented_control(say("clusters.below"), list(views), default="mixed", required=True, key="clusters.below",
                                label_visibility="collapsed", format_func=lambda name: say(f"clusters.below_{name}"))
    views[view](workspace, shown)


def main() -> None:
    workspace = state.workspace()
    st.title(say("app.clusters"))
    needs.catalog(workspace)
    shown = last_map(workspace)
    if shown is None:
        st.info(say("clusters.no_map"), icon=":material/scatter_plot:")
        new_map(workspace, say("clusters.compute_first"))
        job_panel(workspace, ["embed", "find clusters"], key="clusters.first")
        return
    job_panel(workspace, "find", done=False, key="clusters.jobs")
    if not loaders.findings_are_current("clusters", workspace):
        st.caption(f":material/update: {text(say('clusters.older'))}")
    st.session_state.pop(CHANGED, None)
    left, right = st.columns([3, 2], gap="medium")
    with right:  # first: it is what the person waits for after a lasso
        draw_selection(workspace)
    with left:
        draw_map(workspace, shown)
        draw_below(workspace, shown)


main()
