"""catalog + decisions -> manifest: a frozen table of what to train on. The same inputs give the same bytes and the same digest.

A manifest is a folder with two files. `manifest.csv` (see workspace.csv_bytes) holds the columns of ManifestRow, sorted by
path. `manifest.json` holds the classes, the mapping and what the manifest was made from.

digest = SHA-256, hex, of the bytes of manifest.csv followed by the UTF-8 bytes of the canonical JSON (keys sorted, no spaces,
nothing escaped that need not be) of {"classes": [final class, ...], "mapping": {original class: final class or "", ...}}.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hai_core import __version__
from hai_core import catalog as catalogs
from hai_core.decisions import Journal
from hai_core.fold import Curation, fold
from hai_core.holdout import choose_holdout, store_holdout, stored_holdout
from hai_core.manifest_diff import class_diff, diff
from hai_core.manifest_export import export, spreadsheet_safe
from hai_core.records import OK, Decision, ManifestRow, columns
from hai_core.workspace import InputError, Workspace, canonical_json, csv_bytes, digest, lock, write_atomic

__all__ = ["Manifest", "build", "build_for", "choose_holdout", "class_diff", "counts", "diff", "export", "load", "save",
           "spreadsheet_safe"]

SCHEMA = 1
COLUMNS = columns(ManifestRow)
TRAIN, HOLDOUT = "train", "holdout"
NAMED = 10  # classes spelled out in a message


@dataclass(frozen=True)
class Manifest:
    """`table`: columns of ManifestRow, sorted by path. `classes`: final names, in name order. `mapping`: every original class
    -> its final class, '' when dropped. `series`: final class -> series. `info`: what it was made from, outside the digest.
    """

    table: pd.DataFrame
    classes: list[str]
    mapping: dict[str, str]
    series: dict[str, str]
    info: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        return digest(self.csv() + self._names())

    def csv(self) -> bytes:
        """The bytes of manifest.csv."""
        return csv_bytes(self.table)

    def _names(self) -> bytes:
        return canonical_json({"classes": self.classes, "mapping": self.mapping}).encode()


def build(catalog: pd.DataFrame, curation: Curation, *, groups: pd.Series | None = None,
          holdout: Collection[str] = ()) -> Manifest:
    """The manifest of a catalog and what was decided about it.

    groups: path -> duplicate group (int, < 0 for none; paths may be missing). Byte-identical images are one group in any case.
    holdout: content hashes set aside. Every image of a duplicate group that touches one of them is set aside too.

    Raises InputError when nothing is left, and when a class is left without an image to train on and was neither dropped nor
    merged.
    """
    final: npt.NDArray[np.object_] = curation.label
    kept = (catalog["status"] == OK).to_numpy() & ~curation.excluded & (final != "")
    joined = _joined(catalog, groups)
    held = np.isin(joined, joined[catalog["sha256"].isin(set(holdout)).to_numpy()])
    chosen = catalog[kept]
    table = pd.DataFrame({
        "path": chosen["path"].astype("str").array,
        "label": pd.array(final[kept], dtype="str"),
        "original_label": chosen["label"].astype("str").array,
        "series": pd.array([curation.series.get(name, "") for name in final[kept]], dtype="str"),
        "group": joined[kept],
        "split": pd.array(np.where(held[kept], HOLDOUT, TRAIN).astype(object), dtype="str"),
        "sha256": chosen["sha256"].astype("str").array,
    }, columns=COLUMNS).sort_values("path", ignore_index=True)
    table["group"] = _numbered(table["group"].to_numpy())
    mapping = _mapping(curation, table)
    classes = sorted({name for name in mapping.values() if name})
    _refuse_empty(table, classes, mapping)
    return Manifest(table, classes, mapping, {name: curation.series[name] for name in classes if name in curation.series})


def _joined(catalog: pd.DataFrame, groups: pd.Series | None) -> npt.NDArray[np.int64]:
    """(N,) number of what belongs together: by duplicate group, and by the same bytes."""
    size = len(catalog)
    duplicate = np.full(size, -1) if groups is None else catalog["path"].map(groups).fillna(-1).to_numpy(dtype=np.int64)
    grouped = np.flatnonzero(duplicate >= 0)
    group, _ = pd.factorize(duplicate[grouped])
    content, hashes = pd.factorize(catalog["sha256"])
    # A graph of images, contents and groups: what hangs together is one.
    start = np.concatenate([np.arange(size), grouped])
    end = np.concatenate([size + content, size + len(hashes) + group])
    nodes = size + len(hashes) + len(grouped)
    links = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(nodes, nodes))
    parts: npt.NDArray[np.int64] = connected_components(links, directed=False)[1][:size].astype(np.int64)
    return parts


def _numbered(joined: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Groups numbered 0, 1, ... in the order of their first row; -1 for an image that is alone."""
    codes, _ = pd.factorize(joined)
    shared = np.bincount(codes, minlength=1)[codes] > 1
    numbers = np.full(len(codes), -1, dtype=np.int64)
    numbers[shared] = pd.factorize(codes[shared])[0]
    return numbers


def _mapping(curation: Curation, table: pd.DataFrame) -> dict[str, str]:
    """Original -> final. A class that only relabels lead to has no original, and counts as its own."""
    made = set(table["label"].unique()) - set(curation.mapping.values())
    return dict(sorted((curation.mapping | {name: name for name in made}).items()))


def _refuse_empty(table: pd.DataFrame, classes: list[str], mapping: dict[str, str]) -> None:
    if table.empty:
        raise InputError("no image is left to train on: every image is unreadable, unlabelled, excluded or of a dropped class")
    held = table.loc[table["split"] == HOLDOUT, "label"].value_counts()
    trained = set(table.loc[table["split"] == TRAIN, "label"].unique())
    empty = [name for name in classes if name not in trained]
    if empty:
        told = [f"{name!r} ({held[name]} in the holdout)" if name in held else repr(name) for name in empty[:NAMED]]
        more = f" and {len(empty) - NAMED} more" if len(empty) > NAMED else ""
        raise InputError(f"no image is left to train on in the class {', '.join(told)}{more}: "
                         "drop the class, merge it into another, or bring an image back")


def save(manifest: Manifest, directory: Path) -> Path:
    """Write a manifest into `directory`, which appears whole or not at all, after reading back what was written.

    A directory that already holds this very manifest stays as it is. Raises InputError when it holds anything else.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        if not (directory / "manifest.json").is_file():
            raise InputError(f"{directory} exists and holds something else than a manifest")
        if load(directory).digest != manifest.digest:
            raise InputError(f"{directory} holds another manifest; choose another folder")
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".part", dir=directory.parent))
    try:
        part.chmod(0o755)
        write_atomic(part / "manifest.csv", manifest.csv())
        write_atomic(part / "manifest.json", json.dumps(_fields(manifest), ensure_ascii=False, indent=1) + "\n")
        if not load(part).table.equals(manifest.table):
            raise InputError(f"{directory}: what was read back differs from what was written; is the disk sound?")
        os.rename(part, directory)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return directory


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {"schema": SCHEMA, "digest": manifest.digest, "classes": manifest.classes, "mapping": manifest.mapping,
            "series": manifest.series, **manifest.info}


def load(path: Path) -> Manifest:
    """A manifest by its folder, its manifest.json or its manifest.csv.

    Raises InputError naming the file that is missing, damaged, or does not fit the digest.
    """
    directory = path.parent if path.name in ("manifest.json", "manifest.csv") else path
    fields = _read_fields(directory / "manifest.json")
    file = directory / "manifest.csv"
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    content = file.read_bytes()
    names = canonical_json({"classes": fields["classes"], "mapping": fields["mapping"]}).encode()
    if digest(content + names) != fields["digest"]:
        raise InputError(f"{file} was changed or damaged: it does not fit the digest in manifest.json beside it")
    table = pd.read_csv(BytesIO(content), dtype="str", keep_default_na=False, encoding="utf-8-sig")
    table["group"] = table["group"].astype("int64")
    info = {name: value for name, value in fields.items() if name not in ("schema", "digest", "classes", "mapping", "series")}
    return Manifest(table, fields["classes"], fields["mapping"], fields["series"], info)


def _read_fields(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise InputError(f"{file.parent} is not a manifest (it has no manifest.json)")
    try:
        fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if fields["schema"] > SCHEMA:
            raise InputError(f"{file} was written by a newer version of this program")
        if missing := {"digest", "classes", "mapping", "series"} - fields.keys():
            raise InputError(f"{file} is damaged: it has no {', '.join(sorted(missing))}")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged: {error}") from error
    return fields


def build_for(workspace: Workspace, duplicates: pd.DataFrame, out: Path | None = None) -> tuple[Manifest, Path]:
    """Freeze what a workspace holds now: its catalog, its live decisions, and `duplicates` (columns path, group).

    The first build chooses the holdout. Written to `out`, or to manifests/<first 12 digits of the digest> in the workspace;
    when that is there already it stays as it is. Returns the manifest as it is stored, and its folder.
    """
    catalog, journal = catalogs.load(workspace), Journal(workspace)
    version, live = journal.version(), journal.live()
    curation = fold(catalog, live)
    groups = duplicates.drop_duplicates("path").set_index("path")["group"]
    with lock(workspace.root / "manifests.lock", f"another process is building a manifest of {workspace.root}"):
        holdout = stored_holdout(workspace)
        if holdout is None:
            holdout = choose_holdout(build(catalog, curation, groups=groups).table, workspace.holdout, workspace.seed)
            store_holdout(workspace, holdout)
        manifest = build(catalog, curation, groups=groups, holdout=holdout)
        manifest.info.update(_info(workspace, manifest, catalog, curation, live, version))
        folder = save(manifest, out or workspace.manifests / manifest.digest[:12])
    return load(folder), folder


def _info(workspace: Workspace, manifest: Manifest, catalog: pd.DataFrame, curation: Curation, live: list[Decision],
          version: int) -> dict[str, Any]:
    return {
        "parent": _latest(workspace),
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "images": str(workspace.images),
        "holdout": {"share": workspace.holdout, "seed": workspace.seed},
        "decisions": {"live": len(live), "first": live[0].seq if live else 0, "last": live[-1].seq if live else 0,
                      "journal_version": version},
        "counts": counts(manifest, catalog, curation),
        "program": __version__,
    }


def counts(manifest: Manifest, catalog: pd.DataFrame, curation: Curation) -> dict[str, int]:
    """What is in the manifest, and how many images and classes went which way on the way there."""
    readable = (catalog["status"] == OK).to_numpy()
    finals = pd.Series([name for name in manifest.mapping.values() if name]).value_counts()
    split = manifest.table["split"].value_counts()
    return {
        "images": len(manifest.table),
        "classes": len(manifest.classes),
        TRAIN: int(split.get(TRAIN, 0)),
        HOLDOUT: int(split.get(HOLDOUT, 0)),
        "excluded": int(curation.excluded.sum()),
        "unreadable": int((~readable).sum()),
        "unlabelled": int((readable & (catalog["label"] == "").to_numpy() & (curation.label == "")).sum()),
        "relabelled": int((curation.relabeled & readable & ~curation.excluded & (curation.label != "")).sum()),
        "merged_classes": int(finals[finals > 1].sum()),
        "dropped_classes": sum(not name for name in manifest.mapping.values()),
        "stale_decisions": len(curation.stale) + len(curation.impossible),
    }


def _latest(workspace: Workspace) -> str | None:
    """Digest of the workspace's manifest that was made last."""
    made = [_read_fields(file) for file in workspace.manifests.glob("[!.]*/manifest.json")]
    return max(made, key=lambda fields: str(fields.get("created", "")))["digest"] if made else None
