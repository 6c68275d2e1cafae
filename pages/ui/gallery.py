"""The gallery: a paged grid of thumbnails with selection, actions, keys and a large view, in one component.

The browser side is gallery.css, nodes.js and the gallery*.js. Names travel as JSON and are shown with `textContent`, never as
HTML.

The pages before and after the one shown are sent after it, so that the browser turns to them by itself. A thumbnail travels
once in a session. A decision is answered as soon as the journal holds it, with the images as they were; when the person pauses,
the browser asks for the page as it is now.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from hai_core import catalog as catalogs
from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import fragments, loaders, state
from pages.ui.decide import changing, decide, last_id, undo_last
from pages.ui.toast import Notice
from pages.ui.words import say, section

PAGE_SIZES = (60, 120, 240)
LARGE_SIDE = 1600  # pixels, long side of the large view
KEPT = 2_000  # thumbnails that the browser keeps (gallery_thumbs.js has the same number)
_SENT = "gallery.sent"  # dict: content hashes of the thumbnails that this session's browser has, the oldest first
_SIZE = "gallery.page-size"  # int: tiles on a page, as chosen

_here = Path(__file__).parent
_component = st.components.v2.component(
    "hai_gallery", css=(_here / "gallery.css").read_text("utf-8"), isolate_styles=False,
    js="".join((_here / f"{part}.js").read_text("utf-8")
               for part in ("nodes", "gallery_words", "gallery_thumbs", "gallery_parts", "gallery_large", "gallery")))


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
    label: str  # what will happen, as a verb (or its key in the catalogue's section `gallery`); the number of images is added
    decisions: Callable[[Selection], Sequence[Decision]] | None = None
    key: str = ""  # one letter
    choose: tuple[str, ...] = ()  # names of which the person picks one (searchable)
    recent: int = 0  # so many of them stay first
    series: Mapping[str, str] = field(default_factory=dict)  # of names; then come those of the series of the image's `label`
    free: bool = False  # a name that is not in `choose` may be typed
    primary: bool = False
    section: bool = False  # a button of every section instead of the selection
    choose_in_section: bool = False  # sections with names in their column `choose` ask for one of them
    help: str = ""


@dataclass(frozen=True)
class Event:
    """A click on an action without `decisions`."""

    action: str
    selection: Selection


def on_images(action: str) -> Callable[[Selection], list[Decision]]:
    """The same decision about every selected image."""
    return lambda selection: [Decision(action, path=path, value=selection.value) for path in selection.paths]


EXCLUDE = Action("exclude", "exclude", on_images("exclude"), key="x")
RESTORE = Action("restore", "restore", on_images("restore"))
LABEL_OK = Action("label_ok", "label_ok", on_images("label_ok"), key="k")
UNSURE = Action("unsure", "unsure", on_images("unsure"), key="u")


Describe = Callable[[pd.DataFrame], pd.DataFrame]


def _as_it_is(rows: pd.DataFrame) -> pd.DataFrame:
    return rows


def gallery(workspace: Workspace, tiles: pd.DataFrame, key: str, actions: Sequence[Action] = (), *,
            sections: pd.DataFrame | None = None, describe: Describe = _as_it_is, describe_sections: Describe = _as_it_is,
            inspector: Callable[[str], None] | None = None, page_size: int | None = None, size: int = 150,
            empty: str = "", asked_for: int = 0, similar: bool = True) -> Event | None:
    """Show `tiles` as a paged grid and apply `actions` to what is selected in it.

    `tiles`: a row an image with columns `path`, `sha256`, `caption`, `badge`, and if wanted `tone` (of the badge: good, warn,
    bad or ''), `section`, `label` (as it is now), `evidence` (dict, goes into the journal with a decision). Order is kept.
    `sections`: columns `id`, `title`, `note` (about the images that are kept at first), `hint`, `badge`, and if wanted `choose`
    (list of names) with `question`: the grid is divided by `tiles.section`, a click on an image toggles whether it is kept
    (column `keep` of tiles at first), and pages count sections.
    `describe`, `describe_sections`: make these columns from the rows of one page, so that the other pages cost nothing;
    then `tiles` needs only `section`, and `sections` only `id`, before.
    `inspector`: called with the path of the image in focus, draws beside the grid; a click then selects only that image.
    `page_size`: tiles or sections on a page; without it the person chooses one of PAGE_SIZES. `empty`: said instead of a
    gallery without tiles. `similar`: whether "more like this" is offered.
    `asked_for`: rises when the person chose elsewhere on the page what is shown here; the browser then scrolls to it.
    Returns the click on an action without `decisions`, once.
    """
    if tiles.empty:
        st.caption(empty or say("gallery.empty"))
        return None
    st.session_state.pop(f"{key}.decided", None)  # the list is as it is now
    fragments.draw(_paged, workspace, _Shown(tiles, sections, describe, describe_sections), key, tuple(actions), inspector,
                   page_size, size, asked_for, similar)
    happened: Event | None = st.session_state.pop(f"{key}.event", None)
    return happened


def strip(workspace: Workspace, tiles: pd.DataFrame, key: str, size: int = 96, wrap: bool = False) -> None:
    """Thumbnails to look at, in one row or wrapped, with captions; nothing to select. Columns as in `gallery`."""
    data = {"mode": "strip", "tiles": _records(tiles), "thumbnails": _thumbnails(workspace, tiles), "size": size, "wrap": wrap,
            "words": section("gallery")}
    _component(key=key, data=data, on_event_change=lambda: _resend(key))


def picture(workspace: Workspace, path: str, key: str) -> None:
    """One image, as large as the column is wide, with its path."""
    large = _large(workspace, path)
    tile = {"path": path, "sha256": "", "caption": large["problem"] or path, "badge": "", "src": large["src"]}
    _component(key=key, data={"mode": "picture", "tiles": [tile], "size": 0, "words": section("gallery")},
               on_event_change=lambda: None)


def reset(key: str) -> None:
    """Go back to the first page: call it when a filter changes."""
    for gone in (f"{key}.start", f"{key}.back"):
        st.session_state.pop(gone, None)


@dataclass(frozen=True)
class _Shown:
    """What a gallery has to show, and how a page of it is described."""

    tiles: pd.DataFrame
    sections: pd.DataFrame | None
    describe: Describe
    describe_sections: Describe
    number: int = field(default_factory=itertools.count().__next__)  # of the list: pages sent ahead belong to one list

    @property
    def count(self) -> int:
        """Of tiles, or of sections."""
        return len(self.tiles) if self.sections is None else len(self.sections)

    def page(self, start: int, size: int) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Tiles and sections of the page that starts there, described."""
        window = slice(start, start + size)
        if self.sections is None:
            return self.describe(self.tiles.iloc[window]), None
        sections = self.describe_sections(self.sections.iloc[window])
        return self.describe(_in_sections(self.tiles, sections["id"].tolist())), sections

    def place(self, paths: Collection[str]) -> int | None:
        """Where the first of `paths` stands, counted in tiles or sections; None when none of them is here."""
        if not paths:
            return None
        found = self.tiles["path"].isin(paths)
        if self.sections is not None:
            found = self.sections["id"].isin(self.tiles["section"][found])
        return int(found.to_numpy().argmax()) if found.any() else None


def _paged(workspace: Workspace, shown: _Shown, key: str, actions: tuple[Action, ...], inspector: Callable[[str], None] | None,
           page_size: int | None, size: int, asked_for: int, similar: bool) -> None:
    if st.session_state.pop(f"{key}.changed", False):
        st.rerun(scope="app")
    per_page = page_size or st.session_state.get(_SIZE, PAGE_SIZES[0])
    anchor = st.session_state.pop(f"{key}.anchor", None)  # the list is shorter now, and the person stays where they are
    seen = int(st.session_state.get(f"{key}.start", 0))
    if anchor and (place := shown.place([anchor])) is not None and not seen <= place < seen + per_page:
        st.session_state[f"{key}.start"] = place
    brought_back = st.session_state.get(f"{key}.back", ())
    start = int(st.session_state.get(f"{key}.start", 0))
    if (place := shown.place(brought_back)) is not None and not start <= place < start + per_page:
        start = place // per_page * per_page
    start = min(max(start, 0), max(0, shown.count - 1))
    st.session_state[f"{key}.start"] = start
    page = -(-start // per_page)  # of pages that start where the person is
    pages = max(1, page + -(-(shown.count - start) // per_page))
    tiles, sections = shown.page(start, per_page)
    paths = tiles["path"].tolist()
    back = [path for path in paths if path in brought_back]
    focus = back[0] if back else st.session_state.get(f"{key}.focus")
    if inspector and focus not in paths:  # decided and gone: the next one moves up into its place
        focus = paths[min(st.session_state.get(f"{key}.place", 0), len(paths) - 1)]
    st.session_state[f"{key}.place"] = paths.index(focus) if focus in paths else 0
    of = f"{shown.number}-{per_page}"
    data: dict[str, Any] = {
        "mode": "select" if sections is None else "keep", "one": inspector is not None, "size": size, "focus": focus,
        **_page(tiles, sections, page, start), "thumbnails": _thumbnails(workspace, tiles), "pages": pages,
        "total": shown.count, "page_size": per_page, "sizes": [] if page_size else list(PAGE_SIZES), "key": key, "of": of,
        "actions": [{"id": a.id, "label": section("gallery").get(a.label, a.label), "key": a.key, "choose": list(a.choose),
                     "recent": a.recent, "series": dict(a.series), "free": a.free, "primary": a.primary, "section": a.section,
                     "ask": a.choose_in_section, "help": a.help} for a in actions],
        "large": [_large(workspace, path) | {"flip": _is_mirrored(tiles, path)}
                  for path in st.session_state.get(f"{key}.large", ())],
        "answered": st.session_state.get(f"{key}.answered"), "refused": st.session_state.get(f"{key}.refused", False),
        "decided": st.session_state.get(f"{key}.decided"), "back": back, "asked_for": asked_for, "bulk": sections is None,
        "similar": similar, "last": last_id(workspace),
        "words": section("gallery"),
    }
    left, right = st.columns([1.75, 1], gap="large") if inspector else (st.container(), None)
    with left:
        _component(key=key, data=data, on_event_change=lambda: _handle(workspace, shown, tiles, key, actions))
    if st.session_state.get(f"{key}.ahead-of") != (of, start):  # else the browser has them
        with left, st.container(key=f"ahead-{key}"):
            _ahead(workspace, shown, key, page, start, per_page, of)
        st.session_state[f"{key}.ahead-of"] = (of, start)
    if inspector and right and focus:
        with right, st.container(key="inspector"):
            inspector(focus)


def _ahead(workspace: Workspace, shown: _Shown, key: str, page: int, start: int, per_page: int, of: str) -> None:
    """Send the pages before and after, which the browser then shows without asking."""
    starts = {page + 1: start + per_page, page - 1: max(0, start - per_page)}
    near = {number: (at, *shown.page(at, per_page)) for number, at in starts.items() if 0 <= at < shown.count and at != start}
    data = {"mode": "ahead", "gallery": key, "words": section("gallery"),
            "pages": [{**_page(tiles, sections, number, at), "of": of} for number, (at, tiles, sections) in near.items()],
            "thumbnails": {name: uri for _, tiles, _ in near.values() for name, uri in _thumbnails(workspace, tiles).items()}}
    _component(key=f"{key}.ahead", data=data, on_event_change=lambda: None)


def _page(tiles: pd.DataFrame, sections: pd.DataFrame | None, page: int, start: int) -> dict[str, Any]:
    return {"page": page, "first": start, "tiles": _records(tiles),
            "sections": None if sections is None else sections.to_dict("records")}


def _in_sections(tiles: pd.DataFrame, sections: list[str]) -> pd.DataFrame:
    """The tiles in the order in which they are seen: the arrow keys follow it, and the first key is meant for the first."""
    own = tiles[tiles["section"].isin(sections)]
    return own.sort_values("section", key=lambda ids: ids.map(sections.index), kind="stable")


def _records(tiles: pd.DataFrame) -> list[dict[str, Any]]:
    return tiles.drop(columns=["evidence"], errors="ignore").to_dict("records")


def _thumbnails(workspace: Workspace, tiles: pd.DataFrame) -> dict[str, str]:
    """Those that this session's browser does not have yet, by content hash."""
    sent: dict[str, None] = st.session_state.setdefault(_SENT, {})
    new = loaders.thumbnails(workspace, [name for name in tiles["sha256"] if name not in sent])
    sent.update(dict.fromkeys(new))
    while len(sent) > KEPT:
        del sent[next(iter(sent))]
    return new


def _is_mirrored(tiles: pd.DataFrame, path: str) -> bool:
    return "mirrored" in tiles and bool(tiles["mirrored"][tiles["path"] == path].any())


def _resend(key: str) -> None:
    """Thumbnails that did not arrive are sent again."""
    event = st.session_state[key].get("event")
    if event and event["type"] == "missing":
        sent = st.session_state.setdefault(_SENT, {})
        for name in event["hashes"]:
            sent.pop(name, None)


def _handle(workspace: Workspace, shown: _Shown, tiles: pd.DataFrame, key: str, actions: tuple[Action, ...]) -> None:
    """The browser's event: look closer, turn the page, undo or act. All but the first are answered with the event's id.

    Streamlit calls once for each of several events that came together, and hands out the last of them each time; and the
    browser sends an event again when no answer comes. Ids rise, so that each is done once.
    """
    event = st.session_state[key].get("event")
    if not event or event["id"] <= st.session_state.get(f"{key}.answered", 0):
        return
    kind, paths = event["type"], tiles["path"].tolist()
    st.session_state[f"{key}.large"] = event["large"]
    if event["focus"]:
        st.session_state[f"{key}.focus"] = event["focus"]
        st.session_state[f"{key}.place"] = paths.index(event["focus"]) if event["focus"] in paths else 0
    elif kind == "page":  # the browser does not have it yet, and starts with its first image
        st.session_state[f"{key}.focus"], st.session_state[f"{key}.place"] = None, 0
    st.session_state.pop(f"{key}.back", None)
    if kind == "look":
        return
    st.session_state[f"{key}.answered"] = event["id"]
    st.session_state.pop(state.PROBLEM, None)
    if kind == "page":
        st.session_state[f"{key}.start"] = event["start"]
    elif kind == "size":
        st.session_state[_SIZE] = event["page_size"]
    elif kind == "missing":
        _resend(key)
    elif kind == "similar":
        st.session_state[state.SIMILAR] = event["path"]
        st.session_state[f"{key}.changed"] = True
    elif kind == "refresh":
        st.session_state[f"{key}.anchor"] = event["anchor"]
        st.session_state[f"{key}.changed"] = True
    elif kind == "undo":
        st.session_state[f"{key}.back"] = undo_last(workspace, event["last"])
        st.session_state[f"{key}.changed"] = True
    elif kind == "act":
        decided = st.session_state.get(f"{key}.decided", {})
        chosen = [path for path in shown.tiles["path"] if path not in decided] if event["all"] else event["paths"]
        about = {*chosen, *event["others"]}
        if not about <= set(paths):  # beyond this page
            tiles = shown.describe(shown.tiles[shown.tiles["path"].isin(about)])
        act(workspace, tiles, key, next(a for a in actions if a.id == event["action"]),
            Selection(tuple(chosen), event["value"], event["section"], tuple(event["others"])), bulk=event["all"])
    st.session_state[f"{key}.refused"] = state.PROBLEM in st.session_state


def act(workspace: Workspace, shown: pd.DataFrame, key: str, action: Action, selection: Selection, *,
        bulk: bool = False) -> None:
    """Do what an action says to the selected images; paths that are not among the `shown` are not touched.

    `bulk`: of all images that a filter matches, those are left out for which the action cannot be done, or changes nothing.
    """
    known = set(shown["path"])
    selection = replace(selection, paths=tuple(p for p in selection.paths if p in known),
                        others=tuple(p for p in selection.others if p in known))
    if action.decisions is None:
        st.session_state[f"{key}.event"] = Event(action.id, selection)
        st.session_state[f"{key}.changed"] = True
        return
    seen = shown.set_index("path")
    made = action.decisions(selection)
    if bulk:
        made = changing(made, loaders.catalog(workspace), loaders.curation(workspace))
    decisions = [_with_evidence(decision, seen, key) for decision in made]
    st.session_state[f"{key}.changed"] = True
    if not decisions:
        said = say("gallery.nothing_to_do", action=section("gallery").get(action.label, action.label))
        st.session_state[state.NOTICE] = Notice(said)
    elif decide(workspace, decisions, asked=len(selection.paths) if bulk else 0) and not bulk:
        st.session_state[f"{key}.changed"] = False
        st.session_state[f"{key}.decided"] = st.session_state.get(f"{key}.decided", {}) | _outcomes(selection, decisions)


def _outcomes(selection: Selection, decisions: Sequence[Decision]) -> dict[str, dict[str, str]]:
    """Badge and tone of each image that was decided on, until the page is drawn anew."""
    made = {decision.other: (decision.action, "") for decision in decisions if decision.action == "not_duplicates"}
    made |= {decision.path: (decision.action, decision.value) for decision in decisions}
    told: dict[str, dict[str, str]] = {}
    for path in (*selection.paths, *selection.others):
        if path not in made and not selection.section:
            continue  # nothing was decided about it
        action, value = made.get(path, ("kept", ""))
        tone = {"exclude": "bad", "unsure": "warn"}.get(action, "good")
        told[path] = {"badge": f"→ {value}" if value else say(f"gallery.badge_{action}"), "tone": tone}
    return told


def _with_evidence(decision: Decision, seen: pd.DataFrame, key: str) -> Decision:
    """The decision with what the person saw when it was made."""
    if decision.path not in seen.index:
        return decision
    row = seen.loc[decision.path]
    return replace(decision, sha256=row["sha256"], evidence={"page": key} | row.get("evidence", {}) | decision.evidence)


def _large(workspace: Workspace, path: str) -> dict[str, Any]:
    """The image to look at closely: `path`, `src` (data URI, '' when there is none) and `problem` (why)."""
    found = loaders.rows(workspace, [path])
    if found.empty:
        return {"path": path, "src": "", "problem": say("gallery.gone")}
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
