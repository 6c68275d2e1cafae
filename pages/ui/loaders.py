"""Cached reads. What they return is shared between sessions: never change it in place.

Every cache key holds the stamp of the file, or the journal's version, that was read, so a page always sees the newest.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from hai_core import catalog as catalogs
from hai_core import findings as detectors
from hai_core import nearest
from hai_core.decisions import Curation, Journal, fold
from hai_core.findings import shortcuts as shortcut_detector
from hai_core.records import Decision
from hai_core.workspace import Workspace
from pages.ui import review

_KEPT = 4  # results kept per loader: the few workspaces and kinds that are open at a time
_NEAREST = 512  # images whose nearest ones are kept


def stamp(file: Path) -> tuple[int, int] | None:
    """Changes when the file is replaced; None when there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_size


def catalog(workspace: Workspace) -> pd.DataFrame:
    """The catalog, sorted by path. Raises InputError when the workspace was never indexed (pages use needs.catalog)."""
    return _catalog(workspace, _catalog_key(workspace))


def _catalog_key(workspace: Workspace) -> tuple[Any, ...]:
    return str(workspace.root), workspace.id, stamp(workspace.catalog / "catalog.parquet")


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _catalog(_workspace: Workspace, key: tuple[Any, ...]) -> pd.DataFrame:
    return catalogs.load(_workspace)


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def row_of(_table: pd.DataFrame, key: tuple[Any, ...]) -> dict[str, int]:
    """Path -> row of the catalog whose key this is."""
    return {path: row for row, path in enumerate(_table["path"])}


def rows(workspace: Workspace, paths: Iterable[str]) -> pd.DataFrame:
    """Catalog rows of `paths`, in their order; paths that are no longer in the catalog are left out."""
    table = catalog(workspace)
    row = row_of(table, _catalog_key(workspace))
    return table.iloc[[row[path] for path in paths if path in row]]


def journal(workspace: Workspace) -> Journal:
    """The open journal; safe to use from every session."""
    return _journal(workspace, str(workspace.root), workspace.id)


@st.cache_resource(max_entries=16, show_spinner=False)
def _journal(_workspace: Workspace, root: str, workspace_id: str) -> Journal:
    return Journal(_workspace)


def batches(workspace: Workspace) -> pd.DataFrame:
    """Every batch of the journal: number, id, kind (decide, undo, redo), target, author, time, note, count, live."""
    book = journal(workspace)
    return _batches(book, (str(workspace.root), workspace.id, book.version()))


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _batches(_journal: Journal, key: tuple[Any, ...]) -> pd.DataFrame:
    return _journal.batches()


def entries(workspace: Workspace) -> pd.DataFrame:
    """Every decision of the journal, undone ones too, with `live` and `stale` (why it is not applied, or '')."""
    book = journal(workspace)
    return _entries(workspace, book, (*_catalog_key(workspace), book.version()))


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _entries(_workspace: Workspace, _journal: Journal, key: tuple[Any, ...]) -> pd.DataFrame:
    return _journal.entries(catalog(_workspace))


def live(workspace: Workspace) -> list[Decision]:
    """The decisions that count, in journal order."""
    book = journal(workspace)
    return _live(book, (str(workspace.root), workspace.id, book.version()))


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _live(_journal: Journal, key: tuple[Any, ...]) -> list[Decision]:
    return _journal.live()


def curation(workspace: Workspace) -> Curation:
    """The fold of the catalog and the journal as it is now."""
    book = journal(workspace)
    return _curation(workspace, (*_catalog_key(workspace), book.version()))


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _curation(_workspace: Workspace, key: tuple[Any, ...]) -> Curation:
    return fold(catalog(_workspace), live(_workspace))


def findings(kind: str, workspace: Workspace) -> pd.DataFrame | None:
    """The stored table of a kind of finding; None when it was never computed."""
    return _findings(kind, workspace, (str(workspace.root), stamp(workspace.findings / f"{kind}.parquet")))


@st.cache_resource(max_entries=4 * _KEPT, show_spinner=False)
def _findings(kind: str, _workspace: Workspace, key: tuple[Any, ...]) -> pd.DataFrame | None:
    return detectors.load(kind, _workspace)


def image_review(kind: str, workspace: Workspace) -> pd.DataFrame:
    """`review.image_review` of findings that are there."""
    key = (*_catalog_key(workspace), journal(workspace).version(), stamp(workspace.findings / f"{kind}.parquet"))
    return _image_review(kind, workspace, key)


@st.cache_resource(max_entries=2 * _KEPT, show_spinner=False)
def _image_review(kind: str, _workspace: Workspace, key: tuple[Any, ...]) -> pd.DataFrame:
    found = findings(kind, _workspace)
    assert found is not None
    return review.image_review(kind, found, catalog(_workspace), curation(_workspace))


def shortcuts(workspace: Workspace) -> list[tuple[str, str]]:
    """Properties that give classes of the images in use away, as (class or '', sentence); 0.2 s at 33,000 images."""
    return _shortcuts(workspace, (*_catalog_key(workspace), journal(workspace).version()))


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _shortcuts(_workspace: Workspace, key: tuple[Any, ...]) -> list[tuple[str, str]]:
    fate = curation(_workspace)
    images = catalog(_workspace).assign(label=fate.label)[~fate.excluded]
    return shortcut_detector.sentences(shortcut_detector.shortcuts(images))


def findings_are_current(kind: str, workspace: Workspace) -> bool:
    """Whether the stored table was computed from the catalog as it is now."""
    return _is_current(kind, workspace, (stamp(workspace.findings / f"{kind}.parquet"), _catalog_key(workspace)))


@st.cache_data(max_entries=4 * _KEPT, show_spinner=False)
def _is_current(kind: str, _workspace: Workspace, key: tuple[Any, ...]) -> bool:
    return detectors.is_current(kind, _workspace)


def thumbnails(workspace: Workspace, sha256s: Iterable[str]) -> dict[str, str]:
    """Content hash -> thumbnail as a `data:` URI, which `st.image` and the gallery take; hashes without one are left out."""
    wanted = tuple(sorted({sha256 for sha256 in sha256s if sha256}))
    return _thumbnails(workspace, wanted, _catalog_key(workspace)) if wanted else {}


@st.cache_resource(max_entries=64, show_spinner=False)
def _thumbnails(_workspace: Workspace, wanted: tuple[str, ...], key: tuple[Any, ...]) -> dict[str, str]:
    return {sha256: data_uri(jpeg) for sha256, jpeg in catalogs.thumbnails(_workspace.catalog, wanted).items()}


def typical(workspace: Workspace, label: str, n: int) -> pd.DataFrame:
    """`path`, `sha256`, `caption`, `badge` of up to `n` images that are surest to be of class `label` and are not excluded.

    By out-of-fold self-confidence once noise was looked for; before that, the class's first images.
    """
    ranks = findings("noise", workspace)
    key = (_catalog_key(workspace), journal(workspace).version(), stamp(workspace.findings / "noise.parquet"))
    order = _order_of_classes(workspace, ranks, key)
    chosen = catalog(workspace).iloc[order.get(label, [])[:n]][["path", "sha256"]]
    return chosen.assign(caption="", badge="")


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _order_of_classes(_workspace: Workspace, _ranks: pd.DataFrame | None, key: tuple[Any, ...]) -> dict[str, list[int]]:
    """Class -> catalog rows of its readable images that are not excluded, the surest first."""
    table, fate = catalog(_workspace), curation(_workspace)
    confidence = np.zeros(len(table))
    if _ranks is not None:
        rows = pd.Index(table["path"]).get_indexer(_ranks["path"])
        confidence[rows[rows >= 0]] = _ranks["score"].to_numpy()[rows >= 0]
    usable = np.flatnonzero((table["status"] == "ok").to_numpy() & ~fate.excluded & (fate.label != ""))
    usable = usable[np.argsort(-confidence[usable], kind="stable")]
    return {str(label): group.tolist() for label, group in pd.Series(usable).groupby(fate.label[usable])}


def neighbours(workspace: Workspace, path: str, n: int, soon: Iterable[str] = ()) -> pd.DataFrame:
    """`path`, `sha256`, `similarity` (cosine) of the up to `n` images most like `path`, nearest first, as catalog rows.

    Not itself, not excluded ones, and none beyond the nearest 1,000. By the features that are stored (of the default backbone
    where there are some); empty where `path` has none: nothing is computed. 20 ms at 33,000 images the first time; the `soon`
    asked for (some 15) are looked for in the same go, which takes hardly longer.
    """
    table, key = catalog(workspace), _catalog_key(workspace)
    row, stores = row_of(table, key), tuple((str(file), stamp(file)) for file in nearest.indexes())
    at, features = row.get(path), _features(table, (key, stores)) if stores else None
    if at is None or features is None or features.row[at] < 0:
        return pd.DataFrame({"path": [], "sha256": [], "similarity": []}).astype({"path": "str", "sha256": "str"})
    known = _nearest((key, stores))
    if at not in (near := dict(known)):
        asked = np.array(list(dict.fromkeys([at, *(row[name] for name in soon if name in row)])))
        asked = asked[features.row[asked] >= 0]
        near = dict(zip(asked.tolist(), zip(*nearest.nearest(features, asked, 1000), strict=True), strict=True))
        known |= near
        while len(known) > _NEAREST:
            known.pop(next(iter(known)), None)
    found, similarity = near[at]
    used = ~curation(workspace).excluded[found]
    found, similarity = found[used][:n], similarity[used][:n]
    return table.iloc[found][["path", "sha256"]].assign(similarity=similarity)


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _features(_table: pd.DataFrame, key: tuple[Any, ...]) -> nearest.Features | None:
    return nearest.stored(_table["sha256"].tolist())


@st.cache_resource(max_entries=_KEPT, show_spinner=False)
def _nearest(key: tuple[Any, ...]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Catalog row -> rows of the nearest images and their similarities, of the images asked for last; `neighbours` fills it."""
    return {}


def data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def runs(workspace: Workspace) -> pd.DataFrame:
    """Trained runs of the workspace, as `hai_core.runs.list_runs` lists them."""
    from hai_core import runs as training_runs  # imports torch, which pages without training do without

    return training_runs.list_runs(workspace.runs)


def manifests(workspace: Workspace) -> pd.DataFrame:
    """Saved manifests, newest first: `path` (folder), `digest`, `parent` (digest or ''), `time` (UTC), the keys of `counts`."""
    listed = []
    for file in workspace.manifests.glob("[!.]*/manifest.json"):
        fields = json.loads(file.read_text(encoding="utf-8"))
        listed.append({"path": str(file.parent), "digest": fields["digest"], "parent": fields.get("parent") or "",
                       "time": pd.Timestamp(fields["created"]), **fields["counts"]})
    if not listed:
        return pd.DataFrame(columns=["path", "digest", "parent", "time"])
    return pd.DataFrame(listed).sort_values("time", ascending=False, kind="stable", ignore_index=True)
