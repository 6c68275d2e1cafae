"""The map: images that look alike are near each other; what is selected on it is shown beside it, to be decided on."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core import projection
from hai_core.workspace import Workspace
from pages.ui import loaders, needs, state
from pages.ui.colours import COLOURINGS
from pages.ui.gallery import EXCLUDE, LABEL_OK, RESTORE, UNSURE, gallery, relabel, reset
from pages.ui.mixture import mixture
from pages.ui.plots import LEGEND_LIMIT, MAP_CONFIG, image_map, picked
from pages.ui.progress import duration, job_panel, start_button
from pages.ui.text import count
from pages.ui.tiles import classes, tiles

MAP, SELECTED = "clusters.map", "clusters.selected"
GALLERY = "clusters.gallery"
PROJECTIONS = {
    "t-SNE": ("tsne", "Keeps neighbours together best."),
    "UMAP": ("umap", "Keeps more of the large-scale order."),
    "PCA": ("pca", "Two straight directions. Coarse: classes overlap."),
}


def new_map(workspace: Workspace, label: str) -> None:
    """The choices of a map and the button that computes it."""
    chosen = st.segmented_control("Projection", list(PROJECTIONS), default="t-SNE", key="clusters.projection", required=True,
                                  wrap=True)
    method, about = PROJECTIONS[chosen]
    images = int((loaders.catalog(workspace)["status"] == "ok").sum())
    st.caption(f"{about} About {duration(projection.seconds(method, images))} for {count(images, 'image')} "
               "that have features already.")
    own = st.toggle("Choose the number of clusters", key="clusters.own", help="Otherwise it follows the number of classes.")
    argv = ["find", "clusters", "-w", str(workspace.root), "--projection", method]
    if own:
        argv += ["--clusters", str(st.number_input("Clusters", 2, 100_000, 50, key="clusters.number"))]
    start_button(label, workspace, argv, key="clusters.find")


def map_points(workspace: Workspace) -> pd.DataFrame | None:
    """`path`, `label`, `cluster`, `x`, `y` of the last map and the catalog's `row`; images that are gone are left out."""
    found = loaders.findings("clusters", workspace)
    if found is None:
        return None
    row = pd.Index(loaders.catalog(workspace)["path"]).get_indexer(pd.Index(found["path"]))
    return found.assign(row=row)[row >= 0].reset_index(drop=True)


def choose(paths: list[str]) -> None:
    st.session_state[SELECTED] = paths
    reset(GALLERY)


def select_on_map() -> None:
    choose([name[0] for name in picked(st.session_state[MAP])])


def draw_map(workspace: Workspace, points: pd.DataFrame) -> pd.DataFrame:
    """Controls and map; returns the points that it shows."""
    curation = loaders.curation(workspace)
    left, middle, right = st.columns([1.2, 2, 1.2], vertical_alignment="bottom")
    by = left.selectbox("Colour by", list(COLOURINGS), key="clusters.colour")
    with right.popover("New map", width="stretch"):
        new_map(workspace, "Compute map")
    if by != "Decision":
        points = points[~curation.excluded[points["row"]]]
    paint, kind = COLOURINGS[by]
    colouring = paint(points, curation, workspace)
    if colouring is None:
        st.info(f"There are no findings of this kind yet. Compute them to colour the map by {by.lower()}.")
        start_button(f"Find {kind}", workspace, ["find", kind, "-w", str(workspace.root)], key=f"clusters.find-{kind}")
        colouring = COLOURINGS["Class"][0](points, curation, workspace)
    chosen = middle.multiselect("Highlight", colouring.names, key=f"clusters.highlight-{by}", placeholder="Search a name",
                                max_selections=LEGEND_LIMIT - 1)
    st.plotly_chart(image_map(points, colouring.only(chosen) if chosen else colouring), key=MAP, on_select=select_on_map,
                    selection_mode=("points", "box", "lasso"), config=MAP_CONFIG,
                    alt=f"Map of {count(len(points), 'image')}, coloured by {by.lower()}")
    hint = "Drag around images to select them; double-click clears. The wheel zooms."
    if len(colouring.names) > LEGEND_LIMIT and not chosen:
        hint += f" {len(colouring.names):,} colours are too many for a legend: search names under Highlight."
    st.caption(hint)
    return points


def draw_selection(workspace: Workspace) -> None:
    paths = st.session_state.get(SELECTED, [])
    if not paths:
        st.markdown("**Nothing selected**")
        st.caption("Drag around a group of points on the map, or choose a mixed cluster below it. The images appear here, "
                   "with everything that can be decided about them.")
        return
    title, clear = st.columns([3, 1], vertical_alignment="center")
    title.markdown(f"**{count(len(paths), 'image')} selected**")
    clear.button("Clear", key="clusters.clear", on_click=choose, args=([],), width="stretch")
    actions = [EXCLUDE, LABEL_OK, relabel(classes(workspace)), UNSURE, RESTORE]
    gallery(workspace, tiles(workspace, paths), GALLERY, actions, size=112)


def draw_clusters(workspace: Workspace, points: pd.DataFrame) -> None:
    table = mixture(points["cluster"].to_numpy(), loaders.curation(workspace).label[points["row"]])
    with st.expander(f"Clusters, the most mixed first ({len(table):,})"):
        st.caption("Where a cluster holds several classes, labels are doubtful or classes overlap. A row shows its images.")
        st.dataframe(table, key="clusters.table", hide_index=True, selection_mode="single-row", height=280,
                     on_select=lambda: select_cluster(points, table), column_config={
                         "cluster": st.column_config.NumberColumn("Cluster"), "images": "Images", "classes": "Classes",
                         "purity": st.column_config.ProgressColumn("Its share", format="percent", min_value=0, max_value=1,
                                                                   help="Share of the cluster's largest class."),
                         "largest": "Largest class"})


def select_cluster(points: pd.DataFrame, table: pd.DataFrame) -> None:
    rows = st.session_state["clusters.table"]["selection"]["rows"]
    wanted = set(table["cluster"].iloc[rows])
    choose(list(points["path"][points["cluster"].isin(wanted)]))


def main() -> None:
    workspace = state.workspace()
    st.title("Clusters")
    needs.catalog(workspace)
    points = map_points(workspace)
    if points is None:
        st.info("There is no map yet. It places every image near the images that look like it, so that mixed-up labels, "
                "hidden groups and odd images are seen at a glance.", icon=":material/scatter_plot:")
        new_map(workspace, "Compute the map")
        job_panel(workspace, ["embed", "find clusters"], key="clusters.first")
        return
    job_panel(workspace, "find", done=False, key="clusters.jobs")
    if not loaders.findings_are_current("clusters", workspace):
        st.caption(":material/update: Images were added or changed since this map was computed; a new map includes them.")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        shown = draw_map(workspace, points)
        draw_clusters(workspace, shown)
    with right:
        draw_selection(workspace)


main()
