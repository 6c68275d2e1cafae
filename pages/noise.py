"""Noise: images in order of suspicion, beside what speaks for and against their labels."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from hai_core.findings.remaining import Remaining, remaining, seen
from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import evidence, loaders, needs, review, state
from pages.ui import gallery as galleries
from pages.ui.choices import relabel
from pages.ui.gallery import Action, Selection
from pages.ui.pace import minutes_left
from pages.ui.progress import duration
from pages.ui.text import bold, count, text
from pages.ui.words import reason, say

KINDS = ("noise", "outliers", "quality")
SHOWN = ("open", "done", "all")
NEXT = 50  # images that the estimate is about, and by which the list grows when it is at its end
AHEAD = 16  # images whose evidence is looked for in one go


def main() -> None:
    workspace = state.workspace()
    st.title(say("noise.title"))
    needs.catalog(workspace)
    bar = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    kind = _kind(bar)
    needs.findings(kind, workspace)
    table, key = loaders.image_review(kind, workspace), f"noise-{kind}"
    shown = _controls(bar, workspace, table, key)
    if kind == "noise":
        shown = _next_images(workspace, table, shown, key)
    galleries.gallery(workspace, shown, key, _actions(workspace, kind, shown), describe=partial(_tiles, kind), size=140,
                      inspector=lambda path: _inspect(workspace, kind, shown, path), empty=say("noise.empty"))


def _kind(bar: DeltaGenerator) -> str:
    """What is reviewed, chosen in `bar`; the address has it in no language (`bind` would have the text on the button)."""
    asked = st.query_params.get("kind", "").lower()
    st.session_state["kind"] = asked if asked in KINDS else st.session_state.get("kind", KINDS[0])

    def chosen() -> None:
        st.query_params["kind"] = st.session_state["kind"]

    return bar.segmented_control(say("noise.kind"), KINDS, format_func=lambda name: say(f"noise.{name}"), required=True,
                                 key="kind", on_change=chosen, label_visibility="collapsed")


def _controls(bar: DeltaGenerator, workspace: Workspace, table: pd.DataFrame, key: str) -> pd.DataFrame:
    """Which images are shown, and progress, in `bar`. Returns their rows."""
    progress = review.image_progress(table)
    shown = bar.segmented_control(
        say("noise.show"), SHOWN, format_func=lambda name: say(f"noise.{name}"), default="open", required=True,
        key=f"{key}-shown", on_change=galleries.reset, args=(key,), label_visibility="collapsed", persist_state="session")
    told = say("noise.progress", done=f"{progress.done:,}", total=count(progress.total, "suspicious image"))
    minutes = minutes_left(loaders.batches(workspace), state.author(), progress.left, per_image=True)
    if minutes:
        told += say("noise.left", time=duration(60 * minutes))
    bar.progress(progress.done / progress.total if progress.total else 1.0, width="stretch", text=told)
    if shown == "all":
        return table
    return table[table["open"] & table["flagged"].astype(bool)] if shown == "open" else table[~table["open"]]


def _next_images(workspace: Workspace, table: pd.DataFrame, shown: pd.DataFrame, key: str) -> pd.DataFrame:
    """Says how many of the next images are wrong. Where all that is flagged is reviewed, the person can go on beyond it.

    Returns the rows to show.
    """
    if st.session_state.get(f"{key}-shown") != "open":
        return shown
    beyond = ~table["flagged"].astype(bool)
    more = st.session_state.get(f"{key}-more", 0)
    shown = table[table["open"] & (~beyond | (beyond.cumsum() <= more))]
    following = shown if len(shown) else table[table["open"]]
    if following.empty:
        return shown
    line = st.container(horizontal=True, vertical_alignment="center", key="estimate")
    line.caption(_estimate(remaining(following["score"].to_numpy()[:NEXT], *seen(loaders.live(workspace)))),
                 width="content", help=say("noise.estimate_help"))
    if shown.empty:
        line.button(say("noise.more", n=len(following[:NEXT])), key="noise.more", on_click=_go_on, args=(table, key))
    return shown


def _go_on(table: pd.DataFrame, key: str) -> None:
    """Let the list grow by the next images that are not flagged."""
    beyond = table[~table["flagged"].astype(bool)]
    st.session_state[f"{key}-more"] = int(beyond["open"].cumsum().searchsorted(NEXT)) + 1


def _estimate(found: Remaining) -> str:
    words = "estimate_claim" if not found.decided else "estimate_few" if found.few else "estimate"
    return say(f"noise.{words}", n=found.images, expected=round(found.expected), low=found.low, high=found.high)


def _tiles(kind: str, shown: pd.DataFrame) -> pd.DataFrame:
    """What stands under and on the images of one page."""
    tiles = pd.DataFrame({"path": shown["path"], "sha256": shown["sha256"], "label": shown["now"]})
    label = shown["now"].where(shown["now"] != "", say("noise.no_label"))
    tiles["caption"] = {"noise": lambda: label + ("\n→ " + shown["suggested_label"]).where(shown["suggested_label"] != "", ""),
                        "quality": lambda: label + "\n" + shown["problem"].str.replace("_", " "),
                        "outliers": lambda: label}[kind]()
    tiles["badge"] = [_decided(row) or evidence.percent(row.score) for row in shown.itertuples()]
    tiles["tone"] = ["bad" if row.excluded else "good" if not row.open else "" for row in shown.itertuples()]
    tiles["evidence"] = [{"kind": kind, "score": float(score)} for score in shown["score"]]
    if kind == "noise":
        tiles["evidence"] = [told | {"suggested": name}
                             for told, name in zip(tiles["evidence"], shown["suggested_label"], strict=True)]
    return tiles


def _decided(row: tuple) -> str:
    """What was decided about an image, in a word or two."""
    word = ("exclude" if row.excluded else "unsure" if row.unsure else "relabel" if row.relabeled
            else "" if row.open else "quality_ok")
    return say(f"gallery.badge_{word}") if word else ""


def _actions(workspace: Workspace, kind: str, shown: pd.DataFrame) -> list[Action]:
    restore = [galleries.RESTORE] if shown["excluded"].any() else []
    if kind == "quality":
        fine = Action("quality_ok", say("noise.fine"), galleries.on_images("quality_ok"), key="k")
        return [galleries.EXCLUDE, fine, *restore]
    other = relabel(workspace)
    if kind == "outliers":
        return [galleries.EXCLUDE, galleries.LABEL_OK, other, galleries.UNSURE, *restore]

    def move(selection: Selection) -> list[Decision]:
        suggested = shown.set_index("path")["suggested_label"]
        return [Decision("relabel", path=path, value=suggested[path]) for path in selection.paths if suggested[path]]

    return [Action("move", say("noise.move"), move, key="m", primary=True), galleries.LABEL_OK, galleries.EXCLUDE, other,
            galleries.UNSURE, *restore]


def _inspect(workspace: Workspace, kind: str, shown: pd.DataFrame, path: str) -> None:
    """The image in focus, large, with what is known about it."""
    place = int((shown["path"] == path).to_numpy().argmax())
    row = shown.iloc[place]
    galleries.picture(workspace, path, key=f"{kind}-focus")
    if kind == "quality":
        st.markdown(text(reason(row["reason"])))
    st.markdown(f"{say(f'noise.figure_{kind}')}: {bold(evidence.percent(row['score']))}", help=say(f"noise.direction_{kind}"))
    if kind == "noise":
        evidence.show(workspace, row, shown["path"].iloc[place:place + AHEAD])
    else:
        evidence.typical(workspace, row["now"])


main()
