"""The detectors as they run on a workspace: load what a detector looks at, call it, make its table."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import catalog, progress
from hai_core import projection as projections
from hai_core.backbones import DEFAULT, PACKAGED
from hai_core.findings import inputs, keep, map_parts
from hai_core.findings.class_tree import classes
from hai_core.findings.clusters import check, tree
from hai_core.findings.duplicates import duplicates
from hai_core.findings.member_features import with_member_features
from hai_core.findings.merges import merges
from hai_core.findings.noise import noise
from hai_core.findings.out_of_fold import OutOfFold, remembered
from hai_core.findings.outliers import outliers
from hai_core.findings.quality import quality
from hai_core.findings.shortcuts import sentences, shortcuts
from hai_core.workspace import InputError, Workspace

NEW = 0.2  # share of images without a place on the last map beyond which it is made anew
ALL_PACKAGED = "+".join(PACKAGED)  # what judges labels: three see more than one, and each has its own errors


def find_duplicates(workspace: Workspace, *, no_embeddings: bool = False, against: str | Path | None = None,
                    backbone: str = DEFAULT) -> pd.DataFrame:
    """Groups of copies (`duplicates.COLUMNS`).

    `against` another folder: a group for each image there that has copies here. That image is the kept one and stands under
    its absolute path; the others are this workspace's images, so that accepting the table excludes what leaked.
    """
    own = inputs.readable(workspace)
    sides, stores = [(workspace.images, own)], [workspace.catalog]
    if against is not None:
        other = _another(Path(against), workspace)
        sides.append((other, inputs.folder(other)))
        stores.append(catalog.folder_store(other))
    tables, features = [], []
    for side, (root, images) in enumerate(sides):
        if not no_embeddings:
            images, computed = inputs.with_features(root, images, backbone)
            features.append(computed)
        tables.append(images.table.assign(side=side, excluded=images.excluded))
        if side:
            places = [unicodedata.normalize("NFC", str(root / path)) for path in images.table["path"]]
            tables[side]["path"] = pd.Series(places, dtype="str")
    table = pd.concat(tables, ignore_index=True)

    def jpegs(sha256: Sequence[str]) -> Mapping[str, bytes]:
        return {name: jpeg for store in stores for name, jpeg in catalog.thumbnails(store, sha256).items()}

    def steps(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        return np.array([keep.jpeg_step(sides[side][0] / file) for side, file in zip(rows["side"], rows["file"], strict=True)])

    return duplicates(table, np.concatenate(features) if features else None, jpegs, steps=steps,
                      not_duplicates=own.curation.not_duplicates, excluded=table["excluded"].to_numpy(),
                      reference=(table["side"] == 1).to_numpy() if against is not None else None)


def _another(folder: Path, workspace: Workspace) -> Path:
    """`folder`, resolved. Raises InputError when it is not there, or when it and the image root overlap."""
    root = folder.resolve()
    if not root.is_dir():
        raise InputError(f"there is no folder {folder}")
    if root.is_relative_to(workspace.images) or workspace.images.is_relative_to(root):
        raise InputError(f"--against {folder} holds this workspace's own images; name another folder")
    return root


def find_quality(workspace: Workspace, *, all: bool = False) -> pd.DataFrame:
    """A row for each image and problem beyond its limit; with `all`, for every image and problem.

    Properties that give the class away are said beside it: they are about no single image. The Overview page shows them too.
    """
    images, curation = inputs.curated(workspace)
    for label, words in sentences(shortcuts(images[~curation.excluded])):
        progress.say(f"a possible shortcut: {label + ' is ' if label else ''}{words}")
    return quality(images, all=all)


def find_noise(workspace: Workspace, *, backbone: str = ALL_PACKAGED, seed: int = 0) -> pd.DataFrame:
    """Every readable image once, the most doubtful label first. `backbone` may be several, joined by '+'."""
    images, _, judged = _judge(workspace, backbone, seed)
    return noise(images.table[["path", "label"]], judged)


def find_outliers(workspace: Workspace, *, backbone: str = DEFAULT) -> pd.DataFrame:
    """Every readable image once, the least typical first: path, label, score."""
    images, features = inputs.with_features(workspace.images, inputs.readable(workspace), backbone)
    table = images.table[["path", "label"]].assign(score=outliers(features, images.table["label"].to_numpy(object)))
    return table.sort_values(["score", "path"], kind="stable", ignore_index=True)


def find_clusters(workspace: Workspace, *, projection: projections.Method = "tsne", clusters: int | None = None,
                  distance: float | None = None, backbone: str = DEFAULT, run: str | None = None,
                  seed: int = 0) -> pd.DataFrame:
    """Every readable image once, in catalog order: path, label, cluster, x, y, sha256.

    By the features of `backbone`, or as a trained `run` sees them (`member_features`). Without `clusters` or `distance` there
    are as many clusters as classes. When the last map was made the same way and has at least four in five of the images, they
    stay where they are and the new ones are placed among them. The tree of the clusters and the means of the classes are kept
    (`map_parts`).
    """
    if run is not None and backbone != DEFAULT:
        raise InputError("--run brings its own backbones: leave --backbone out")
    images = inputs.readable(workspace)
    images, features = (inputs.with_features(workspace.images, images, backbone) if run is None else
                        with_member_features(workspace, images, run))
    if clusters is None and distance is None:
        clusters = min(max(images.table["label"].nunique(), 1), len(features))
    check(len(features), clusters, distance)
    grown = tree(features, seed, clusters or 0)
    points = _last_places(workspace, images.table, {"projection": projection, "backbone": backbone, "run": run, "seed": seed})
    new = np.isnan(points[:, 0])
    if new.mean() > NEW:
        points = projections.project(features, projection, seed)
    elif new.any():
        points[new] = projections.place(features[new], features[~new], points[~new])
    table = images.table[["path", "label"]].assign(cluster=grown.cut(count=clusters, distance=distance), x=points[:, 0],
                                                   y=points[:, 1], sha256=images.table["sha256"])
    used = ~images.excluded
    map_parts.save(workspace, table, map_parts.MapParts(
        grown, classes(features[used], images.table["label"][used].to_numpy(object))))
    return table


def _last_places(workspace: Workspace, images: pd.DataFrame, made: Mapping[str, object]) -> npt.NDArray[np.float32]:
    """(N, 2) where the stored map has the images, by path and content or else by content; NaN unless it was `made` this way."""
    from hai_core import findings  # not above: it imports this module

    card, last = findings.card("clusters", workspace), findings.load("clusters", workspace)
    options = {"projection": "tsne", "backbone": DEFAULT, "run": None, "seed": 0} | (card["options"] if card else {})
    if last is None or "sha256" not in last or {name: options[name] for name in made} != made:
        return np.full((len(images), 2), np.nan, np.float32)
    last = last.set_index(["path", "sha256"])[["x", "y"]]
    places = last.reindex(pd.MultiIndex.from_frame(images[["path", "sha256"]])).to_numpy(np.float32)
    by_content = last.groupby(level="sha256").first().reindex(images["sha256"]).to_numpy(np.float32)
    return np.where(np.isnan(places), by_content, places)


def find_merges(workspace: Workspace, *, backbone: str = ALL_PACKAGED, seed: int = 0) -> pd.DataFrame:
    """Pairs of classes that may be one, the likeliest first: `merges.COLUMNS`, with `series_a` and `series_b` among them."""
    images, features, judged = _judge(workspace, backbone, seed)
    known = (judged.codes >= 0) & ~images.excluded
    table = merges(judged.probabilities[known], features[known], judged.codes[known], judged.classes,
                   frozenset(images.curation.keep_apart))
    place = list(table.columns).index("centroid_distance") + 1
    for name in ("series_b", "series_a"):
        series = [images.curation.series.get(label, "") for label in table[name.replace("series", "class")]]
        table.insert(place, name, pd.Series(series, dtype="str"))
    return table


def _judge(workspace: Workspace, backbone: str, seed: int) -> tuple[inputs.Images, npt.NDArray[np.float32], OutOfFold]:
    """The readable images, their features, and what a classifier says of each that did not learn from it or a copy of it."""
    from hai_core import findings  # not above: it imports this module

    images, features = inputs.with_features(workspace.images, inputs.readable(workspace), backbone)
    grouped = findings.duplicate_groups(workspace).set_index("path")["group"]
    groups = grouped.reindex(images.table["path"]).fillna(-1).to_numpy(np.int64)
    judged = remembered(workspace.findings / "judged.npz", features, images.table["label"], groups, ~images.excluded, seed=seed)
    return images, features, judged
