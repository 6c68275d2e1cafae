"""How far probabilities can be trusted: how often the first choice is right, by how sure it is.

The temperature that puts them right is `probabilities.temperature`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hai_core.probabilities import Floats, Labels


def reliability(probabilities: Floats, labels: Labels, bins: int = 15) -> pd.DataFrame:
    """One row for each of `bins` equal-width bins of confidence, the probability (0 .. 1) of the first choice.

    Columns: low, high (edges), images, confidence (mean, NaN in an empty bin), accuracy (share right, NaN in an empty bin).
    Calibrated probabilities have confidence = accuracy in every bin.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)  # bins are (low, high]
    images = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=confidence, minlength=bins) / images
        share = np.bincount(place, weights=right, minlength=bins) / images
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": images, "confidence": mean, "accuracy": share})


def ece(probabilities: Floats, labels: Labels, bins: int = 15) -> float:
    """Expected calibration error: mean |confidence - accuracy| of `reliability`'s bins, weighted by images; 0 is perfect."""
    table = reliability(probabilities, labels, bins)
    gap = (table["confidence"] - table["accuracy"]).abs().fillna(0)
    return float((gap * table["images"]).sum() / table["images"].sum())
