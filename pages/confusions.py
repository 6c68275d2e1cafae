"""Confusions: which classes a run takes for each other, on images it did not train on, and the images themselves."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.runs import FINISHED
from hai_core.workspace import Workspace
from pages.ui import loaders, needs, state
from pages.ui.answers import Answers, answers
from pages.ui.choices import relabel
from pages.ui.decide import decide
from pages.ui.gallery import EXCLUDE, LABEL_OK, UNSURE, Action, Selection, gallery, reset
from pages.ui.matrix import Matrix, arranged
from pages.ui.plots import confusion_matrix, picked
from pages.ui.progress import job_panel
from pages.ui.text import WRAPPED, bold, count, shortened_apart, text
from pages.ui.tiles import classes, tiles
from pages.ui.words import say

MATRIX, PAIRS, CELL, GALLERY = "confusions.matrix", "confusions.pairs", "confusions.cell", "confusions.gallery"
CHOSEN = "confusions.chosen"  # int: how often a cell was chosen
SHOWN_CLASSES = 60
PAIRS_SHOWN = 3  # rows of the table of pairs
WORST = 240  # images shown while no cell is chosen
MATRIX_CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["toImage", "autoScale2d", "zoomIn2d", "zoomOut2d"]}


def choose(cell: tuple[str, ...] | None) -> None:
    st.session_state[CELL] = cell
    st.session_state[CHOSEN] = st.session_state.get(CHOSEN, 0) + (cell is not None)
    reset(GALLERY)


def choose_on_matrix() -> None:
    cells = picked(st.session_state[MATRIX])
    choose(cells[-1] if cells else None)


def choose_pair(pairs: pd.DataFrame) -> None:
    rows = st.session_state[PAIRS]["selection"]["rows"]
    choose(tuple(pairs[["class_a", "class_b"]].iloc[rows[0]]) if rows else None)


def draw_matrix(found: Answers) -> Matrix:
    limit = SHOWN_CLASSES
    if len(found.classes) > SHOWN_CLASSES:
        limit = st.slider(say("confusions.limit"), 20, min(len(found.classes), 150), SHOWN_CLASSES, 10, key="confusions.limit",
                          help=say("confusions.limit_help"))
    matrix = arranged(found.counts, found.classes, limit)
    st.plotly_chart(confusion_matrix(matrix.counts, matrix.names), key=MATRIX, on_select=choose_on_matrix,
                    selection_mode="points", config=MATRIX_CONFIG,
                    alt=say("confusions.matrix", classes=count(len(matrix.names), "class")))
    return matrix


def draw_reports(found: Answers) -> None:
    columns = {"loss": st.column_config.NumberColumn(say("confusions.loss"), format="%.3f", help=say("confusions.loss_help")),
               **{name: st.column_config.NumberColumn(say(f"confusions.{name}"), format="percent")
                  for name in ("precision", "recall", "class_accuracy")}}
    with st.expander(say("confusions.by_class", n=f"{len(found.by_class):,}")):
        st.dataframe(found.by_class, hide_index=True, height=420, column_config=columns)
    if found.series:
        with st.expander(say("confusions.by_series", n=f"{len(found.by_series):,}")):
            st.dataframe(found.by_series, hide_index=True, height=420, column_config=columns)


def draw_pairs(found: Answers) -> None:
    pairs = found.pairs
    st.dataframe(pairs.assign(rate=100 * pairs["rate"]), key=PAIRS, hide_index=True, height=WRAPPED * PAIRS_SHOWN + 36,
                 row_height=WRAPPED, selection_mode="single-row", column_order=["count", "rate", "class_a", "class_b"],
                 on_select=lambda: choose_pair(pairs), column_config={
                     "class_a": st.column_config.TextColumn(say("confusions.label"), width=142),
                     "class_b": st.column_config.TextColumn(say("confusions.predicted"), width=142),
                     "count": st.column_config.NumberColumn(say("confusions.images"), width=58),
                     "rate": st.column_config.NumberColumn(say("confusions.rate"), width=54, format="%.0f%%",
                                                         help=say("confusions.rate_help"))})


def draw_images(workspace: Workspace, found: Answers, matrix: Matrix) -> None:
    """The images of the chosen cell, or the worst ones, and what can be decided about them."""
    cell = st.session_state.get(CELL)
    if cell is None or not set(cell) <= {*found.classes, *matrix.names}:
        rows = found.worst(WORST)
        st.markdown(f"**{say('confusions.worst', images=count(len(rows), 'image'))}**")
        st.caption(say("confusions.worst_hint"))
    else:
        rows = found.rows(matrix.classes_of(cell[0]), matrix.classes_of(cell[1]))
        draw_cell(workspace, *cell, len(rows))
    about = found.about(rows)
    gallery(workspace, answered_tiles(workspace, found, about), GALLERY, actions(workspace, about), size=112,
            asked_for=st.session_state.get(CHOSEN, 0))


def draw_cell(workspace: Workspace, label: str, predicted: str, size: int) -> None:
    title, clear = st.columns([6, 1], vertical_alignment="center")
    told = say("confusions.right", label=bold(label)) if label == predicted else say(
        "confusions.wrong", label=bold(label), predicted=bold(predicted))
    title.markdown(f"{told} · {count(size, 'image')}")
    clear.button("", key="confusions.close", icon=":material/close:", on_click=choose, args=(None,), type="tertiary",
                 help=say("confusions.back"))
    if label != predicted and {label, predicted} <= set(classes(workspace)):
        with st.popover(say("confusions.one_class"), icon=":material/merge:"):
            st.markdown(say("confusions.merge", a=bold(label), b=bold(predicted)))
            called = dict(zip((label, predicted), shortened_apart([label, predicted], 40), strict=True))
            for keep, gone in ((label, predicted), (predicted, label)):
                merge = Decision("merge", label=gone, value=keep, evidence={"page": "confusions", "images": size})
                st.button(text(called[keep]), key=f"confusions.merge-{keep}", width="stretch", on_click=decide,
                          args=(workspace, [merge]))


def answered_tiles(workspace: Workspace, found: Answers, about: pd.DataFrame) -> pd.DataFrame:
    """Tiles whose captions hold both probabilities."""
    shown = tiles(workspace, about["path"])
    about = about.set_index("path").loc[shown["path"]]
    rows = list(about.itertuples())
    right = about["label"].to_numpy() == about["predicted"].to_numpy()
    captions = [f"{row.label} {row.p_label:.0%}" + ("" if hit else f"\n→ {row.predicted} {row.p_predicted:.0%}")
                for row, hit in zip(rows, right, strict=True)]
    evidence = [{"run": found.run, "label": row.label, "predicted": row.predicted, "self_confidence": float(row.p_label)}
                for row in rows]
    return shown.assign(caption=captions, evidence=evidence)


def actions(workspace: Workspace, about: pd.DataFrame) -> list[Action]:
    predicted = dict(zip(about["path"], about["predicted"], strict=True))

    def move(selection: Selection) -> list[Decision]:
        return [Decision("relabel", path=path, value=predicted[path]) for path in selection.paths]

    return [Action("move", say("confusions.move"), move, key="m", primary=True), LABEL_OK, EXCLUDE, relabel(workspace),
            UNSURE]


def main() -> None:
    workspace = state.workspace()
    st.title(say("confusions.title"))
    needs.catalog(workspace)
    runs = loaders.runs(workspace)
    runs = runs[runs["state"] == FINISHED]
    if runs.empty:
        st.info(say("confusions.no_runs"), icon=":material/grid_on:")
        st.page_link("pages/training.py", label=say("confusions.train"), icon=":material/model_training:")
        job_panel(workspace, "train", ended=0, key="confusions.jobs")
        return
    names = {row["path"]: f"{row['name']} · {say('confusions.log_loss', value=format(row['log_loss'], '.4f'))} · {row['id']}"
             for row in runs.to_dict("records")}
    run = st.selectbox(say("confusions.run"), list(names), format_func=names.__getitem__, key="confusions.run",
                       on_change=choose, args=(None,))
    found = answers(run)
    left, right = st.container(key="wide-confusions").columns([1.4, 1], gap="medium")
    with left:
        matrix = draw_matrix(found)
        draw_reports(found)
    with right:
        draw_pairs(found)
        draw_images(workspace, found, matrix)


main()
