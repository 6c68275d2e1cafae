"""Deal images into folds: classes spread evenly, copies of one photo never apart."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from hai_core.workspace import InputError


def assign(labels: npt.ArrayLike, groups: npt.ArrayLike, n_folds: int, seed: int) -> npt.NDArray[np.int8]:
    """Fold of every image, 0 .. n_folds - 1, shape (N,).

    `labels` (N,) are class names or numbers. `groups` (N,) are duplicate groups: images of one group share a fold; -1
    stands alone. Groups are dealt first, largest first, then single images class by class, each to the fold that holds the
    fewest images of its class (then the fewest images). So a class without groups differs by at most one image between
    folds, and a class with fewer images than folds is left out of some. One pass over the images; the same arguments give
    the same folds.

    Raises InputError when there are fewer groups and single images than folds.
    """
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    group_of = np.asarray(groups)
    order = np.random.default_rng(seed).permutation(len(codes))
    units = _units(group_of, codes, order)
    if len(units) < n_folds:
        raise InputError(f"{len(units)} images that are no copies of each other cannot be dealt into {n_folds} folds")
    folds = np.zeros(len(codes), dtype=np.int8)
    of_class = [[0] * n_folds for _ in classes]
    total = [0] * n_folds
    for unit in units:
        wanted = {int(codes[i]) for i in unit}
        fold = min(range(n_folds), key=lambda f: (sum(of_class[c][f] for c in wanted), total[f]))
        for i in unit:
            folds[i] = fold
            of_class[int(codes[i])][fold] += 1
        total[fold] += len(unit)
    return folds


def _units(groups: npt.NDArray[Any], codes: npt.NDArray[Any], order: npt.NDArray[Any]) -> list[list[int]]:
    """What is dealt as one: groups from the largest, then single images, class by class; otherwise in the given order."""
    grouped: dict[int, list[int]] = defaultdict(list)
    alone: list[list[int]] = []
    for i in order.tolist():
        if groups[i] >= 0:
            grouped[int(groups[i])].append(i)
        else:
            alone.append([i])
    together = sorted(grouped.values(), key=len, reverse=True)
    return together + sorted(alone, key=lambda unit: int(codes[unit[0]]))
