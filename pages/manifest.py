"""Manifest: freeze what the decisions add up to, see how versions differ, export them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from hai_core import manifest as manifests
from hai_core.fold import Curation
from hai_core.manifest import Manifest
from hai_core.records import OK, Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, needs, state
from pages.ui.decide import decide
from pages.ui.gallery import strip
from pages.ui.progress import ago, job_panel, start_button
from pages.ui.text import count, text
from pages.ui.tiles import tiles

STRIP_IMAGES = 24
FORMATS = {"imagefolder": "Folders of images, one a class (links where possible)", "csv": "One CSV file with paths and labels",
           "fiftyone": "A data set that FiftyOne opens"}
CHANGES = {"added": "Added", "removed": "Removed", "relabelled": "Relabelled", "merged": "Merged", "split": "Other split", "moved": "Moved"}


def fates(catalog: pd.DataFrame, curation: Curation) -> dict[str, int]:
    """How many images would go into a manifest built now, and why the others would not; each image counts once."""
    readable = (catalog["status"] == OK).to_numpy()
    mapped = catalog["label"].to_numpy(object)
    fate = np.select([~readable, curation.excluded, (curation.label == "") & (mapped == ""), curation.label == ""],
                     ["Unreadable", "Excluded", "Unlabelled", "Class dropped"], "In the manifest")
    counts = pd.Series(fate).value_counts()
    return {name: int(counts.get(name, 0)) for name in ("In the manifest", "Excluded", "Unreadable", "Class dropped", "Unlabelled")}


def emptied(catalog: pd.DataFrame, curation: Curation) -> list[str]:
    """Final classes that no usable image carries and that nobody dropped: a manifest cannot be built with them."""
    usable = (catalog["status"] == OK).to_numpy() & ~curation.excluded
    return sorted(set(curation.mapping.values()) - {""} - set(curation.label[usable]))


def draw_build(workspace: Workspace, history: pd.DataFrame) -> None:
    catalog, curation = loaders.catalog(workspace), loaders.curation(workspace)
    with st.container(border=True):
        figures = fates(catalog, curation)
        for figure, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
            figure.metric(name, f"{value:,}")
        if not figures["In the manifest"]:
            st.error("Nothing is left to train on: every image is excluded, unreadable or without a class. Undo decisions on the Journal page.")
        draw_emptied(workspace, emptied(catalog, curation))
        argv = ["manifest", "build", "-w", str(workspace.root)]
        words, button = st.columns([3, 1], vertical_alignment="center")
        words.caption("A manifest is frozen: the same images and decisions always give the same bytes and the same digest."
                      if history.empty else f"Newest: `{history['digest'].iloc[0][:12]}`, built {ago(history['time'].iloc[0].to_pydatetime())}.")
        with button:
            start_button("Build the manifest" if history.empty else "Build again", workspace, argv, key="manifest.build")
    job_panel(workspace, ["manifest build", "find duplicates"], ended=0 if len(history) else 1, key="manifest.jobs")


def draw_emptied(workspace: Workspace, names: list[str]) -> None:
    """The one state that a person must decide about before a manifest can be built."""
    for name in names[:10]:
        words, button = st.columns([4, 1], vertical_alignment="center")
        words.warning(f"The class **{text(name)}** has no image left. Drop it, or merge it into another one on the Classes page.",
                      icon=":material/warning:")
        button.button("Drop the class", key=f"manifest.drop-{name}", on_click=decide, width="stretch",
                      args=(workspace, [Decision("drop_class", label=name)]))
    if len(names) > 1:
        st.button(f"Drop all {count(len(names), 'empty class')}", key="manifest.drop-all", on_click=decide,
                  args=(workspace, [Decision("drop_class", label=name) for name in names]))


def draw_history(history: pd.DataFrame) -> None:
    st.subheader("History")
    shown = history.drop(columns=["path"]).assign(digest=history["digest"].str[:12], time=history["time"].dt.tz_localize(None))
    st.dataframe(shown, hide_index=True, column_config={
        "digest": st.column_config.TextColumn("Digest", help="The first 12 digits; it names the manifest's folder."),
        "time": st.column_config.DatetimeColumn("Built (UTC)", format="YYYY-MM-DD HH:mm")})


def draw_diff(workspace: Workspace, history: pd.DataFrame) -> None:
    st.subheader("What changed")
    if len(history) < 2:
        st.caption("With the second manifest, this shows which images were added, removed, relabelled or merged since the first.")
        return
    names = dict(zip(history["path"], history["digest"].str[:12] + "  ·  " + history["time"].dt.strftime("%Y-%m-%d %H:%M"), strict=True))
    paths, (left, right) = list(names), st.columns(2)
    old = left.selectbox("From", paths, index=1, key="manifest.from", format_func=names.__getitem__)
    new = right.selectbox("To", paths, index=0, key="manifest.to", format_func=names.__getitem__)
    table = difference(old, new)
    if table.empty:
        st.success("The two hold the same images with the same labels.", icon=":material/check_circle:")
        return
    for change, rows in table.groupby("change", sort=False):
        draw_change(workspace, str(change), rows)
    with st.expander(f"All {count(len(table), 'change')} as a table"):
        st.dataframe(table, hide_index=True, height=320)
        st.code(f"python -m hai_core manifest diff {old} {new}", language=None, wrap_lines=True)


def draw_change(workspace: Workspace, change: str, rows: pd.DataFrame) -> None:
    st.markdown(f"**{CHANGES.get(change, change.capitalize())}** · {count(len(rows), 'image')}")
    shown = tiles(workspace, rows["path"].head(STRIP_IMAGES)).assign(badge="")
    by_path = rows.drop_duplicates("path").set_index("path")
    words = [(by_path.at[path, "before"], by_path.at[path, "after"]) for path in shown["path"]]
    strip(workspace, shown.assign(caption=[" → ".join(word for word in pair if word) for pair in words]), key=f"manifest.strip-{change}")
    if len(rows) > STRIP_IMAGES:
        st.caption(f"and {len(rows) - STRIP_IMAGES:,} more, in the table below")


@st.cache_data(max_entries=32, show_spinner="Comparing…")
def difference(old: str, new: str) -> pd.DataFrame:
    """Manifest folders are named by their content, so a pair of them always differs in the same way."""
    return manifests.diff(manifest(old), manifest(new))


@st.cache_resource(max_entries=8, show_spinner="Reading the manifest…")
def manifest(folder: str) -> Manifest:
    return manifests.load(Path(folder))


def draw_export(workspace: Workspace, history: pd.DataFrame) -> None:
    st.subheader("Export")
    names = dict(zip(history["path"], history["digest"].str[:12], strict=True))
    which, how, where = st.columns([1.2, 1, 2], vertical_alignment="bottom")
    chosen = which.selectbox("Manifest", list(names), key="manifest.export", format_func=names.__getitem__)
    form = how.selectbox("Format", list(FORMATS), key="manifest.format")
    out = where.text_input("Into the folder", value=str(workspace.root / "exports" / f"{names[chosen]}-{form}"),
                           key=f"manifest.out-{names[chosen]}-{form}")
    st.caption(FORMATS[form])
    start_button("Export", workspace, ["manifest", "export", chosen, "--format", form, "--out", out], key="manifest.export-start", primary=False)
    job_panel(workspace, "manifest export", key="manifest.export-jobs")


def main() -> None:
    workspace = state.workspace()
    st.title("Manifest")
    needs.catalog(workspace)
    history = loaders.manifests(workspace)
    draw_build(workspace, history)
    if history.empty:
        st.info("No manifest yet. It is the frozen table that training reads: which images, with which label, in which class, "
                "and which of them are set aside to compare versions.", icon=":material/inventory_2:")
        return
    draw_history(history)
    try:
        draw_diff(workspace, history)
    except InputError as problem:
        st.error(text(problem))
    draw_export(workspace, history)


main()
