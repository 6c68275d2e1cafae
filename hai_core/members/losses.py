"""Losses on logits (N, K): each is the mean over the batch, in nats."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p of the label; labels (N,)."""
    return functional.cross_entropy(logits, labels)


def focal(logits: Tensor, labels: Tensor, gamma: float = 2.0) -> Tensor:
    """-(1 - p)^gamma log p: easy images count less (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. 4)."""
    nll = functional.cross_entropy(logits, labels, reduction="none")
    return ((1 - (-nll).exp()) ** gamma * nll).mean()


def cross_entropy_and_focal(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of the two, as in the competition's recipe."""
    return (cross_entropy(logits, labels) + focal(logits, labels)) / 2


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "focal": focal, "ce+focal": cross_entropy_and_focal}
