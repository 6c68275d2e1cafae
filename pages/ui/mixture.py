"""How mixed clusters are: where labels are in doubt, or classes overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd


def mixture(clusters: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """A row a cluster of two images or more, the most mixed first.

    `clusters`, `labels`: (N,). Columns: cluster, images, classes (how many), purity (share of its largest class), largest
    (that class).
    """
    sizes = pd.DataFrame({"cluster": clusters, "label": labels}).value_counts().rename("n").reset_index()
    by = sizes.groupby("cluster")  # in which the most frequent label comes first
    table = pd.DataFrame({"images": by["n"].sum(), "classes": by["label"].count(), "purity": by["n"].max() / by["n"].sum(),
                          "largest": by["label"].first()})
    return table[table["images"] > 1].sort_values(["purity", "images"], ascending=[True, False]).reset_index()
