"""Manifest: freeze what the decisions add up to, see how versions differ, export them."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, needs, state
from pages.ui.decide import decide
from pages.ui.freezing import difference, emptied, preview
from pages.ui.gallery import strip
from pages.ui.progress import job_panel, start_button
from pages.ui.text import bold, count, shortened_apart, text
from pages.ui.tiles import tiles

STRIP_IMAGES = 16
FIGURES = ("images", "classes", "holdout", "excluded", "relabelled", "unreadable")
RARE = {  # counts that are mostly 0 -> title and meaning: short, so that the table fits a laptop's screen
    "unlabelled": ("Unlabelled", "Images without a label."), "merged_classes": ("Merged", "Classes that are one with another."),
    "dropped_classes": ("Dropped", "Classes that are left out."),
    "stale_decisions": ("Stale", "Decisions not applied: the image or class had changed.")}
FORMATS = {"imagefolder": "Copies of the images in folders, one a class, train and holdout apart.",
           "csv": "One table with paths and labels.", "fiftyone": "Copies of the images as a data set that FiftyOne opens."}
CHANGES = {  # as `manifest diff` calls them -> what they are called here, in the order shown
    "added": "Added", "removed": "Removed", "relabelled": "Relabelled", "merged": "Merged with their class",
    "split": "Split from their class", "renamed": "Class renamed", "moved": "Moved", "changed": "Other bytes",
    "holdout": "Between training and holdout"}


def draw_build(workspace: Workspace, history: pd.DataFrame) -> None:
    now = preview(workspace)
    newest = "" if history.empty else history["digest"].iloc[0]
    argv = ["manifest", "build", "-w", str(workspace.root)]
    with st.container(border=True):
        if now.problem:
            st.error(f"No manifest can be built: {text(now.problem)}.", icon=":material/block:")
            draw_emptied(workspace, emptied(workspace))
            return
        with st.container(horizontal=True, gap="large"):
            for name in FIGURES:
                st.metric(name.capitalize(), f"{now.counts[name]:,}", width="content")
        words, button = st.columns([3, 1], vertical_alignment="center")
        if now.digest == newest:
            words.markdown(f":material/check_circle: The newest manifest, `{newest[:12]}`, holds exactly this.")
        elif newest:
            words.markdown(f"The decisions made since `{newest[:12]}` are not in a manifest yet.")
        else:
            words.markdown("Freezes this into a table that training reads. The same decisions always give the same bytes.")
        if now.first and workspace.holdout:
            words.caption(f"The first build sets about {workspace.holdout:.0%} of every class aside as the holdout, for good: "
                          "no manifest trains on it, so that manifests can be compared by it.")
        with button:
            start_button("Build again" if now.digest == newest else "Build the manifest", workspace, argv, key="manifest.build",
                         primary=now.digest != newest)
    if now.counts["stale_decisions"]:
        unapplied = count(now.counts["stale_decisions"], "decision")
        st.caption(f":material/warning: {unapplied} not applied: images or classes changed since. The Overview lists them.")
    job_panel(workspace, ["manifest build", "find duplicates"], done=False, key="manifest.jobs")


def draw_emptied(workspace: Workspace, names: list[str]) -> None:
    """The ways out for the one state that a person must decide about before a manifest can be built."""
    for name in names[:10]:
        words, button = st.columns([4, 1], vertical_alignment="center")
        words.markdown(f"{bold(name)} has no image left to train on.")
        button.button("Drop the class", key=f"manifest.drop-{name}", on_click=decide, width="stretch",
                      args=(workspace, [Decision("drop_class", label=name)]))
    if names:
        st.page_link("pages/classes.py", label="Or merge them on the Classes page", icon=":material/account_tree:")
    if len(names) > 1:
        st.button(f"Drop all {count(len(names), 'empty class')}", key="manifest.drop-all", on_click=decide,
                  args=(workspace, [Decision("drop_class", label=name) for name in names]))


def draw_history(history: pd.DataFrame) -> None:
    st.subheader("History")
    told = history.drop(columns=["path", *(name for name in RARE if not history[name].any())])
    shown = told.assign(digest=history["digest"].str[:12], parent=history["parent"].str[:12],
                        time=history["time"].dt.tz_localize(None))
    st.dataframe(shown, hide_index=True, column_config={
        "digest": st.column_config.TextColumn("Digest", help="The first 12 digits; it names the manifest's folder."),
        "parent": st.column_config.TextColumn("Parent", help="The manifest that was the newest when it was built."),
        **{name: name.capitalize() for name in shown.columns[3:]},
        **{name: st.column_config.NumberColumn(title, help=help) for name, (title, help) in RARE.items()},
        "time": st.column_config.DatetimeColumn("Built (UTC)", format="YYYY-MM-DD HH:mm")})


def draw_diff(workspace: Workspace, history: pd.DataFrame) -> None:
    st.subheader("What changed")
    if len(history) < 2:
        st.caption("With a second manifest, this shows which images were added, removed, relabelled or merged since the first.")
        return
    built = history["time"].dt.strftime("%Y-%m-%d %H:%M")
    names = dict(zip(history["path"], history["digest"].str[:12] + "  ·  " + built, strict=True))
    paths, (left, right) = list(names), st.columns(2)
    newest = history["digest"].iloc[0]  # in the keys: a manifest that was just built is compared with the one before
    old = left.selectbox("From", paths, index=1, key=f"manifest.from-{newest}", format_func=names.__getitem__)
    new = right.selectbox("To", paths, index=0, key=f"manifest.to-{newest}", format_func=names.__getitem__)
    table, by_class = difference(old, new)
    if table.empty and by_class.empty:
        st.success("The two hold the same images with the same labels.", icon=":material/check_circle:")
        return
    if not by_class.empty:
        st.markdown(f"**Classes** · {count(len(by_class), 'change')}")
        st.dataframe(by_class, hide_index=True, height=min(36 * len(by_class) + 40, 260))
    for change in (name for name in CHANGES if name in set(table["change"])):
        draw_change(workspace, change, table[table["change"] == change])
    with st.expander(f"{count(len(table), 'change')} of images as a table"):
        st.dataframe(table, hide_index=True, height=320)
        st.code(shlex.join(["python", "-m", "hai_core", "manifest", "diff", old, new]), language=None, wrap_lines=True)


def draw_change(workspace: Workspace, change: str, rows: pd.DataFrame) -> None:
    st.markdown(f"**{CHANGES[change]}** · {count(len(rows), 'image')}")
    shown = tiles(workspace, rows["path"].head(STRIP_IMAGES))
    words = rows.drop_duplicates("path").set_index("path").loc[shown["path"], ["before", "after"]]
    captions = [" → ".join(shortened_apart([word for word in pair if word], 24)) for pair in words.itertuples(index=False)]
    strip(workspace, shown.assign(caption=captions, badge=""), key=f"manifest.strip-{change}", size=112,
          wrap=True)
    if len(shown) < len(rows):
        st.caption(f"and {len(rows) - len(shown):,} more, in the table below")


def draw_export(workspace: Workspace, history: pd.DataFrame) -> None:
    st.subheader("Export")
    names = dict(zip(history["path"], history["digest"].str[:12], strict=True))
    which, how, where = st.columns([1.2, 1, 2], vertical_alignment="bottom")
    newest = history["digest"].iloc[0]  # in the key: a manifest that was just built is the one to export
    chosen = which.selectbox("Manifest", list(names), key=f"manifest.export-{newest}", format_func=names.__getitem__)
    form = how.selectbox("Format", list(FORMATS), key="manifest.format")
    out = where.text_input("Into the folder", value=str(workspace.root / "exports" / f"{names[chosen]}-{form}"),
                           key=f"manifest.out-{names[chosen]}-{form}")
    st.caption(FORMATS[form])
    argv = ["manifest", "export", chosen, "--format", form, "--out", out]
    start_button("Export", workspace, argv, key="manifest.export-start", primary=False)
    job_panel(workspace, "manifest export", key="manifest.export-jobs")


def main() -> None:
    workspace = state.workspace()
    st.title("Manifest")
    needs.catalog(workspace)
    history = loaders.manifests(workspace)
    if history.empty:
        st.info("No manifest yet. It is the frozen table that training reads: which images, with which label, in which class, "
                "and which of them are set aside to compare versions.", icon=":material/inventory_2:")
    draw_build(workspace, history)
    if history.empty:
        return
    draw_history(history)
    try:
        draw_diff(workspace, history)
    except InputError as problem:
        st.error(text(problem))
    draw_export(workspace, history)


main()
