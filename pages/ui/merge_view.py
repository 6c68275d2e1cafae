"""Merge proposals, one pair at a time: both classes as images, what speaks for and against, and the answer."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from hai_core.records import Decision
from hai_core.workspace import Workspace, digest
from pages.ui import loaders, needs, state
from pages.ui.decide import decide, undo_last
from pages.ui.gallery import strip
from pages.ui.pace import minutes_left
from pages.ui.progress import duration
from pages.ui.proposals import evidence, pending
from pages.ui.review import LIKELY, merge_progress
from pages.ui.text import bold, shortened_apart, text
from pages.ui.tiles import members
from pages.ui.words import count, say

SKIPPED, CHOSEN = "classes.skipped", "classes.chosen"
LAST_SKIP = "classes.last-skip"  # tuple[pair, version of the journal]: what Undo takes back while nothing was decided since
STRIP_IMAGES = 12
SPEAKS = {1: ":green-badge", -1: ":orange-badge", 0: ":gray-badge"}
KEPT_AS_EVIDENCE = ("score", "confusion_rate", "centroid_distance", "confusion_ab", "confusion_ba", "spread_ratio",
                    "name_similarity")  # columns that go into the journal with a decision
READ = ("class_a", "class_b", "score", "confusion_ab", "confusion_ba", "joint", "overlap", "spread_ratio", "name_similarity",
        "series_a", "series_b", "confusion_rate", "centroid_distance")  # columns of the table of all open pairs


def draw_merges(workspace: Workspace) -> None:
    """The page's view of the merge proposals."""
    proposals = needs.findings("merges", workspace)
    skipped: set[frozenset[str]] = st.session_state.setdefault(SKIPPED, set())
    left = pending(proposals, loaders.curation(workspace), skipped)
    likely = int((left["score"] >= LIKELY).sum())  # those that the Overview counts; they come first
    pairs = list(left["pair"])
    chosen = st.session_state.get(CHOSEN) in pairs
    at = pairs.index(st.session_state[CHOSEN]) if chosen else 0
    _progress(workspace, proposals, len(skipped))
    if at < likely or chosen:
        _pair(workspace, left.iloc[at], likely=at < likely)
    else:
        _none_left(workspace, skipped)
    if left.empty:
        return
    with st.expander(say("classes.all_open", n=f"{len(left):,}")):
        st.dataframe(left.drop(columns="pair"), key="classes.proposals", hide_index=True, height=320, column_order=READ,
                     selection_mode="single-row", on_select=lambda: _choose(pairs), column_config=_columns(list(left.columns)))


def _progress(workspace: Workspace, proposals: pd.DataFrame, skipped: int) -> None:
    """How far the review is; skipped pairs are still to do."""
    progress = merge_progress(proposals, loaders.curation(workspace))
    told = say("classes.progress", done=f"{progress.done:,}", total=count(progress.total, "pair"))
    minutes = minutes_left(loaders.batches(workspace), state.author(), progress.left)
    told += say("classes.left", time=duration(60 * minutes)) if minutes else ""
    told += say("classes.skipped_so_far", n=f"{skipped:,}") if skipped else ""
    st.progress(progress.done / progress.total if progress.total else 1.0, text=told)


def _none_left(workspace: Workspace, skipped: set[frozenset[str]]) -> None:
    st.success(say("classes.none_but_skipped", skipped=count(len(skipped), "skipped one")) if skipped else say("classes.none"),
               icon=":material/check_circle:")
    with st.container(horizontal=True):
        if skipped:
            st.button(say("classes.unskip"), on_click=skipped.clear, key="classes.unskip")
        _undo_button(workspace)


def _columns(found: list[str]) -> dict[str, object]:
    """How the table of all open pairs is headed."""
    percent = ("confusion_ab", "confusion_ba", "confusion_rate")
    return {name: say(f"classes.{name}") if name[:6] in ("class_", "series") else st.column_config.NumberColumn(
                say(f"classes.{name}"), format="percent" if name in percent else "%.2f", help=say(f"classes.{name}_help"))
            for name in READ if name in found}


def _choose(pairs: list[frozenset[str]]) -> None:
    rows = st.session_state["classes.proposals"]["selection"]["rows"]
    st.session_state[CHOSEN] = pairs[rows[0]] if rows else None


def _pair(workspace: Workspace, proposal: pd.Series, *, likely: bool) -> None:
    sizes = {name: len(members(workspace, name)) for name in (proposal["class_a"], proposal["class_b"])}
    names = sorted(sizes, key=lambda name: -sizes[name])  # the larger one is offered first
    short = dict(zip(names, shortened_apart(names), strict=True))
    st.markdown(f"**{say('classes.question')}**" + ("" if likely else f" :small[{say('classes.less_likely')}]"))
    _answers(workspace, names, short, proposal)
    for name, figure in zip(names, st.columns(2, gap="small"), strict=True):
        with figure, st.container(border=True):
            _class(workspace, name, sizes[name])
    st.markdown(f"**{say('classes.evidence')}**", help=say("classes.evidence_help"))
    known = evidence(proposal, [short[proposal["class_a"]], short[proposal["class_b"]]])
    st.markdown("  \n".join(f"{SPEAKS[one.speaks]}[{say(f'classes.speaks_{one.speaks}')}] {one.text}" for one in known))


def _answers(workspace: Workspace, names: list[str], short: Mapping[str, str], proposal: pd.Series) -> None:
    """The buttons, always at the same place, so that one proposal after the other can be answered. Their keys are the pair's: a
    second press that is on its way when the next pair comes is not for that."""
    a, b = names
    pair = digest("\0".join(sorted(names)).encode())
    seen = {"page": "classes"} | {column: float(proposal[column]) for column in KEPT_AS_EVIDENCE if column in proposal}
    merge_a, merge_b, apart, skip, back = st.columns([3, 3, 2, 2, 2], gap="small")
    for kept, gone, place, key in ((a, b, merge_a, "M"), (b, a, merge_b, "N")):
        place.button(say("classes.merge_as", name=text(short[kept])), key=f"classes.merge-{'a' if kept == a else 'b'}-{pair}",
                     type="primary" if kept == a else "secondary", shortcut=key, width="stretch", wrap=True,
                     on_click=decide, args=(workspace, [Decision("merge", label=gone, value=kept, evidence=seen)]))
    apart.button(say("classes.keep_apart"), key=f"classes.apart-{pair}", shortcut="K", width="stretch", wrap=True,
                 help=say("classes.keep_apart_help"), on_click=decide,
                 args=(workspace, [Decision("keep_apart", label=a, other=b, evidence=seen)]))
    skip.button(say("classes.skip"), key=f"classes.skip-{pair}", shortcut="S", width="stretch", wrap=True,
                help=say("classes.skip_help"), on_click=_skip, args=(workspace, proposal["pair"]))
    with back:
        _undo_button(workspace)


def _undo_button(workspace: Workspace) -> None:
    st.button(say("classes.undo"), key="classes.undo", shortcut="Z", width="stretch", help=say("classes.undo_help"),
              on_click=_undo, args=(workspace,))


def _skip(workspace: Workspace, pair: frozenset[str]) -> None:
    st.session_state[SKIPPED].add(pair)
    st.session_state[LAST_SKIP] = pair, loaders.journal(workspace).version()


def _undo(workspace: Workspace) -> None:
    """Take back what was done last: a skip, or else the newest decisions."""
    pair, version = st.session_state.pop(LAST_SKIP, (None, None))
    if pair in st.session_state[SKIPPED] and version == loaders.journal(workspace).version():
        st.session_state[SKIPPED].discard(pair)
    else:
        undo_last(workspace)


def _class(workspace: Workspace, name: str, size: int) -> None:
    series = loaders.curation(workspace).series.get(name)
    about = count(size, "image") + (say("classes.in_series", series=text(series)) if series else "")
    st.markdown(f"{bold(name)}  \n:small[{about}]")
    strip(workspace, loaders.typical(workspace, name, STRIP_IMAGES), key=f"classes.strip-{name}", size=88, wrap=True)
