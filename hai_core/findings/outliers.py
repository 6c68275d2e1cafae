"""Images unlike the others of their class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hai_core.neighbors import cosine_neighbors

NEIGHBORS = 10
LIMIT = 3.5  # robust standard deviations above the class's typical distance that count as half an outlier
PRIOR_IMAGES = 5  # the whole set's spread counts as much as this many images of the class


def outliers(features: npt.NDArray[np.float32], labels: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """Score (N,), 0 far from everything .. 1 typical, of features (N, D) with labels (N,).

    Method: the mean cosine distance to the 10 nearest images, of any class, as a robust z-score (median and scaled median
    absolute deviation; Iglewicz and Hoaglin, 1993) within the label's images, with the whole set's median and spread mixed in
    for small classes; z of 3.5 gives 0.5. A mislabelled image with good neighbours of another class is no outlier here:
    that is for `noise`. Copies have each other as neighbours and look typical. Fails where a class has several very
    different appearances of few images each.
    """
    if not len(features):
        return np.zeros(0)
    similarity = cosine_neighbors(features, NEIGHBORS)[1]
    if not similarity.shape[1]:
        return np.ones(len(features))
    distance = 1 - similarity.astype(np.float64).mean(axis=1)
    codes = np.unique(labels.astype(str), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    overall = _center_and_spread(distance)
    z = np.empty(len(distance))
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        own = np.array(_center_and_spread(distance[rows]))
        center, spread = (own * len(rows) + np.array(overall) * PRIOR_IMAGES) / (len(rows) + PRIOR_IMAGES)
        z[rows] = (distance[rows] - center) / max(spread, 1e-9)
    return np.asarray(1 / (1 + np.exp(np.clip(z - LIMIT, -50, 50))))


def _center_and_spread(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    median = float(np.median(values))
    return median, 1.4826 * float(np.median(np.abs(values - median)))
