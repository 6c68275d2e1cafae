"""A member of frozen mode: stored features -> whitened -> head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hai_core.members.config import Config
from hai_core.members.data import FrozenData, Rows
from hai_core.members.fit import Fitted, fit
from hai_core.members.heads import Linear, head
from hai_core.members.whiten import Whiten

SPREAD = 0.1  # length of what sets the sub-centres of a class apart at the start; the class means have length 1


class FrozenMember(nn.Module):
    """Features (N, D) of a recipe -> logits (N, K).

    A linear head sees vectors of length 1. AdaFace sees them as they come, because their length is the image's quality.
    """

    def __init__(self, config: Config, in_features: int, n_classes: int) -> None:
        super().__init__()
        self.whiten = None if config.whiten is None else Whiten(in_features)
        options = config.adaface or config.arcface
        self.head: nn.Module = Linear(in_features, n_classes) if options is None else head(
            config.head, in_features, n_classes, **options.model_dump())
        self._unit = config.adaface is None

    def prepare(self, features: Tensor) -> Tensor:
        """What the head sees, (N, D)."""
        if self.whiten is not None:
            features = self.whiten(features)
        return normalize(features) if self._unit else features

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.prepare(features))
        return logits


def fit_member(data: FrozenData, train: Rows, validation: Rows, config: Config, n_classes: int, seed: int,
               on_epoch: Callable[[dict[str, float]], None] = lambda row: None) -> tuple[FrozenMember, Fitted]:
    """Train a member on the `train` rows; everything, whitening too, is learned from them alone.

    Nothing of it is random but the order of the images and the views drawn, which `seed` decides: the same arguments and
    number of threads give the same bits on one machine's CPU. Raises InputError as `fit` does.
    """
    member = FrozenMember(config, data.width, n_classes)
    if member.whiten is not None and config.whiten is not None:
        member.whiten.learn(*data.every_view(train), config.whiten)
    prepared = data.mapped(member.prepare)
    _start_at_class_means(member.head, *prepared.every_view(train), config)
    fitted = fit(prepared, member.head, train, validation, config, seed, on_epoch)
    member.head = fitted.model
    return member.eval(), fitted


@torch.no_grad()
def _start_at_class_means(head: nn.Module, features: Tensor, labels: Tensor, config: Config) -> None:
    """First weights: the direction of each class's mean, so that training starts from a nearest-mean classifier."""
    weight = head.linear.weight if isinstance(head, Linear) else head.weight
    assert isinstance(weight, nn.Parameter)
    means = weight.new_zeros(len(weight), features.shape[1]).index_add_(0, labels, normalize(features))
    means = normalize(means) * (config.linear.scale if config.linear is not None else 1.0)
    if weight.ndim == 3:  # sub-centres start apart, or they would stay one
        noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(config.seed)) / weight.shape[2] ** 0.5
        means = means[:, None] + SPREAD * noise * (weight.shape[1] > 1)
    weight.copy_(means)
