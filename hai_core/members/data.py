"""What a member learns from: features of a recipe in every view, and labels.

`fit` sees only the `Data` protocol, so that members which read images instead of stored features fit in beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

BLOCK = 4096  # rows taken through a model at once outside training


class Data(Protocol):
    """Labelled inputs for `fit`. Rows are positions 0 .. N - 1."""

    labels: Tensor  # (N,) int64

    def training_batches(self, rows: Rows, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """(inputs, labels) of every row once, shuffled and augmented by `generator` alone."""
        ...

    def plain_batches(self, rows: Rows) -> Iterator[Tensor]:
        """Inputs of the rows in the given order, without augmentation: what validation and prediction see."""
        ...


class FrozenData:
    """Stored features: `views` are V arrays (N, D), the plain view first; training draws one for each image and epoch."""

    def __init__(self, views: Sequence[Array], labels: npt.NDArray[np.int64]) -> None:
        self.features = torch.from_numpy(np.concatenate(views) if len(views) > 1 else views[0])  # (V * N, D)
        self.labels = torch.from_numpy(labels)
        self.width = self.features.shape[1]
        self._views, self._images = len(views), len(labels)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> FrozenData:
        """The same images with `change` (B, D) -> (B, D) applied to all features."""
        other = FrozenData.__new__(FrozenData)
        other.__dict__.update(self.__dict__)
        with torch.inference_mode():
            other.features = torch.cat([change(block) for block in torch.split(self.features, BLOCK)])
        return other

    def training_batches(self, rows: Rows, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)]
        view = torch.randint(self._views, (len(rows),), generator=generator)
        for chosen, drawn in zip(torch.split(order, batch_size), torch.split(view, batch_size), strict=True):
            yield self.features[chosen + drawn * self._images], self.labels[chosen]

    def plain_batches(self, rows: Rows) -> Iterator[Tensor]:
        for chosen in torch.split(torch.from_numpy(rows), BLOCK):
            yield self.features[chosen]

    def every_view(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Features and labels of the rows in all views, (V * len(rows), D) and (V * len(rows),)."""
        chosen = torch.from_numpy(rows)
        views = torch.cat([chosen + view * self._images for view in range(self._views)])
        return self.features[views], self.labels[chosen].repeat(self._views)


def side_by_side(features: Sequence[Array], own_length: bool) -> Array:
    """L2-normalised features of several backbones beside each other: B arrays (N, D_b) -> (N, sum of D_b).

    Rows have length 1; with `own_length`, the mean of the image's own B feature norms, which a head such as AdaFace reads
    as the image's quality.
    """
    norms = [np.maximum(np.linalg.norm(part, axis=1, keepdims=True), np.float32(1e-12)) for part in features]
    rows = np.concatenate([part / norm for part, norm in zip(features, norms, strict=True)], axis=1)
    length = np.mean(norms, axis=0) if own_length else np.float32(1)
    return np.asarray(rows * (length / np.sqrt(len(features))), dtype=np.float32)
