"""Duplicates: groups of copies, the one to keep first."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from hai_core.decisions import suggestions, undecided
from hai_core.workspace import Workspace
from pages.ui import loaders, needs, review, state
from pages.ui.decide import decide
from pages.ui.gallery import Action, Selection, gallery, reset
from pages.ui.text import count

KEY = "duplicates"
GROUPS_A_PAGE = 12
INSTEAD = "the image that was suggested to keep is excluded; this one is most like it"
WHICH_LABEL = ". Which label is right? Keep the image that has it"
SHOWN = {"open": "To review", "done": "Done", "all": "All"}


def main() -> None:
    workspace = state.workspace()
    st.title("Duplicates")
    catalog = needs.catalog(workspace)
    findings = needs.findings("duplicates", workspace)
    curation = loaders.curation(workspace)
    images = review.duplicate_images(findings, catalog, curation)
    images["section"] = images["group"].astype(str)
    groups = review.duplicate_groups(images, curation.not_duplicates)
    groups["id"] = groups["group"].astype(str)
    if groups.empty:
        st.success("No copies were found: every photo is there once.", icon=":material/check_circle:")
        return
    groups = _controls(workspace, images, groups)
    gallery(workspace, images[images["group"].isin(groups["group"])], KEY, _actions(images), sections=groups,
            describe=partial(_tiles, workspace), describe_sections=partial(_sections, images), page_size=GROUPS_A_PAGE,
            size=190, empty="Nothing left here. All groups of copies are decided.")


def _controls(workspace: Workspace, images: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Progress, which groups are shown, and the way to accept many at once. Returns the groups to show."""
    done = int((~groups["open"]).sum())
    bar = st.container(horizontal=True, vertical_alignment="center", gap="medium")
    shown = bar.segmented_control(
        "Show", SHOWN, format_func=SHOWN.get, default="open", required=True, key="duplicates-shown", on_change=reset,
        args=(KEY,), label_visibility="collapsed", persist_state="session")
    bar.progress(done / len(groups), width="stretch", text=f"{done:,} of {count(len(groups), 'group')} done")
    with bar.popover("Accept many…", icon=":material/done_all:"):
        _accept_many(workspace, images, groups)
    if shown == "all":
        return groups
    return groups[groups["open"] == (shown == "open")]


def _accept_many(workspace: Workspace, images: pd.DataFrame, groups: pd.DataFrame) -> None:
    st.markdown("Keep the suggested image of every open group, and exclude its copies that are at least this strong:")
    least = st.slider("Strength", 0.70, 1.0, 1.0, 0.01, key="duplicates-strength",
                      help="1: the same bytes or pixels. Lower takes in re-encoded, resized, cropped and mirrored copies.")
    across = st.toggle("Also groups whose images have different labels", key="duplicates-across")
    chosen = groups[groups["open"] & (across | ~groups["cross_class"])]["group"]
    chosen_images = images[images["group"].isin(chosen)]
    suggested = suggestions("duplicates", chosen_images, least)
    accepted = undecided(suggested, loaders.catalog(workspace), loaders.curation(workspace))
    many = count(len(accepted), "image")
    st.button(f"Exclude {many}", type="primary", disabled=not accepted, key="duplicates-accept", on_click=decide,
              args=(workspace, accepted, f"Accepted duplicates of strength {least:.2f} and above · {many}"))
    st.caption("One step: the Undo button in the sidebar takes all of it back.")
    left_out = len(chosen) - int((chosen_images["keep"] & chosen_images["kept"]).sum())
    if left_out:
        st.caption(f"Left out: {count(left_out, 'group')} whose suggested image is excluded. Choose there what to keep.")


def _actions(images: pd.DataFrame) -> list[Action]:
    excluded = set(images.loc[images["excluded"], "path"])

    def keep(selection: Selection) -> list[review.Decision]:
        return review.keep_some(selection.paths, selection.others, excluded)

    def different(selection: Selection) -> list[review.Decision]:
        return review.no_duplicates(path for path in (*selection.paths, *selection.others) if path not in excluded)

    return [
        Action("keep", "Keep {kept}, exclude {others}", keep, key="k", primary=True, section=True,
               help="Click images to change which ones are kept"),
        Action("not_duplicates", "Not duplicates", different, key="d", section=True, help="Keep all, and do not ask again"),
    ]


def _sections(images: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Title and note of the groups of one page."""
    own = images[images["section"].isin(groups["id"])]
    labels = own.groupby("section")["now"].unique()
    kept = own[own["kept"]].set_index("section")
    reasons = kept["reason"].where(kept["keep"], INSTEAD)
    return groups.assign(
        title=[f"{count(size, 'image')} · {' / '.join(filter(None, labels[group])) or 'no label'}"
               for group, size in zip(groups["id"], groups["size"], strict=True)],
        note=groups["id"].map(reasons).fillna("") + np.where(groups["cross_class"], WHICH_LABEL, ""),
        badge=np.where(groups["cross_class"], "different labels", ""))[["id", "title", "note", "badge"]]


def _tiles(workspace: Workspace, shown: pd.DataFrame) -> pd.DataFrame:
    """What stands under and on the images of one page."""
    facts = loaders.rows(workspace, shown["path"])
    return pd.DataFrame({
        "path": shown["path"], "sha256": shown["sha256"], "section": shown["section"],
        "caption": [_caption(row, file) for row, file in zip(shown.itertuples(), facts.itertuples(), strict=True)],
        "badge": [_badge(row) for row in shown.itertuples()],
        "tone": ["bad" if row.excluded else "good" if row.kept else "" for row in shown.itertuples()],
        "keep": shown["kept"], "excluded": shown["excluded"],
        "evidence": [{"kind": row.kind, "distance": float(row.distance), "unit": row.unit} for row in shown.itertuples()]})


def _caption(row: tuple, file: tuple) -> str:
    """Label, properties of the file, and for a copy what sets it apart from the suggested one."""
    facts = f"{file.width} x {file.height} · {_size(file.size)} · {file.format}"
    return "\n".join([row.now or "no label", facts, "" if row.keep else row.reason])


def _badge(row: tuple) -> str:
    if row.excluded:
        return "excluded"
    if row.kept:
        return "suggested to keep"
    if row.kind in ("exact", "pixels"):
        return {"exact": "same file", "pixels": "same pixels"}[row.kind]
    return f"{row.kind} · {row.strength:.0%} alike"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


main()
