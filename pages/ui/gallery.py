"""The gallery: a paged grid of thumbnails with selection, actions, keys and a large view, in one component.

The browser side is gallery.css, gallery_parts.js and gallery.js. Names travel as JSON and are shown with `textContent`, never
as HTML.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from hai_core import catalog as catalogs
from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import loaders, state
from pages.ui.decide import decide, undo_last

PAGE_SIZE = 48
LARGE_SIDE = 1600  # pixels, long side of the large view

_here = Path(__file__).parent
_component = st.components.v2.component(
    "hai_gallery", css=(_here / "gallery.css").read_text("utf-8"), isolate_styles=False,
    js="".join((_here / name).read_text("utf-8") for name in ("gallery_parts.js", "gallery.js")))


@dataclass(frozen=True)
class Selection:
    """What an action is about."""

    paths: tuple[str, ...]  # the selected images; in a section, those that are kept
    value: str = ""  # what was chosen, for an action with `choose`
    section: str = ""
    others: tuple[str, ...] = ()  # in a section, the images that are not kept


@dataclass(frozen=True)
class Action:
    """A button (and key) of the gallery. With `decisions`, a click writes them as one batch; without, `gallery` returns it."""

    id: str
    label: str  # what will happen, as a verb; the number of images is added
    decisions: Callable[[Selection], Sequence[Decision]] | None = None
    key: str = ""  # one letter
    choose: tuple[str, ...] = ()  # names of which the person picks one (searchable)
    free: bool = False  # a name that is not in `choose` may be typed
    primary: bool = False
    section: bool = False  # a button of every section instead of the selection
    help: str = ""


@dataclass(frozen=True)
class Event:
    """A click on an action without `decisions`."""

    action: str
    selection: Selection


def on_images(action: str) -> Callable[[Selection], list[Decision]]:
    """The same decision about every selected image."""
    return lambda selection: [Decision(action, path=path, value=selection.value) for path in selection.paths]


EXCLUDE = Action("exclude", "Exclude", on_images("exclude"), key="x")
RESTORE = Action("restore", "Restore", on_images("restore"))
LABEL_OK = Action("label_ok", "Label is right", on_images("label_ok"), key="k")
UNSURE = Action("unsure", "Unsure", on_images("unsure"), key="u")


def relabel(classes: Sequence[str], label: str = "Other label…") -> Action:
    """Give the selected images a label chosen from `classes` (first ones are offered first)."""
    return Action("relabel", label, on_images("relabel"), key="l", choose=tuple(classes))


Describe = Callable[[pd.DataFrame], pd.DataFrame]


def _as_it_is(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


def gallery(workspace: Workspace, tiles: pd.DataFrame, key: str, actions: Sequence[Action] = (), *,
            sections: pd.DataFrame | None = None, describe: Describe = _as_it_is, describe_sections: Describe = _as_it_is,
            inspector: Callable[[str], None] | None = None, page_size: int = PAGE_SIZE, size: int = 150,
            empty: str = "No images here.", asked_for: int = 0) -> Event | None:
    """Show `tiles` as a paged grid and apply `actions` to what is selected in it.

    `tiles`: a row an image with columns `path`, `sha256`, `caption`, `badge`, and if wanted `tone` (of the badge: good, warn,
    bad or ''), `section`, `evidence` (dict, goes into the journal with a decision). Order is kept.
    `sections`: columns `id`, `title`, `note`, `badge`: the grid is divided by `tiles.section`, a click on an image toggles
    whether it is kept (column `keep` of tiles at first), and pages count sections.
    `describe`, `describe_sections`: make these columns from the rows of one page, so that the other pages cost nothing;
    then `tiles` needs only `section`, and `sections` only `id`, before.
    `inspector`: called with the path of the image in focus, draws beside the grid; a click then selects only that image.
    `asked_for`: rises when the person chose elsewhere on the page what is shown here; the browser then scrolls to it.
    Returns the click on an action without `decisions`, once.
    """
    if tiles.empty:
        st.caption(empty)
        return None
    _paged(workspace, tiles, key, tuple(actions), sections, describe, describe_sections, inspector, page_size, size, asked_for)
    happened: Event | None = st.session_state.pop(f"{key}.event", None)
    return happened


def strip(workspace: Workspace, tiles: pd.DataFrame, key: str, size: int = 96, wrap: bool = False) -> None:
    """Thumbnails to look at, in one row or wrapped, with captions; nothing to select. Columns as in `gallery`."""
    data = {"mode": "strip", "tiles": _tiles(workspace, tiles), "size": size, "wrap": wrap}
    _component(key=key, data=data, on_event_change=lambda: None)


def picture(workspace: Workspace, path: str, key: str) -> None:
    """One image, as large as the column is wide, with its path."""
    large = _large(workspace, path) or {"src": "", "problem": "This image is no longer in the catalog."}
    tile = {"path": path, "sha256": "", "caption": large["problem"] or path, "badge": "", "src": large["src"]}
    _component(key=key, data={"mode": "picture", "tiles": [tile], "size": 0}, on_event_change=lambda: None)


def reset(key: str) -> None:
    """Go back to the first page: call it when a filter changes."""
    for gone in (f"{key}.page", f"{key}.back"):
        st.session_state.pop(gone, None)


@st.fragment
def _paged(workspace: Workspace, tiles: pd.DataFrame, key: str, actions: tuple[Action, ...], sections: pd.DataFrame | None,
           describe: Describe, describe_sections: Describe, inspector: Callable[[str], None] | None, page_size: int,
           size: int, asked_for: int) -> None:
    if st.session_state.pop(f"{key}.changed", False):
        st.rerun(scope="app")
    count = len(tiles) if sections is None else len(sections)
    pages = max(1, -(-count // page_size))
    brought_back = st.session_state.get(f"{key}.back", ())
    if (place := _place(tiles, sections, brought_back)) is not None:
        st.session_state[f"{key}.page"] = place // page_size
    page = min(max(int(st.session_state.get(f"{key}.page", 0)), 0), pages - 1)
    window = slice(page * page_size, (page + 1) * page_size)
    shown_sections = None if sections is None else describe_sections(sections.iloc[window])
    shown = tiles.iloc[window] if shown_sections is None else _in_sections(tiles, shown_sections["id"].tolist())
    shown = describe(shown)
    paths = shown["path"].tolist()
    back = [path for path in paths if path in brought_back]
    focus = back[0] if back else st.session_state.get(f"{key}.focus")
    if inspector and focus not in paths:  # decided and gone: the next one moves up into its place
        focus = paths[min(st.session_state.get(f"{key}.place", 0), len(paths) - 1)]
    st.session_state[f"{key}.place"] = paths.index(focus) if focus in paths else 0
    data: dict[str, Any] = {
        "mode": "select" if sections is None else "keep", "one": inspector is not None, "size": size, "focus": focus,
        "tiles": _tiles(workspace, shown), "page": page, "pages": pages, "first": page * page_size, "total": count,
        "sections": None if shown_sections is None else shown_sections.astype(str).to_dict("records"),
        "actions": [{"id": a.id, "label": a.label, "key": a.key, "choose": list(a.choose), "free": a.free, "primary": a.primary,
                     "section": a.section, "help": a.help} for a in actions],
        "large": _large(workspace, st.session_state.get(f"{key}.large")),
        "answered": st.session_state.get(f"{key}.answered"), "refused": st.session_state.get(f"{key}.refused", False),
        "back": back, "asked_for": asked_for,
    }
    left, right = st.columns([1.75, 1], gap="large") if inspector else (st.container(), None)
    with left:
        _component(key=key, data=data, on_event_change=lambda: _handle(workspace, shown, key, actions))
    if inspector and right and focus:
        with right, st.container(key="inspector"):
            inspector(focus)


def _place(tiles: pd.DataFrame, sections: pd.DataFrame | None, paths: Collection[str]) -> int | None:
    """Where the first of `paths` stands, counted in tiles or sections; None when none of them is here."""
    found = tiles["path"].isin(paths)
    if sections is not None:
        found = sections["id"].isin(tiles["section"][found])
    return int(found.to_numpy().argmax()) if found.any() else None


def _in_sections(tiles: pd.DataFrame, sections: list[str]) -> pd.DataFrame:
    """The tiles in the order in which they are seen: the arrow keys follow it, and the first key is meant for the first."""
    own = tiles[tiles["section"].isin(sections)]
    return own.sort_values("section", key=lambda ids: ids.map(sections.index), kind="stable")


def _tiles(workspace: Workspace, tiles: pd.DataFrame) -> list[dict[str, Any]]:
    thumbnails = loaders.thumbnails(workspace, tiles["sha256"])
    shown = tiles.drop(columns=["evidence"], errors="ignore").to_dict("records")
    for tile in shown:
        tile["src"] = thumbnails.get(tile["sha256"], "")
    return shown


def _handle(workspace: Workspace, shown: pd.DataFrame, key: str, actions: tuple[Action, ...]) -> None:
    """The browser's event: look closer, turn the page, undo or act. All but the first are answered with the event's id.

    Streamlit calls once for each of several events that came together, and hands out the last of them each time.
    """
    event = st.session_state[key].get("event")
    if not event or event["id"] == st.session_state.get(f"{key}.answered"):
        return
    kind, paths = event["type"], shown["path"].tolist()
    st.session_state[f"{key}.large"] = event["large"]
    if event["focus"] in paths:
        st.session_state[f"{key}.focus"] = event["focus"]
        st.session_state[f"{key}.place"] = paths.index(event["focus"])
    st.session_state.pop(f"{key}.back", None)
    if kind == "look":
        return
    st.session_state[f"{key}.answered"] = event["id"]
    st.session_state.pop(state.PROBLEM, None)
    if kind == "page":
        st.session_state[f"{key}.page"] = event["to"]
    elif kind == "undo":
        st.session_state[f"{key}.back"] = undo_last(workspace)
        st.session_state[f"{key}.changed"] = True
    elif kind == "act":
        act(workspace, shown, key, next(a for a in actions if a.id == event["action"]), Selection(
            tuple(event["paths"]), event["value"], event["section"], tuple(event["others"])))
    st.session_state[f"{key}.refused"] = state.PROBLEM in st.session_state


def act(workspace: Workspace, shown: pd.DataFrame, key: str, action: Action, selection: Selection) -> None:
    """Do what an action says to the selected images; paths that are not on the page are not touched."""
    known = set(shown["path"])
    selection = replace(selection, paths=tuple(p for p in selection.paths if p in known),
                        others=tuple(p for p in selection.others if p in known))
    st.session_state[f"{key}.changed"] = True
    if action.decisions is None:
        st.session_state[f"{key}.event"] = Event(action.id, selection)
        return
    seen = shown.set_index("path")
    decisions = [_with_evidence(decision, seen, key) for decision in action.decisions(selection)]
    if not decisions:
        st.session_state[state.NOTICE] = f"{action.label}: nothing to do there"
    decide(workspace, decisions)


def _with_evidence(decision: Decision, seen: pd.DataFrame, key: str) -> Decision:
    """The decision with what the person saw when it was made."""
    if decision.path not in seen.index:
        return decision
    row = seen.loc[decision.path]
    return replace(decision, sha256=row["sha256"], evidence={"page": key} | row.get("evidence", {}) | decision.evidence)


def _large(workspace: Workspace, path: str | None) -> dict[str, str] | None:
    if not path:
        return None
    found = loaders.rows(workspace, [path])
    if found.empty:
        return None
    row = found.iloc[0]
    try:
        return {"path": path, "src": _large_uri(str(workspace.images / row["file"]), row["sha256"]), "problem": ""}
    except catalogs.UnreadableImage as problem:
        return {"path": path, "src": "", "problem": str(problem)}


@st.cache_data(max_entries=32, show_spinner=False)
def _large_uri(file: str, sha256: str) -> str:
    image = catalogs.open_image(Path(file))
    image.thumbnail((LARGE_SIDE, LARGE_SIDE))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=88)
    return loaders.data_uri(jpeg.getvalue())
