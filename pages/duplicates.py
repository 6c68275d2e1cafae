"""Duplicates: groups of copies, the one to keep first."""

from __future__ import annotations

from functools import partial

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from hai_core.decisions import suggestions, undecided
from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import loaders, needs, pace, review, state
from pages.ui.decide import decide
from pages.ui.gallery import Action, Selection, gallery, reset
from pages.ui.words import count, reason, say

KEY = "duplicates"
GROUPS_A_PAGE = 12
SHOWN = ("open", "done", "all")
WEAKEST, STEP = 0.70, 0.01  # strengths that can be asked for


def main() -> None:
    workspace = state.workspace()
    st.title(say("duplicates.title"))
    catalog = needs.catalog(workspace)
    findings = needs.findings("duplicates", workspace)
    curation = loaders.curation(workspace)
    bar = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    least = st.session_state.get("duplicates-strength", WEAKEST)
    images = review.stronger(review.duplicate_images(findings, catalog, curation), least if least > WEAKEST else 0.0)
    images["section"] = images["group"].astype(str)
    groups = review.duplicate_groups(images, curation.not_duplicates)
    groups["id"] = groups["group"].astype(str)
    images["open"] = images["group"].map(groups.set_index("group")["open"])
    if findings.empty:
        st.success(say("duplicates.none"), icon=":material/check_circle:")
        return
    groups = _controls(bar, workspace, images, groups, findings)
    gallery(workspace, images[images["group"].isin(groups["group"])], KEY, _actions(workspace, images), sections=groups,
            describe=partial(_tiles, workspace), describe_sections=partial(_sections, images), page_size=GROUPS_A_PAGE,
            size=190, empty=say("duplicates.nothing_left"))


def _controls(bar: st.delta_generator.DeltaGenerator, workspace: Workspace, images: pd.DataFrame, groups: pd.DataFrame,
              findings: pd.DataFrame) -> pd.DataFrame:
    """Progress, which groups are shown, and the way to accept many at once. Returns the groups to show."""
    shown = bar.segmented_control(
        say("duplicates.show"), SHOWN, format_func=lambda key: say(f"duplicates.show_{key}"), default="open", required=True,
        key="duplicates-shown", on_change=reset, args=(KEY,), label_visibility="collapsed", persist_state="session")
    done = int((~groups["open"]).sum())
    told = say("duplicates.progress", done=f"{done:,}", groups=count(len(groups), "group"))
    minutes = pace.minutes_left(loaders.batches(workspace), state.author(), len(groups) - done)
    bar.progress(done / max(len(groups), 1), width="stretch",
                 text=told + (say("duplicates.minutes_left", minutes=minutes) if minutes else ""))
    with bar.popover(say("duplicates.strength"), icon=":material/tune:", width="content"):
        _strength(workspace, images, groups, findings)
    return groups if shown == "all" else groups[groups["open"] == (shown == "open")]


def _strength(workspace: Workspace, images: pd.DataFrame, groups: pd.DataFrame, findings: pd.DataFrame) -> None:
    """How strong copies must be to be shown, and all of these accepted at once."""
    st.markdown(say("duplicates.strength_about"))
    least = st.slider(say("duplicates.strength"), WEAKEST, 1.0, WEAKEST, STEP, key="duplicates-strength", on_change=reset,
                      args=(KEY,), help=say("duplicates.strength_help"), persist_state="session")
    _histogram(review.strengths(findings), least)
    across = st.toggle(say("duplicates.across"), key="duplicates-across")
    chosen = groups[groups["open"] & (across | ~groups["cross_class"])]["group"]
    chosen_images = images[images["group"].isin(chosen)]
    suggested = suggestions("duplicates", chosen_images, least)
    accepted = undecided(suggested, loaders.catalog(workspace), loaders.curation(workspace))
    many = count(len(accepted), "image")
    st.button(say("duplicates.accept", images=many), type="primary", disabled=not accepted,
              key="duplicates-accept", on_click=decide, width="stretch",
              args=(workspace, accepted, say("duplicates.accepted", strength=f"{least:.2f}", images=many)))
    st.caption(say("duplicates.accept_about"))
    left_out = len(chosen) - int((chosen_images["keep"] & chosen_images["kept"]).sum())
    if left_out:
        st.caption(say("duplicates.left_out", groups=count(left_out, "group")))


def _histogram(strengths: np.ndarray, least: float) -> None:
    """Copies by strength, a bar a hash bit; those that are left out are faint."""
    edges = 1 - (np.arange(21)[::-1] - 0.5) / 64
    counts, _ = np.histogram(strengths, bins=edges)
    table = pd.DataFrame({"from": edges[:-1] + 0.002, "to": edges[1:] - 0.002, "copies": counts, "none": 0,
                          "in": edges[1:] - 0.5 / 64 >= least})
    chart = alt.Chart(table).mark_rect().encode(
        x=alt.X("from:Q", title=say("duplicates.strength"), scale=alt.Scale(domain=[WEAKEST, 1.0], nice=False, clamp=True)),
        x2="to:Q", y=alt.Y("copies:Q", title=say("duplicates.copies"), scale=alt.Scale(type="sqrt")), y2="none:Q",
        opacity=alt.condition("datum.in", alt.value(1.0), alt.value(0.25)), tooltip=["copies"])
    st.altair_chart(chart.properties(height=130))


def _actions(workspace: Workspace, images: pd.DataFrame) -> list[Action]:
    label = dict(zip(images["path"], images["now"], strict=True))

    def excluded() -> set[str]:  # at the click: the page may be older than the last decisions
        return set(loaders.catalog(workspace)["path"][loaders.curation(workspace).excluded])

    def keep(selection: Selection) -> list[Decision]:
        wrong = {path: selection.value for path in selection.paths if selection.value not in ("", label[path])}
        return review.keep_some(selection.paths, selection.others, excluded(), wrong)

    def different(selection: Selection) -> list[Decision]:
        gone = excluded()
        paths = (*selection.paths, *selection.others)
        left = [path for path in paths if path not in gone]
        if len(left) > 1:
            return review.no_duplicates(left)
        return [*(Decision("restore", path=path) for path in paths if path in gone), *review.no_duplicates(paths)]

    return [
        Action("keep", say("duplicates.keep"), keep, key="k", primary=True, section=True, choose_in_section=True,
               help=say("duplicates.keep_help")),
        Action("not_duplicates", say("duplicates.not_duplicates"), different, key="d", section=True,
               help=say("duplicates.not_duplicates_help")),
    ]


def _sections(images: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Title, note and labels to choose from of the groups of one page."""
    own = images[images["section"].isin(groups["id"])]
    labels = {group: [name for name in names if name] for group, names in own.groupby("section")["now"].unique().items()}
    kept = own[own["kept"] & own["open"]].set_index("section")
    reasons = kept["reason"].map(reason).astype("str").where(kept["keep"], say("duplicates.instead"))
    across = groups["open"] & groups["cross_class"] & groups["id"].map(labels).map(len).gt(1)
    return groups.assign(
        title=[f"{count(size, 'image')} · {' / '.join(labels[group]) or say('duplicates.no_label')}"
               for group, size in zip(groups["id"], groups["size"], strict=True)],
        note=[reasons.get(group, "") for group in groups["id"]], hint=np.where(across, say("duplicates.which_label"), ""),
        choose=[labels[group] if ask else [] for group, ask in zip(groups["id"], across, strict=True)],
        question=say("duplicates.right_label"),
        badge=np.where(across, say("duplicates.different_labels"), ""))[
            ["id", "title", "note", "hint", "badge", "choose", "question"]]


def _tiles(workspace: Workspace, shown: pd.DataFrame) -> pd.DataFrame:
    """What stands under and on the images of one page."""
    facts = loaders.rows(workspace, shown["path"])
    properties = pd.DataFrame({
        "label": shown["now"].where(shown["now"] != "", say("duplicates.no_label")).to_numpy(),
        "pixels": [f"{width} x {height}" for width, height in zip(facts["width"], facts["height"], strict=True)],
        "size": [_size(size) for size in facts["size"]], "format": facts["format"].to_numpy()}, index=shown.index)
    return pd.DataFrame({
        "path": shown["path"], "sha256": shown["sha256"], "section": shown["section"], "label": shown["now"],
        "caption": _captions(shown, properties),
        "badge": [_badge(row) for row in shown.itertuples()],
        "tone": ["bad" if row.excluded else "good" if row.kept else "" for row in shown.itertuples()],
        "keep": shown["kept"], "excluded": shown["excluded"], "mirrored": shown["reason"].str.contains("mirror image"),
        "evidence": [{"kind": row.kind, "distance": float(row.distance), "unit": row.unit} for row in shown.itertuples()]})


def _captions(shown: pd.DataFrame, properties: pd.DataFrame) -> list[str]:
    """Of the first image of a group all properties; of the others those that differ from its, and why they are copies."""
    captions, first = [], {}
    rows = zip(shown["section"], shown["keep"], shown["reason"], properties.to_dict("records"), strict=True)
    for group, keep, why, own in rows:
        lead = first.setdefault(group, own)
        named = ("pixels", "size", "format") if own is lead else ("size", "format")  # the reason tells other pixels
        facts = " · ".join(own[name] for name in named if own is lead or own[name] != lead[name])
        label = own["label"] if own is lead or own["label"] != lead["label"] else ""
        captions.append("\n".join(filter(None, [label, facts, "" if keep else reason(why)])))
    return captions


def _badge(row: tuple) -> str:
    if row.excluded:
        return say("gallery.badge_exclude")
    if row.kept:
        return say("duplicates.suggested" if row.open else "gallery.badge_kept")
    if row.kind in ("exact", "pixels"):
        return say(f"duplicates.{row.kind}")
    return say("duplicates.alike", share=f"{row.strength:.0%}")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


main()
