"""What is kept beside the table of clusters: the tree they were cut from, to be cut elsewhere, and the mean of every class."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hai_core.findings.class_tree import Classes
from hai_core.findings.clusters import Tree
from hai_core.workspace import Workspace, digest, write_atomic

FILE = "clusters-tree.npz"


@dataclass(frozen=True)
class MapParts:
    """`tree` has the images of the table in its order; `classes` those that were not excluded, by their labels then."""

    tree: Tree
    classes: Classes


def save(workspace: Workspace, table: pd.DataFrame, parts: MapParts) -> None:
    arrays = io.BytesIO()
    np.savez(arrays, of=np.array(_images(table)), leaf=parts.tree.leaf, pairs=parts.tree.pairs, heights=parts.tree.heights,
             names=np.array(parts.classes.names, dtype=str), images=parts.classes.images, means=parts.classes.means)
    write_atomic(workspace.findings / FILE, arrays.getvalue())


def load(workspace: Workspace, table: pd.DataFrame) -> MapParts | None:
    """The parts of this very table; None when there are none, as beside a table of an earlier version."""
    file = workspace.findings / FILE
    if not file.exists():
        return None
    with np.load(file, allow_pickle=False) as stored:
        if str(stored["of"]) != _images(table):
            return None
        return MapParts(Tree(stored["leaf"], stored["pairs"], stored["heights"]),
                        Classes(stored["names"].tolist(), stored["images"], stored["means"]))


def _images(table: pd.DataFrame) -> str:
    """Names the images of a table, their order, and their map, so that a table and parts of two searches are never mixed."""
    places = table[["x", "y"]].to_numpy(np.float32).tobytes().hex()
    return digest("\0".join(table["path"]) + places)
