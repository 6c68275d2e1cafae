"""Averaged weights: those that ship are a mean over the training, not where it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Averaging:
    """One of two means of a model's weights, or none.

    `start`: stochastic weight averaging (Izmailov et al., UAI 2018), the equal mean of the weights at the end of each epoch
    from this share of the epochs (0 .. 1) on. Running statistics (buffers) follow the trained model; batch-norm statistics are
    recomputed for the averaged weights, because no model with those weights has seen data.
    `decay`: exponential moving average (Polyak and Juditsky, 1992): mean <- decay * mean + (1 - decay) * weights after each
    step, statistics too. The decay rises to its value over the first steps, min(decay, (1 + step) / (10 + step)), as in
    TensorFlow, so that the first weights are soon forgotten.
    `learning`: puts a model into training mode; batch norms that stay in evaluation mode keep their statistics.
    """

    def __init__(self, model: nn.Module, start: float | None, epochs: int, decay: float | None = None,
                 learning: Callable[[Any], object] = nn.Module.train) -> None:
        self._model, self._decay, self._learning = model, decay, learning
        self._first = math.inf if start is None else min(math.floor(start * epochs), epochs - 1)
        self._mean: AveragedModel | None = None
        if decay is not None:
            self._mean = AveragedModel(model, multi_avg_fn=self._towards, use_buffers=True)

    def step_done(self) -> None:
        """Take in the weights as they are after a step."""
        if self._decay is not None and self._mean is not None:
            self._mean.update_parameters(self._model)

    def epoch_done(self, epoch: int) -> None:
        """Take in the weights as they are after `epoch` (0-based)."""
        if self._decay is None and epoch >= self._first:
            self._mean = self._mean or AveragedModel(self._model)
            self._mean.update_parameters(self._model)

    def shipped(self, batches: Callable[[], Iterable[Tensor]]) -> nn.Module:
        """The model that would ship now, in evaluation mode; `batches` gives training inputs for batch-norm statistics."""
        if self._mean is None:
            return self._model.eval()
        shipped: nn.Module = self._mean.module
        if self._decay is None:
            self._refresh(shipped, batches)
        return shipped.eval()

    @torch.no_grad()
    def _refresh(self, model: nn.Module, batches: Callable[[], Iterable[Tensor]]) -> None:
        """torch's `update_bn`, which knows no batch norms whose statistics are kept."""
        self._learning(model)
        moving = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm) and module.training}
        if not moving:
            return
        for module in moving:
            module.reset_running_stats()
            module.momentum = None  # an equal mean of all batches
        for inputs in batches():
            model(inputs)
        for module, momentum in moving.items():
            module.momentum = momentum

    def state(self) -> dict[str, Any] | None:
        """What `resume` needs."""
        return None if self._mean is None else self._mean.state_dict()

    def resume(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self._mean = self._mean or AveragedModel(self._model)
        self._mean.load_state_dict(state)

    def _towards(self, means: Any, weights: Any, count: Any) -> None:
        assert self._decay is not None
        assert self._mean is not None
        steps = int(self._mean.n_averaged)  # `count` is a copy of it on the device, which would have to be waited for
        average: Any = get_ema_multi_avg_fn  # without types
        average(min(self._decay, (1 + steps) / (10 + steps)))(means, weights, count)
