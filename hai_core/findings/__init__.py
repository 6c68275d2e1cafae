"""Findings: what detectors report about a workspace's images. `KINDS` lists the detectors in the order a person uses them.

A finding table is computed by `find` and kept until it is computed again: a Parquet file, and beside it a card (JSON) with
the options, what it was computed from and how long it took.
"""

from __future__ import annotations

import difflib
import inspect
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hai_core import __version__, catalog, progress
from hai_core.findings import detectors
from hai_core.workspace import InputError, Workspace, write_atomic, write_table

KINDS: dict[str, Callable[..., pd.DataFrame]] = {
    "duplicates": detectors.find_duplicates,
    "quality": detectors.find_quality,
    "noise": detectors.find_noise,
    "outliers": detectors.find_outliers,
    "clusters": detectors.find_clusters,
    "merges": detectors.find_merges,
}


def options(kind: str) -> list[str]:
    """Names of a kind's options. Raises InputError for an unknown kind."""
    if kind not in KINDS:
        raise InputError(f"there is no kind of finding {kind!r}; {', '.join(KINDS)} are{_meant(kind, KINDS)}")
    return [name for name, about in inspect.signature(KINDS[kind]).parameters.items() if about.kind is about.KEYWORD_ONLY]


OPTIONS = list(dict.fromkeys(name for kind in KINDS for name in options(kind)))


def find(kind: str, workspace: Workspace, **chosen: Any) -> pd.DataFrame:
    """Compute findings of a kind, store them, return them. A missing index, and missing embeddings, are computed first.

    Options are those of the kind's function in `detectors`. Raises InputError for an unknown kind or option, or a wrong value.
    """
    known = options(kind)
    for name in chosen:
        if name not in known:
            raise InputError(f"find {kind} has no option {_dashed(name)}{_meant(name, known)}")
    began = time.monotonic()
    if not (workspace.catalog / "catalog.parquet").exists():
        catalog.index(workspace)
    state = _state(workspace)
    table = KINDS[kind](workspace, **chosen)
    seed = chosen.get("seed", inspect.signature(KINDS[kind]).parameters["seed"].default) if "seed" in known else None
    about = {"kind": kind, "options": chosen, "seed": seed, "rows": len(table), "catalog": state, "version": __version__,
             "seconds": round(time.monotonic() - began, 2)}
    file = _file(workspace, kind, chosen)
    write_table(table, file)
    write_atomic(file.with_suffix(".json"), json.dumps(about, ensure_ascii=False, indent=1, default=str) + "\n")
    return table


def load(kind: str, workspace: Workspace) -> pd.DataFrame | None:
    """The findings that were last computed; None when they never were."""
    file = _file(workspace, kind, {})
    return pd.read_parquet(file) if file.exists() else None


def card(kind: str, workspace: Workspace, chosen: Mapping[str, Any] = {}) -> dict[str, Any] | None:
    """How the stored findings were computed: options as chosen, seed (None: nothing random), rows, catalog (digest), version,
    seconds. None without findings.

    `chosen` tells those with `against` from the workspace's own.
    """
    file = _file(workspace, kind, chosen).with_suffix(".json")
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def is_current(kind: str, workspace: Workspace) -> bool:
    """Whether the stored findings were computed by this version from the catalog as it is now."""
    about = card(kind, workspace)
    return about is not None and about["version"] == __version__ and about["catalog"] == _state(workspace)


def duplicate_groups(workspace: Workspace) -> pd.DataFrame:
    """Columns path, group (int): images of one group are copies of each other; images without a copy are not listed.

    From the stored findings. When there are none, or the catalog has changed since, they are computed with the options of
    last time.
    """
    table = load("duplicates", workspace) if is_current("duplicates", workspace) else None
    if table is None:
        progress.say("Looking for copies first")
        table = find("duplicates", workspace, **(card("duplicates", workspace) or {"options": {}})["options"])
    return table[["path", "group"]]


def _state(workspace: Workspace) -> str:
    return catalog.snapshot_digest(catalog.load(workspace))


def _file(workspace: Workspace, kind: str, chosen: Mapping[str, Any]) -> Path:
    # Copies of another folder's images do not take the place of the workspace's own groups.
    return workspace.findings / (f"{kind}-against.parquet" if chosen.get("against") else f"{kind}.parquet")


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
