"""Confusions: which classes a run takes for each other, on images it did not train on, and the images themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hai_core.answers import Answers
from hai_core.compare import BROKEN, FIXED, RIGHT, WRONG, Common
from hai_core.manifest_export import spreadsheet_safe
from hai_core.records import Decision
from hai_core.runs import FINISHED
from hai_core.workspace import Workspace, csv_bytes
from pages.ui import answers, loaders, needs, state
from pages.ui.choices import relabel
from pages.ui.decide import decide
from pages.ui.gallery import EXCLUDE, LABEL_OK, UNSURE, Action, Selection, gallery, reset
from pages.ui.matrix import Cells, confusion_matrix
from pages.ui.progress import job_panel
from pages.ui.text import bold, count, shortened_apart, text
from pages.ui.tiles import classes, tiles
from pages.ui.words import say

MATRIX, PAIRS, GALLERY = "confusions.matrix", "confusions.pairs", "confusions.gallery"
CELLS = "confusions.cells"  # Cells | None: of which the images are shown
RUN, OTHER = "confusions.run", "confusions.other"  # str: folder of a run, and of one that it is compared with (or None)
WINDOW = "confusions.window"  # Cells | None: the part of the matrix that is shown
CHOSEN = "confusions.chosen"  # int: how often cells were chosen
ELSEWHERE = "confusions.elsewhere"  # int: how often they were chosen, or left, by something else than a table's row
SHOWN_CLASSES = 40
LIMITS, ALL = (20, SHOWN_CLASSES, 80, 160, 320, 640), 0  # classes that a matrix may show
TABLE = 320  # pixels, height of the tables
LISTED = 1000  # rows of the table of pairs that are sent
WORST = 240  # images shown while no cell is chosen
CHANGES = {"any": (BROKEN, FIXED, WRONG), "broken": (BROKEN,), "fixed": (FIXED,), "still_wrong": (WRONG,)}


def choose(cells: Cells | None, *, by_row: bool = False) -> None:
    st.session_state[CELLS] = cells
    if not by_row:  # the tables begin anew, with no row that is not what was chosen
        st.session_state[ELSEWHERE] = st.session_state.get(ELSEWHERE, 0) + 1
    st.session_state[CHOSEN] = st.session_state.get(CHOSEN, 0) + (cells is not None)
    reset(GALLERY)


def show_part(cells: Cells | None) -> None:
    st.session_state[WINDOW] = cells


def start_anew() -> None:
    choose(None)
    show_part(None)
    if st.session_state.get(OTHER) == st.session_state.get(RUN):
        st.session_state[OTHER] = None


def choose_row(table: pd.DataFrame, key: str, of_row: Callable[[pd.Series], Cells]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    choose(of_row(table.iloc[rows[0]]) if rows else None, by_row=True)


def table_key(name: str) -> str:
    return f"{name}-{st.session_state.get(ELSEWHERE, 0)}"


# --- the matrix and the reports ---------------------------------------------------------------------------------------


def draw_matrix(run: str, other: str | None, found: Answers | Common) -> None:
    size, limit = len(found.classes), SHOWN_CLASSES
    if size > SHOWN_CLASSES:
        limit = st.segmented_control(say("confusions.limit"), [n for n in LIMITS if n < size] + [ALL], default=SHOWN_CLASSES,
                                     required=True, key="confusions.limit", help=say("confusions.limit_help"),
                                     format_func=lambda n: say("confusions.all_classes", n=f"{size:,}") if n == ALL else f"{n}")
    matrix = answers.arranged(run, other, size if limit == ALL else limit)
    shown = count(len(matrix.names) - bool(matrix.rest), "class")
    confusion_matrix(matrix, MATRIX, chosen=st.session_state.get(CELLS), window=st.session_state.get(WINDOW), on_choose=choose,
                     on_window=show_part, title=say("confusions.matrix", classes=shown))


def of_class(found: Answers | Common, name: str) -> Cells:
    """The cells of a class's errors."""
    return (name,), tuple(other for other in found.classes if other != name)


def of_series(found: Answers, name: str) -> Cells:
    own = {label for label in found.classes if (found.series.get(label) or label) == name}
    return tuple(sorted(own)), tuple(found.classes)


def draw_tables(found: Answers | Common, pairs: Callable[[], None], of_series: Callable[[str], Cells] | None) -> None:
    """The same in words and figures, also for the keyboard: a row chosen shows its images."""
    views = ["pairs", "class", "series"] if of_series else ["pairs", "class"]
    view = st.segmented_control(say("confusions.table"), views, default="pairs", required=True, key="confusions.table",
                                label_visibility="collapsed", format_func=lambda name: say(f"confusions.table_{name}"))
    if view == "pairs":
        pairs()
    elif view == "series" and of_series and isinstance(found, Answers):
        draw_report(found.by_series, "confusions.by-series", lambda row: of_series(row["series"]))
    else:
        draw_report(found.by_class, "confusions.by-class", lambda row: of_class(found, row["class"]))


def draw_report(table: pd.DataFrame, name: str, of_row: Callable[[pd.Series], Cells]) -> None:
    key = table_key(name)
    numbers = {name: st.column_config.NumberColumn(say(f"confusions.{name}"), format="%.3f", help=say("confusions.loss_help"))
               for name in ("loss", "loss_before", "loss_after", "loss_change")}
    shares = {name: st.column_config.NumberColumn(say(f"confusions.{name}"), format="percent")
              for name in ("precision", "recall", "class_accuracy", "recall_before", "recall_after")}
    words = {name: say(f"confusions.{name}")
             for name in ("class", "series", "classes", "images", "taken_for", "fixed", "broken")}
    shown = [name for name in table if name != "series" or table[name].any()]
    st.dataframe(table, key=key, hide_index=True, height=TABLE, column_config=numbers | shares | words, column_order=shown,
                 selection_mode="single-row", on_select=lambda: choose_row(table, key, of_row))


def draw_pairs(pairs: pd.DataFrame, columns: Mapping[str, object]) -> None:
    """The confused classes, the worst first."""
    pairs, key = pairs.head(LISTED), table_key(PAIRS)
    st.dataframe(pairs, key=key, hide_index=True, height=TABLE, selection_mode="single-row",
                 column_order=["class_a", "class_b", *columns],
                 on_select=lambda: choose_row(pairs, key, lambda row: ((row["class_a"],), (row["class_b"],))),
                 column_config={**columns, "class_a": st.column_config.TextColumn(say("confusions.label"), width="medium"),
                                "class_b": st.column_config.TextColumn(say("confusions.predicted"), width="medium")})


def figure(name: str, form: str | None = None) -> object:
    return st.column_config.NumberColumn(say(f"confusions.{name}"), format=form, help=say(f"confusions.{name}_help"))


# --- images -----------------------------------------------------------------------------------------------------------


def chosen_cells(found: Answers | Common) -> Cells | None:
    """What was chosen, if this run has these classes."""
    cells: Cells | None = st.session_state.get(CELLS)
    return cells if cells and {*cells[0], *cells[1]} <= set(found.classes) else None


def called(names: tuple[str, ...]) -> str:
    return bold(names[0] if len(names) == 1 else count(len(names), "class"))


def draw_cells(workspace: Workspace, cells: Cells, size: int, runs: str = "") -> None:
    """What is chosen (`runs`: '_either' of two), the way back from it, and whether two classes are one."""
    labels, predicted = cells
    title, clear = st.columns([6, 1], vertical_alignment="center")
    told = say(f"confusions.right{runs}", label=called(labels)) if labels == predicted and len(labels) == 1 else say(
        f"confusions.wrong{runs}", label=called(labels),
        predicted=called(predicted) if len(predicted) == 1 else say("confusions.one_of", classes=called(predicted)))
    title.markdown(f"{told} · {count(size, 'image')}")
    clear.button("", key="confusions.close", icon=":material/close:", on_click=choose, args=(None,), type="tertiary",
                 help=say("confusions.back"))
    if len(labels) == len(predicted) == 1 and labels != predicted and {*labels, *predicted} <= set(classes(workspace)):
        draw_merge(workspace, labels[0], predicted[0], size)


def draw_merge(workspace: Workspace, label: str, predicted: str, size: int) -> None:
    with st.popover(say("confusions.one_class"), icon=":material/merge:"):
        st.markdown(say("confusions.merge", a=bold(label), b=bold(predicted)))
        short = dict(zip((label, predicted), shortened_apart([label, predicted], 40), strict=True))
        for keep, gone in ((label, predicted), (predicted, label)):
            merge = Decision("merge", label=gone, value=keep, evidence={"page": "confusions", "images": size})
            st.button(text(short[keep]), key=f"confusions.merge-{keep}", width="stretch", on_click=decide,
                      args=(workspace, [merge]))


def draw_images(workspace: Workspace, found: Answers) -> None:
    """The images of the chosen cells, or the worst ones, and what can be decided about them."""
    cells, order = chosen_cells(found), draw_order(found)
    if cells is None:
        rows = ordered(found, found.worst(), order)[:WORST]
        st.markdown(f"**{say(f'confusions.worst_{order}', images=count(len(rows), 'image'))}**")
        st.caption(say("confusions.worst_hint"))
    else:
        rows = ordered(found, errors_first(found, found.rows(*cells), cells), order)
        draw_cells(workspace, cells, len(rows))
    about = found.about(rows)
    captions = [f"{row.label} {row.p_label:.0%}" + ("" if row.label == row.predicted else
                                                    f"\n→ {row.predicted} {row.p_predicted:.0%}") for row in about.itertuples()]
    if order == "disagreement":
        captions = [f"{caption}\n{say('confusions.differ', share=f'{value:.0%}')}"
                    for caption, value in zip(captions, about["disagreement"], strict=True)]
    show(workspace, about, captions, found.run)


def errors_first(found: Answers, rows: npt.NDArray[np.int64], cells: Cells) -> npt.NDArray[np.int64]:
    """Of a box, what was predicted wrong, if anything was; the right ones would bury it."""
    wrong = rows[found.predicted[rows] != found.labels[rows]]
    return wrong if len(wrong) and max(map(len, cells)) > 1 else rows


def draw_order(found: Answers) -> str:
    """Which images come first: 'loss' or 'disagreement'."""
    order = st.segmented_control(say("confusions.order"), ["loss", "disagreement"], default="loss", required=True,
                                 key="confusions.order", label_visibility="collapsed",
                                 format_func=lambda name: say(f"confusions.order_{name}"), help=say("confusions.order_help"))
    if order == "disagreement" and found.disagreement is None:
        st.caption(say("confusions.no_disagreement"))
        return "loss"
    return str(order)


def ordered(found: Answers, rows: npt.NDArray[np.int64], order: str) -> npt.NDArray[np.int64]:
    if order == "loss" or found.disagreement is None:
        return rows
    return rows[np.argsort(-found.disagreement[rows], kind="stable")]


def draw_changes(workspace: Workspace, found: Common, run: str) -> None:
    """The images that one of two runs answered right and the other wrong, or both wrong."""
    cells = chosen_cells(found)
    within = cells or ()
    sizes = {change: len(found.rows(kinds, *within)) for change, kinds in CHANGES.items()}
    change = st.segmented_control(say("confusions.changes"), list(CHANGES), default="any" if cells else "broken", required=True,
                                  key="confusions.change-in-cells" if cells else "confusions.change", on_change=reset,
                                  args=(GALLERY,), label_visibility="collapsed",
                                  format_func=lambda name: f"{say(f'confusions.{name}')} ({sizes[name]:,})")
    rows = found.rows(CHANGES[change], *within)
    if cells and cells[0] == cells[1] and not len(rows):
        rows = found.rows([RIGHT], *within)
    if cells:
        draw_cells(workspace, cells, len(rows), "_either")
    elif len(rows) > WORST:
        st.caption(say("confusions.first_of", n=WORST, total=count(len(rows), "image")))
        rows = rows[:WORST]
    about = found.about(rows)
    captions = [f"{row.p_label_before:.0%} → {row.p_label_after:.0%} · {row.label}\n" + (
        say("confusions.was", name=row.predicted_before) if row.change == FIXED else
        say("confusions.now", name=row.predicted_after)) for row in about.itertuples()]
    own = answers.answers(run)  # a common class may be several of this run's, of which an image can be given only one
    about = own.about(pd.Index(own.paths).get_indexer(pd.Index(about["path"])))
    show(workspace, about, captions, own.run)


def show(workspace: Workspace, about: pd.DataFrame, captions: list[str], run: str) -> None:
    """The gallery. `about`: path, label, predicted, p_label."""
    told = about.assign(told=captions).set_index("path")
    shown = tiles(workspace, about["path"])
    told = told.loc[shown["path"]]
    mapping = loaders.curation(workspace).mapping
    captions = [caption if now == mapping.get(was, was) else f"{caption}\n{say('confusions.label_now', name=now or '–')}"
                for caption, was, now in zip(told["told"], told["label"], shown["label"], strict=True)]
    evidence = [{"run": run, "label": row.label, "predicted": row.predicted, "self_confidence": float(row.p_label)}
                for row in told.itertuples()]
    gallery(workspace, shown.assign(caption=captions, evidence=evidence), GALLERY, actions(workspace, about),
            size=112, asked_for=st.session_state.get(CHOSEN, 0), empty=say("confusions.no_images"))


def actions(workspace: Workspace, about: pd.DataFrame) -> list[Action]:
    predicted = dict(zip(about["path"], about["predicted"], strict=True))

    def move(selection: Selection) -> list[Decision]:
        return [Decision("relabel", path=path, value=predicted[path]) for path in selection.paths]

    return [Action("move", say("confusions.move"), move, key="m", primary=True), LABEL_OK, EXCLUDE, relabel(workspace),
            UNSURE]


# --- the page ---------------------------------------------------------------------------------------------------------


def draw_exports(workspace: Workspace, found: Answers | Common) -> None:
    with st.popover(say("confusions.export"), width="stretch"):
        st.caption(say("confusions.export_about"))
        escaped = st.toggle(say("confusions.export_sheet"), key="confusions.export-sheet",
                            help=say("journal.export_sheet_help"))
        written = (lambda table: csv_bytes(spreadsheet_safe(table))) if escaped else csv_bytes
        for name, make in found.tables.items():
            st.download_button(say(f"confusions.export_{name}"), lambda make=make: written(make()),  # type: ignore[misc]
                               f"{workspace.name}-{name}.csv", "text/csv", key=f"confusions.export-{name}", on_click="ignore",
                               width="stretch")


def draw_run(workspace: Workspace, run: str, found: Answers) -> None:
    left, right = st.container(key="wide-confusions").columns([1.4, 1], gap="medium")
    with left:
        draw_matrix(run, None, found)
        draw_tables(found, lambda: draw_pairs(found.pairs, {"count": figure("count"), "rate": figure("rate", "percent")}),
                    (lambda name: of_series(found, name)) if found.series else None)
    with right:
        draw_images(workspace, found)


def draw_two(workspace: Workspace, run: str, other: str, found: Common) -> None:
    out = {name: f"{n:,}" for name, n in found.left_out.items()}
    left_out = f" {say('confusions.left_out', **out)}" if any(found.left_out.values()) else ""
    st.caption(say("confusions.compared", images=count(len(found.paths), "image")) + left_out)
    if not len(found.paths):
        return
    left, right = st.container(key="wide-confusions").columns([1.4, 1], gap="medium")
    with left:
        draw_matrix(run, other, found)
        columns = {name: figure(name) for name in ("before", "after", "fixed", "broken")}
        draw_tables(found, lambda: draw_pairs(found.cells, columns), None)
    with right:
        draw_changes(workspace, found, run)


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
    first, second, third = st.columns([5, 5, 2], vertical_alignment="bottom")
    run = first.selectbox(say("confusions.run"), list(names), format_func=names.__getitem__, key=RUN,
                          on_change=start_anew)
    others = [path for path in names if path != run]
    other = second.selectbox(say("confusions.other"), others, index=None, format_func=names.__getitem__, key=OTHER,
                             placeholder=say("confusions.no_other"), on_change=start_anew,
                             help=say("confusions.other_help")) if others else None
    found = answers.answers(run) if other is None else answers.common(other, run)
    with third:
        draw_exports(workspace, found)
    if isinstance(found, Answers):
        draw_run(workspace, run, found)
    else:
        draw_two(workspace, run, str(other), found)


main()
