"""Noise: images in order of suspicion, beside typical images of the given and of the suggested label."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import gallery as galleries
from pages.ui import loaders, needs, review, state
from pages.ui.gallery import Action, Selection
from pages.ui.text import bold, count, text

KINDS = {"noise": "Doubtful labels", "outliers": "Outliers", "quality": "Quality"}
SHOWN = {"open": "To review", "done": "Reviewed", "all": "All images"}
FIGURE = {  # kind -> what the figure on an image is, and its direction
    "noise": ("Probability that the label is right", "0%: surely wrong, 100%: surely right."),
    "outliers": ("Typical of its class", "0%: far from everything, 100%: typical."),
    "quality": ("Quality in this respect", "0%: worst, 100%: fine."),
}
TYPICAL = 6  # images shown of a class


def main() -> None:
    workspace = state.workspace()
    st.title("Noise")
    catalog = needs.catalog(workspace)
    bar = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    kind = bar.segmented_control("Kind", KINDS, format_func=KINDS.get, default="noise", required=True, key="kind",
                                 bind="query-params", label_visibility="collapsed")
    findings = needs.findings(kind, workspace)
    curation = loaders.curation(workspace)
    table = review.image_review(kind, findings, catalog, curation)
    shown = _controls(bar, table, f"noise-{kind}")
    classes = sorted({name for name in curation.mapping.values() if name})
    galleries.gallery(
        workspace, shown, f"noise-{kind}", _actions(kind, shown, classes), describe=partial(_tiles, kind),
        inspector=lambda path: _inspect(workspace, kind, table, path), page_size=40, size=140,
        empty="Nothing left here: everything suspicious of this kind is reviewed.")


def _controls(bar: DeltaGenerator, table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Which images are shown, and progress, in `bar`. Returns their rows."""
    progress = review.image_progress(table)
    shown = bar.segmented_control(
        "Show", SHOWN, format_func=SHOWN.get, default="open", required=True, key=f"{key}-shown", on_change=galleries.reset,
        args=(key,), label_visibility="collapsed", persist_state="session")
    bar.progress(progress.done / progress.total if progress.total else 1.0, width="stretch",
                 text=f"{progress.done:,} of {count(progress.total, 'suspicious image')} reviewed")
    if shown == "all":
        return table
    return table[table["open"] & table["flagged"].astype(bool)] if shown == "open" else table[~table["open"]]


def _tiles(kind: str, shown: pd.DataFrame) -> pd.DataFrame:
    """What stands under and on the images of one page."""
    tiles = pd.DataFrame({"path": shown["path"], "sha256": shown["sha256"]})
    label = shown["now"].where(shown["now"] != "", "no label")
    tiles["caption"] = {"noise": lambda: label + ("\n→ " + shown["suggested_label"]).where(shown["suggested_label"] != "", ""),
                        "quality": lambda: label + "\n" + shown["problem"].str.replace("_", " "),
                        "outliers": lambda: label}[kind]()
    tiles["badge"] = [_decided(row) or _percent(row.score) for row in shown.itertuples()]
    tiles["tone"] = ["bad" if row.excluded else "good" if not row.open else "" for row in shown.itertuples()]
    tiles["evidence"] = [{"kind": kind, "score": float(score)} for score in shown["score"]]
    return tiles


def _decided(row: tuple) -> str:
    """What was decided about an image, in a word or two."""
    if row.excluded:
        return "excluded"
    if row.unsure:
        return "unsure"
    if row.relabeled:
        return "relabelled"
    return "" if row.open else "fine as it is"


def _percent(score: float) -> str:
    return f"{score:.0%}" if score >= 0.01 else "< 1%"


def _actions(kind: str, shown: pd.DataFrame, classes: list[str]) -> list[Action]:
    other = galleries.relabel(classes)
    restore = [galleries.RESTORE] if shown["excluded"].any() else []
    if kind == "quality":
        fine = Action("quality_ok", "Fine as it is", galleries.on_images("quality_ok"), key="k")
        return [galleries.EXCLUDE, fine, *restore]
    if kind == "outliers":
        return [galleries.EXCLUDE, galleries.LABEL_OK, other, galleries.UNSURE, *restore]

    def move(selection: Selection) -> list[Decision]:
        suggested = shown.set_index("path")["suggested_label"]
        return [Decision("relabel", path=path, value=suggested[path]) for path in selection.paths if suggested[path]]

    return [Action("move", "Move to suggestion", move, key="m", primary=True), galleries.LABEL_OK, galleries.EXCLUDE, other,
            galleries.UNSURE, *restore]


def _inspect(workspace: Workspace, kind: str, table: pd.DataFrame, path: str) -> None:
    """The image in focus, large, with what is known about it and typical images of its classes."""
    row = table[table["path"] == path].iloc[0]
    galleries.picture(workspace, path, key=f"{kind}-focus")
    if kind == "quality":
        st.markdown(text(row["reason"]))
    figure, direction = FIGURE[kind]
    st.markdown(f"{figure}: {bold(_percent(row['score']))}", help=f"The figure on each image. {direction}")
    if kind == "noise":
        _typical(workspace, "Labelled", row["now"], "label-given")
        if row["suggested_label"] not in ("", row["now"]):
            _typical(workspace, "Suggested", row["suggested_label"], "label-suggested")
    else:
        _typical(workspace, "Typical of", row["now"], "label-given")


def _typical(workspace: Workspace, word: str, label: str, key: str) -> None:
    """A heading and the images that are surest to be of a class."""
    st.markdown(f"{word} {bold(label or 'no label')}")
    if label:
        galleries.strip(workspace, loaders.typical(workspace, label, TYPICAL), key=key, size=104, wrap=True)


main()
