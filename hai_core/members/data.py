"""What a member learns from: features of a recipe, in every view, and labels.

`fit` sees only the `Data` protocol, so that members which read images instead of stored features fit in beside this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]


class Data(Protocol):
    """Labelled inputs for `fit`. Rows are positions 0 .. N - 1."""

    in_features: int
    labels: Tensor  # (N,) int64

    def training_batches(self, rows: Rows, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of every row once, shuffled and augmented by `generator` alone."""
        ...

    def plain_batches(self, rows: Rows, batch_size: int = 4096) -> Iterator[Tensor]:
        """Inputs of the rows in the given order, without augmentation: what validation and prediction see."""
        ...


class FrozenData:
    """Stored features. `views` are V arrays (N, D), the plain view first; training draws one for each image and epoch."""

    def __init__(self, views: Sequence[Array], labels: npt.NDArray[np.int64]) -> None:
        self._rows, self.in_features = views[0].shape
        self._stacked = torch.from_numpy(np.concatenate(views)) if len(views) > 1 else torch.from_numpy(views[0])
        self._views = len(views)
        self.labels = torch.from_numpy(labels)

    def training_batches(self, rows: Rows, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)]
        view = torch.randint(self._views, (len(rows),), generator=generator)
        for chosen, drawn in zip(torch.split(order, batch_size), torch.split(view, batch_size), strict=True):
            yield self._stacked[chosen + drawn * self._rows], self.labels[chosen]

    def plain_batches(self, rows: Rows, batch_size: int = 4096) -> Iterator[Tensor]:
        for chosen in torch.split(torch.from_numpy(rows), batch_size):
            yield self._stacked[chosen]


def side_by_side(features: Sequence[Array], length: float | None) -> Array:
    """L2-normalised features of several backbones beside each other: B arrays (N, D_b) -> (N, sum of D_b).

    Every row is brought to `length`; with None, to the mean of the image's own B feature norms, which a head such as
    AdaFace reads as the image's quality.
    """
    norms = [np.maximum(np.linalg.norm(part, axis=1, keepdims=True), np.float32(1e-12)) for part in features]
    rows = np.concatenate([part / norm for part, norm in zip(features, norms, strict=True)], axis=1)
    target = np.mean(norms, axis=0) if length is None else np.float32(length)
    return np.asarray(rows * (target / np.sqrt(len(features))), dtype=np.float32)
