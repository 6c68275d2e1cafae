"""What undoing a batch would change, as images: drawn before anyone presses the button."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core.changes import changes, first_prevented
from hai_core.decisions import fold
from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.consequences import Group, grouped
from pages.ui.gallery import strip
from pages.ui.text import bold, count, text
from pages.ui.tiles import tiles
from pages.ui.words import say

STRIP_IMAGES = 12
SHOWN_GROUPS = 12
SHOWN_CHANGES = 500  # rows of the table
ABOUT_CLASSES = ("class", "class_dropped", "series", "no_series", "keep_apart", "merge_possible")
CLASS_LINES = 8


def prevented(workspace: Workspace, batch: str) -> tuple[Decision, str] | None:
    """The later decision that forbids undoing a batch, and why; None when it can be undone."""
    return _looked_ahead(workspace, _key(workspace, batch))[1]


def draw_preview(workspace: Workspace, batch: str) -> None:
    """What undoing a live batch would change: a strip of images for each consequence, and all of it as a table."""
    table = _looked_ahead(workspace, _key(workspace, batch))[0]
    if table.empty:
        st.caption(say("journal.changes_nothing"))
        return
    st.markdown(f"**{say('journal.would_change')}**")
    groups = grouped(table)
    for at, group in enumerate(groups[:SHOWN_GROUPS]):
        _draw_group(workspace, group, f"journal.strip-{at}")
    if len(groups) > SHOWN_GROUPS:
        st.caption(say("journal.more_groups", changes=count(sum(len(g.rows) for g in groups[SHOWN_GROUPS:]), "change")))
    with st.expander(say("journal.as_table", changes=count(len(table), "change"))):
        about = table["path"].where(table["path"] != "", table["class"])
        st.dataframe(table.head(SHOWN_CHANGES).assign(about=about), hide_index=True, height=240,
                     column_order=["about", "what", "before", "after"],
                     column_config={name: say(f"journal.{name}") for name in ("about", "what", "before", "after")})


def _draw_group(workspace: Workspace, group: Group, key: str) -> None:
    if group.kind in ABOUT_CLASSES:
        _draw_classes(group)
        return
    size = count(len(group.rows), "pair") if group.kind.endswith("duplicates") else count(len(group.paths), "image")
    st.markdown(f"{_title(group)} · {size}")
    if group.seen:
        return
    shown = tiles(workspace, group.paths[:STRIP_IMAGES])
    plain = shown.assign(badge="", caption="") if group.kind == "label" else shown.assign(badge="")  # the title says the labels
    strip(workspace, plain, key=key, size=72, wrap=True)
    if len(shown) < len(group.paths):
        st.caption(say("journal.more_images", images=count(len(group.paths) - len(shown), "image")))


def _title(group: Group) -> str:
    return say(f"undo.{group.kind}", before=bold(group.before), after=bold(group.after))


def _draw_classes(group: Group) -> None:
    lines = [say(f"undo.{group.kind}", name=bold(row["class"]), before=bold(row["before"]), after=bold(row["after"]))
             for row in group.rows.head(CLASS_LINES).to_dict("records")]
    if len(group.rows) > len(lines):
        lines.append(text(say("journal.more_changes", changes=count(len(group.rows) - len(lines), "change"))))
    st.markdown("  \n".join(lines))


def _key(workspace: Workspace, batch: str) -> tuple[object, ...]:
    version, catalog = loaders.journal(workspace).version(), loaders.stamp(workspace.catalog / "catalog.parquet")
    return str(workspace.root), workspace.id, catalog, version, batch


@st.cache_resource(max_entries=16, show_spinner=False)
def _looked_ahead(_workspace: Workspace, key: tuple[object, ...]) -> tuple[pd.DataFrame, tuple[Decision, str] | None]:
    batch, catalog, live = str(key[-1]), loaders.catalog(_workspace), loaders.journal(_workspace).live()
    forbidden = first_prevented(catalog, live, batch)
    if forbidden:
        return pd.DataFrame(), forbidden
    rest = fold(catalog, [decision for decision in live if decision.batch != batch])
    return changes(catalog, loaders.curation(_workspace), rest), None
