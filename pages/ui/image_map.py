"""The map of images: points on a canvas with lasso, zoom and a searchable legend, in one component.

The browser side is image_map.css and image_map*.js, of which image_map.js comes last. Points travel as base64 of
little-endian uint16, and what is selected as bits of the rows of the very table that was sent, named by its digest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hai_core import catalog as catalogs
from hai_core.workspace import Workspace
from pages.ui import fragments, loaders
from pages.ui.colours import Colouring
from pages.ui.words import section

HIDDEN = 0xFFFF  # code of an image that is not shown
SPAN = 65535
HOVERED = 16  # thumbnails that are sent at once

_here = Path(__file__).parent
_component = st.components.v2.component(
    "hai_map", css=(_here / "image_map.css").read_text("utf-8"), isolate_styles=False,
    js="".join((_here / f"{part}.js").read_text("utf-8")
               for part in ("nodes", "image_map_points", "image_map_legend", "image_map_hover", "image_map")))


@dataclass(frozen=True)
class Placed:
    """Images on a map. `table`: columns path, x, y, and `row` of the catalog; its order is what the browser knows of it."""

    table: pd.DataFrame

    @cached_property
    def points(self) -> str:
        """x of every image, then y, both counted from 0 upwards; the longer side of the map spans 0 .. 65535."""
        places = self.table[["x", "y"]].to_numpy(np.float64).T
        if not places.size:
            return ""
        low = places.min(axis=1, keepdims=True)
        longest = float(np.max(places - low)) or 1.0
        return _base64(np.round((places - low) / longest * SPAN).astype("<u2"))

    @cached_property
    def digest(self) -> str:
        """Names these images in this order at these places."""
        paths = "\0".join(self.table["path"])
        return hashlib.sha256(f"{self.points}\0{paths}".encode()).hexdigest()[:16]

    @cached_property
    def paths(self) -> pd.Index:
        return pd.Index(self.table["path"])

    def bits(self, paths: Sequence[str]) -> str:
        """The rows of `paths`, as the browser marks them; '' when none is on the map."""
        rows = self.paths.get_indexer(pd.Index(paths, dtype=self.paths.dtype)) if len(paths) else np.empty(0, np.int64)
        marked = np.zeros(len(self.table), bool)
        marked[rows[rows >= 0]] = True
        return _base64(np.packbits(marked, bitorder="little")) if marked.any() else ""

    def marked(self, bits: str) -> list[str]:
        """The paths of marked rows, in table order."""
        if not bits:
            return []
        packed = np.frombuffer(base64.b64decode(bits), np.uint8)
        marked = np.unpackbits(packed, count=len(self.table), bitorder="little").astype(bool)
        return self.table["path"][marked].tolist()


def _base64(values: npt.NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def image_map(workspace: Workspace, placed: Placed, colouring: Colouring, key: str, *, by: str, shown: npt.NDArray[np.bool_],
              selected: Sequence[str], on_select: Callable[[list[str]], None], title: str) -> None:
    """Show the map, with `selected` (paths) marked; `on_select` gets the paths that the person selects.

    `shown` (N,): the other images are left out, without moving the map. `by` names what the colours mean: a change of it
    ends what is highlighted. A selection made on a map of other images than those shown now is ignored.
    """
    codes = np.where(shown, colouring.code, HIDDEN).astype("<u2")
    data = {"mode": "map", "map": key, "id": placed.digest, "count": len(placed.table), "points": placed.points, "by": by,
            "codes": _base64(codes), "names": list(colouring.names), "colours": list(colouring.colours), "title": title,
            "words": section("map")}
    with st.container(gap=None):
        _component(key=key, data=data, on_selected_change=lambda: _select(placed, key, on_select))
        fragments.draw(_mail, workspace, placed, key, placed.bits(selected))


def _select(placed: Placed, key: str, on_select: Callable[[list[str]], None]) -> None:
    event = st.session_state[key].get("selected")
    if not event or event["number"] == st.session_state.get(f"{key}.answered"):
        return
    st.session_state[f"{key}.answered"] = event["number"]
    if event["map"] == placed.digest:
        on_select(placed.marked(event["rows"]))


def _mail(workspace: Workspace, placed: Placed, key: str, selected: str) -> None:
    """What changes often: what is selected, and pictures of the points under the pointer.

    A component of its own and a fragment, so that looking around draws nothing else anew, and sends no points, which may be
    megabytes.
    """
    wanted = st.session_state.pop(f"{key}.wanted", [])
    version = f"{placed.digest}-{loaders.journal(workspace).version()}"
    data = {"mode": "mail", "map": key, "id": placed.digest, "version": version, "selected": selected,
            "answered": st.session_state.get(f"{key}.answered", 0), "tiles": pictures(workspace, placed, wanted)}
    _component(key=f"{key}.mail", data=data, on_wanted_change=lambda: _want(placed, key))


def _want(placed: Placed, key: str) -> None:
    event = st.session_state[f"{key}.mail"].get("wanted")
    if event and event["map"] == placed.digest:
        st.session_state[f"{key}.wanted"] = event["rows"]


def pictures(workspace: Workspace, placed: Placed, rows: Sequence[int]) -> list[dict[str, Any]]:
    """`row`, `path`, `label` (as it is now) and `src` (thumbnail or '') of rows of the map, at most HOVERED."""
    rows = [row for row in rows if 0 <= row < len(placed.table)][:HOVERED]
    images = placed.table.iloc[rows]
    sha256s = loaders.catalog(workspace)["sha256"].iloc[images["row"]].tolist()
    found = catalogs.thumbnails(workspace.catalog, [sha256 for sha256 in sha256s if sha256]) if rows else {}
    labels = loaders.curation(workspace).label[images["row"]]
    return [{"row": row, "path": path, "label": label, "src": loaders.data_uri(found[sha256]) if sha256 in found else ""}
            for row, path, label, sha256 in zip(rows, images["path"], labels, sha256s, strict=True)]
