"""Manifest: freeze what the decisions add up to, see how versions differ, export them."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, needs, state, versions
from pages.ui.decide import decide
from pages.ui.freezing import difference, emptied, preview
from pages.ui.gallery import strip
from pages.ui.progress import job_panel, start_button
from pages.ui.text import WRAPPED, bold, count, shortened_apart, text
from pages.ui.tiles import tiles
from pages.ui.words import say

STRIP_IMAGES = 12
PAIRS = 6  # pairs of labels, before and after, that get a strip each
FROM_TO = ("relabelled", "merged", "split", "renamed")  # changes of the label
LISTED = 2000  # rows of the table of changes; the command below it writes all
FIGURES = ("images", "classes", "holdout", "excluded", "relabelled", "unreadable")
FORMATS = ("imagefolder", "csv", "fiftyone")
CHANGES = ("added", "removed", "relabelled", "merged", "split", "renamed", "moved", "changed", "holdout")  # in the order shown


def draw_build(workspace: Workspace, history: pd.DataFrame) -> None:
    now = preview(workspace)
    newest = "" if history.empty else history["digest"].iloc[0]
    argv = ["manifest", "build", "-w", str(workspace.root)]
    with st.container(border=True):
        if now.problem:
            st.error(say("manifest.cannot", why=text(now.problem)), icon=":material/block:")
            draw_emptied(workspace, emptied(workspace))
            return
        with st.container(horizontal=True, gap="large"):
            for name in FIGURES:
                st.metric(say(f"manifest.{name}"), f"{now.counts[name]:,}", width="content")
        words, button = st.columns([3, 1], vertical_alignment="center")
        if now.digest == newest:
            words.markdown(f":material/check_circle: {say('manifest.up_to_date', digest=newest[:12])}")
        elif newest:
            words.markdown(say("manifest.behind", digest=newest[:12]))
        else:
            words.markdown(say("manifest.freezes"))
        if now.first and workspace.holdout:
            words.caption(say("manifest.holdout_hint", share=f"{workspace.holdout:.0%}"))
        with button:
            start_button(say("manifest.build_again" if now.digest == newest else "manifest.build"), workspace, argv,
                         key="manifest.build", primary=now.digest != newest)
    if now.counts["stale_decisions"]:
        unapplied = count(now.counts["stale_decisions"], "decision")
        st.caption(f":material/warning: {say('manifest.not_applied', decisions=unapplied)}")
    job_panel(workspace, ["manifest build", "find duplicates"], done=False, key="manifest.jobs")


def draw_emptied(workspace: Workspace, names: list[str]) -> None:
    """The ways out for the one state that a person must decide about before a manifest can be built."""
    for name in names[:10]:
        words, button = st.columns([4, 1], vertical_alignment="center")
        words.markdown(say("manifest.emptied", name=bold(name)))
        button.button(say("manifest.drop"), key=f"manifest.drop-{name}", on_click=decide, width="stretch",
                      args=(workspace, [Decision("drop_class", label=name)]))
    if names:
        st.page_link("pages/classes.py", label=say("manifest.merge_instead"), icon=":material/account_tree:")
    if len(names) > 1:
        st.button(say("manifest.drop_all", classes=count(len(names), "empty class")), key="manifest.drop-all", on_click=decide,
                  args=(workspace, [Decision("drop_class", label=name) for name in names]))


def draw_versions(workspace: Workspace, history: pd.DataFrame) -> None:
    """The line of versions, and beside it the chosen one: what is in it, its runs, what changed."""
    runs = loaders.runs(workspace)
    line, about = st.columns([1, 1.9], gap="large")
    with line:
        st.subheader(say("manifest.versions"))
        chosen = versions.choose(history, runs)
    version = history[history["path"] == chosen].iloc[0]
    with about:
        st.subheader(text(versions.called(history)[chosen]))
        st.caption(versions.contents(version))
        versions.draw_runs(runs[runs["manifest"] == version["digest"]])
        try:
            draw_diff(workspace, history, chosen)
        except InputError as problem:
            st.error(text(problem))


def draw_diff(workspace: Workspace, history: pd.DataFrame, new: str) -> None:
    names = versions.called(history)
    others = [path for path in names if path != new]
    if not others:
        st.caption(say("manifest.only_one"))
        return
    parent = versions.parents(history).get(new)
    old = st.selectbox(say("manifest.since"), others, index=others.index(parent) if parent else None,
                       key=f"manifest.since-{new}", format_func=names.__getitem__, placeholder=say("manifest.since_none"))
    if old is None:
        return
    table, by_class = difference(old, new)
    if table.empty and by_class.empty:
        st.success(say("manifest.equal"), icon=":material/check_circle:")
        return
    if not by_class.empty:
        draw_classes(by_class)
    for change in (name for name in CHANGES if name in set(table["change"])):
        draw_change(workspace, change, table[table["change"] == change])
    with st.expander(say("manifest.as_table", changes=count(len(table), "change"))):
        st.dataframe(_worded(table.head(LISTED), "change"), hide_index=True, height=320, column_config=_titles("path"))
        st.code(shlex.join(["python", "-m", "hai_core", "manifest", "diff", old, new]), language=None, wrap_lines=True)


def draw_classes(by_class: pd.DataFrame) -> None:
    st.markdown(f"**{say('manifest.classes')}** · {count(len(by_class), 'change')}")
    if by_class["before"].isin(["", *by_class["class"]]).all():  # else the name before is a series
        by_class = by_class.drop(columns="before")
    st.dataframe(_worded(by_class, "class"), hide_index=True, row_height=WRAPPED, height=min(WRAPPED * len(by_class) + 40, 310),
                 column_config=_titles("class"))


def _worded(table: pd.DataFrame, about: str) -> pd.DataFrame:
    return table.assign(change=[say(f"manifest.{about}_{change}") for change in table["change"]])


def _titles(about: str) -> dict[str, object]:
    widths = {about: 140, "change": 85, "before": 140, "after": 140}
    return {name: st.column_config.TextColumn(say(f"manifest.column_{name}"), width=width) for name, width in widths.items()}


def draw_change(workspace: Workspace, change: str, rows: pd.DataFrame) -> None:
    """The images that changed in one way: a strip for each pair of labels when these are few, else one with captions."""
    st.markdown(f"**{say(f'manifest.change_{change}')}** · {count(len(rows), 'image')}")
    pairs = rows.groupby(["before", "after"], sort=False)
    if change not in FROM_TO or len(pairs) > PAIRS:
        draw_strip(workspace, rows, f"manifest.strip-{change}", captions=True)
        return
    for at, ((before, after), own) in enumerate(sorted(pairs, key=lambda pair: -len(pair[1]))):
        st.markdown(f"{bold(before)} → {bold(after)} · {count(len(own), 'image')}")
        draw_strip(workspace, own, f"manifest.strip-{change}-{at}", captions=False)


def draw_strip(workspace: Workspace, rows: pd.DataFrame, key: str, *, captions: bool) -> None:
    shown = tiles(workspace, rows["path"].head(STRIP_IMAGES)).assign(badge="")
    words = rows.drop_duplicates("path").set_index("path").loc[shown["path"], ["before", "after"]]
    told = [" → ".join(shortened_apart([word for word in pair if word], 24)) for pair in words.itertuples(index=False)]
    strip(workspace, shown.assign(caption=told if captions else ""), key=key, size=84, wrap=True)
    if len(shown) < len(rows):
        st.caption(say("manifest.more", n=f"{len(rows) - len(shown):,}"))


def draw_export(workspace: Workspace, history: pd.DataFrame) -> None:
    st.subheader(say("manifest.export"))
    names = dict(zip(history["path"], history["digest"].str[:12], strict=True))
    which, how, where = st.columns([1.2, 1, 2], vertical_alignment="bottom")
    newest = history["digest"].iloc[0]  # in the key: a manifest that was just built is the one to export
    chosen = which.selectbox(say("manifest.title"), list(names), key=f"manifest.export-{newest}", format_func=names.__getitem__)
    form = how.selectbox(say("manifest.format"), FORMATS, key="manifest.format")
    out = where.text_input(say("manifest.out"), value=str(workspace.root / "exports" / f"{names[chosen]}-{form}"),
                           key=f"manifest.out-{names[chosen]}-{form}")
    st.caption(say(f"manifest.format_{form}"))
    argv = ["manifest", "export", chosen, "--format", form, "--out", out]
    start_button(say("manifest.export"), workspace, argv, key="manifest.export-start", primary=False)
    job_panel(workspace, "manifest export", key="manifest.export-jobs")


def main() -> None:
    workspace = state.workspace()
    st.title(say("manifest.title"))
    needs.catalog(workspace)
    history = loaders.manifests(workspace)
    if history.empty:
        st.info(say("manifest.none_yet"), icon=":material/inventory_2:")
    draw_build(workspace, history)
    if history.empty:
        return
    draw_versions(workspace, history)
    draw_export(workspace, history)


main()
