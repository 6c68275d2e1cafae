"""Classes: proposals which of them are one and the same, and the table of all with their series."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace
from pages.ui import loaders, needs, state
from pages.ui.class_table import class_table, edits, read_series_csv, series_csv
from pages.ui.decide import decide
from pages.ui.gallery import strip
from pages.ui.proposals import pending
from pages.ui.review import LIKELY
from pages.ui.text import bold, count, shortened_apart, text
from pages.ui.tiles import members

SKIPPED, CHOSEN = "classes.skipped", "classes.chosen"
STRIP_IMAGES = 12
EVIDENCE = {  # column of the finding -> what it is called and how it is written
    "score": ("Score", "{:.2f}", "0 to 1; higher: more likely one and the same class."),
    "confusion_rate": ("Confused with each other", "{:.0%}", "Share of the two classes' images that a classifier which did not "
                       "train on them takes for the other class."),
    "centroid_distance": ("Distance of centres", "{:.3f}", "Cosine distance between the two classes' mean features; 0: equal."),
}


def draw_proposals(workspace: Workspace) -> None:
    proposals = needs.findings("merges", workspace)
    skipped: set[frozenset[str]] = st.session_state.setdefault(SKIPPED, set())
    left = pending(proposals, loaders.curation(workspace), skipped)
    likely = int((left["score"] >= LIKELY).sum())  # those that the Overview counts; they come first
    pairs = list(left["pair"])
    at = pairs.index(st.session_state[CHOSEN]) if st.session_state.get(CHOSEN) in pairs else 0
    if at < likely:
        draw_pair(workspace, left.iloc[at], f"{at + 1} of {likely:,}")
    elif st.session_state.get(CHOSEN) in pairs:
        draw_pair(workspace, left.iloc[at], "less likely than not")
    else:
        draw_none_left(skipped)
    if left.empty:
        return
    with st.expander(f"All open pairs, the likely and the less likely ones ({len(left):,})"):
        st.dataframe(left.drop(columns="pair"), key="classes.proposals", hide_index=True, height=320,
                     selection_mode="single-row", on_select=lambda: select_pair(pairs),
                     column_config=proposal_columns(list(left.columns)))


def draw_none_left(skipped: set[frozenset[str]]) -> None:
    besides = f", apart from {count(len(skipped), 'skipped one')}" if skipped else ""
    st.success(f"No open proposals{besides}.", icon=":material/check_circle:")
    if skipped:
        st.button("Show the skipped ones again", on_click=skipped.clear, key="classes.unskip")


def proposal_columns(found: list[str]) -> dict[str, object]:
    names = {"class_a": "Class", "class_b": "Other class", "series_a": "Series", "series_b": "Other series",
             **{column: title for column, (title, _, _) in EVIDENCE.items()}}
    shown = {column: st.column_config.Column(names[column]) for column in found if column in names}
    return shown | {"score": st.column_config.ProgressColumn("Score", format="%.2f", min_value=0, max_value=1),
                    "confusion_rate": st.column_config.NumberColumn("Confused", format="percent"),
                    "centroid_distance": st.column_config.NumberColumn("Distance", format="%.3f")}


def select_pair(pairs: list[frozenset[str]]) -> None:
    rows = st.session_state["classes.proposals"]["selection"]["rows"]
    st.session_state[CHOSEN] = pairs[rows[0]] if rows else None


def draw_pair(workspace: Workspace, proposal: pd.Series, place: str) -> None:
    a, b = proposal["class_a"], proposal["class_b"]
    sizes = {name: len(members(workspace, name)) for name in (a, b)}
    if sizes[b] > sizes[a]:
        a, b = b, a
    st.markdown(f"**Are these one and the same class?** :small[{place}]")
    evidence = {column: float(proposal[column]) for column in EVIDENCE}
    draw_choice(workspace, a, b, proposal["pair"], {"page": "classes"} | evidence)
    with st.container(border=True):
        figures = [f"{title} **{form.format(evidence[column])}**" for column, (title, form, _) in EVIDENCE.items()]
        st.markdown("  ·  ".join(figures), help="  \n".join(f"{title}: {help}" for title, _, help in EVIDENCE.values()))
        for name, figure in zip((a, b), st.columns(2, gap="large"), strict=True):
            with figure:
                draw_class(workspace, name, sizes[name])


def draw_choice(workspace: Workspace, a: str, b: str, pair: frozenset[str], evidence: dict[str, object]) -> None:
    """The buttons, always at the same place, so that one proposal after the other can be answered."""
    merge_a, merge_b, apart, skip = st.columns([3, 3, 2, 1.5])
    called_a, called_b = map(text, shortened_apart([a, b]))
    merge_a.button(f"Merge as {called_a}", key="classes.merge-a", type="primary", shortcut="M", width="stretch",
                   on_click=decide, args=(workspace, [Decision("merge", label=b, value=a, evidence=evidence)]))
    merge_b.button(f"Merge as {called_b}", key="classes.merge-b", shortcut="N", width="stretch",
                   on_click=decide, args=(workspace, [Decision("merge", label=a, value=b, evidence=evidence)]))
    apart.button("Keep apart", key="classes.apart", shortcut="K", width="stretch", help="Remembered: never proposed again.",
                 on_click=decide, args=(workspace, [Decision("keep_apart", label=a, other=b, evidence=evidence)]))
    skip.button("Skip", key="classes.skip", shortcut="S", width="stretch", help="Not now; it comes back in a new session.",
                on_click=st.session_state[SKIPPED].add, args=(pair,))


def draw_class(workspace: Workspace, name: str, size: int) -> None:
    series = loaders.curation(workspace).series.get(name)
    st.markdown(f"{bold(name)}  \n:small[{count(size, 'image')}{f' · series {text(series)}' if series else ''}]")
    strip(workspace, loaders.typical(workspace, name, STRIP_IMAGES), key=f"classes.strip-{name}", size=104, wrap=True)


def draw_table(workspace: Workspace) -> None:
    curation = loaders.curation(workspace)
    table = class_table(loaders.catalog(workspace), curation)
    st.caption("Change series, names, merges and drops here, then save: the changes become one batch, which can be undone.")
    key = f"classes.table-{loaders.journal(workspace).version()}"
    text_column = st.column_config.TextColumn
    st.data_editor(table, key=key, hide_index=True, height=min(36 * len(table) + 40, 620),
                   disabled=["class", "images", "holds"], column_config={
        "class": text_column("Class", width="medium"), "images": st.column_config.NumberColumn("Images", width="small"),
        "holds": text_column("Also holds", help="Classes that were merged into it, and its former names."),
        "series": text_column("Series", help="The class above: a car's model line, say. Empty: none."),
        "rename": text_column("New name"),
        "merge": st.column_config.SelectboxColumn("Merge into", options=["", *table["class"]]),
        "drop": st.column_config.CheckboxColumn("Drop", width="small", help="Its images are left out of the manifest.")})
    changes = st.session_state.get(key, {}).get("edited_rows", {})
    try:
        decisions = edits(table, changes)
    except InputError as problem:
        st.error(text(problem))
        return
    st.button(f"Save {count(len(decisions), 'change')}" if decisions else "Save changes", key="classes.save", type="primary",
              disabled=not decisions, on_click=decide, args=(workspace, decisions))


def draw_dropped(workspace: Workspace) -> None:
    dropped = [name for name, final in loaders.curation(workspace).mapping.items() if not final]
    if not dropped:
        return
    with st.container(border=True):
        chosen = st.multiselect(f"Dropped classes ({len(dropped)})", dropped, key="classes.dropped",
                                placeholder="Choose those to bring back")
        st.button("Bring back", key="classes.bring-back", disabled=not chosen, on_click=decide,
                  args=(workspace, [Decision("merge", label=name, value=name) for name in chosen]))


def draw_series_files(workspace: Workspace) -> None:
    curation = loaders.curation(workspace)
    with st.expander("Series as a CSV file"):
        out, back = st.columns(2, gap="large")
        out.caption("Columns class and series, one row a class; opens in Excel.")
        out.download_button("Export", series_csv(curation), f"{workspace.name}-series.csv", "text/csv", key="classes.export")
        uploaded = back.file_uploader("Import", type="csv", key="classes.import")
        if uploaded is None:
            return
        try:
            decisions = read_series_csv(uploaded.getvalue(), curation)
        except InputError as problem:
            back.error(text(problem))
            return
        label = f"Set the series of {count(len(decisions), 'class')}" if decisions else "The file changes nothing"
        back.button(label, key="classes.import-save", type="primary", disabled=not decisions, on_click=decide,
                    args=(workspace, decisions))


def main() -> None:
    workspace = state.workspace()
    st.title("Classes")
    needs.catalog(workspace)
    proposals, table = st.tabs(["Merge proposals", "All classes and series"])
    with table:  # first, because proposals that are not there yet stop the page
        draw_table(workspace)
        draw_dropped(workspace)
        draw_series_files(workspace)
    with proposals:
        draw_proposals(workspace)


main()
