"""Stochastic weight averaging (Izmailov et al., UAI 2018): the weights that ship are the mean of the last epochs' weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn


class Averaging:
    """The equal mean of a model's weights at the end of each epoch from a share of the epochs on.

    `start` is that share, 0 .. 1; None never averages. Running statistics (buffers) follow the trained model; batch-norm
    statistics are recomputed for the averaged weights, because no model with those weights has seen data.
    """

    def __init__(self, model: nn.Module, start: float | None, epochs: int) -> None:
        self._model = model
        self._first = math.inf if start is None else min(math.floor(start * epochs), epochs - 1)
        self._mean: AveragedModel | None = None

    def epoch_done(self, epoch: int) -> None:
        """Take in the weights as they are after `epoch` (0-based)."""
        if epoch >= self._first:
            self._mean = self._mean or AveragedModel(self._model)
            self._mean.update_parameters(self._model)

    def shipped(self, batches: Callable[[], Iterable[Tensor]]) -> nn.Module:
        """The model that would ship now, in evaluation mode; `batches` gives training inputs for batch-norm statistics."""
        if self._mean is None:
            return self._model.eval()
        if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self._mean.modules()):
            with torch.no_grad():
                update_bn(batches(), self._mean)
        shipped: nn.Module = self._mean.module
        return shipped.eval()
