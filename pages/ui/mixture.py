"""How mixed clusters are (where labels are in doubt, or classes overlap), and where their tree can be cut."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hai_core.findings.clusters import Tree

STEPS = 60  # of the slider


def mixture(clusters: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """A row a cluster of two images or more, the most mixed first.

    `clusters`, `labels`: (N,). Columns: cluster, images, classes (how many), purity (share of its largest class), largest
    (that class; of equals, the first by name).
    """
    code, names = pd.factorize(labels, sort=True)
    pair, n = np.unique(clusters.astype(np.int64) * len(names) + code, return_counts=True)
    sizes = pd.DataFrame({"cluster": pair // max(len(names), 1), "label": names[pair % max(len(names), 1)], "n": n})
    by = sizes.sort_values("n", ascending=False, kind="stable").groupby("cluster")  # its most frequent label comes first
    table = pd.DataFrame({"images": by["n"].sum(), "classes": by["label"].count(), "purity": by["n"].max() / by["n"].sum(),
                          "largest": by["label"].first()})
    return table[table["images"] > 1].sort_values(["purity", "images"], ascending=[True, False]).reset_index()


def cuts(tree: Tree, computed: int) -> list[float]:
    """Distances, rising, that cut a tree into about 2 to half as many clusters as it has leaves, and into `computed` ones."""
    merges = len(tree.heights)
    if merges < 2:
        return []
    counts = np.unique([*np.geomspace(2, max((merges + 1) // 2, 2), STEPS).round(), np.clip(computed, 2, merges)]).astype(int)
    between = (tree.heights[merges - counts] + tree.heights[merges - counts + 1]) / 2  # below and above the cut
    return sorted({float(height) for height in between if height > 0})
