"""Losses on logits (..., K) for labels (...): one loss for each, in nats.

`smoothing` gives that share of the label to all classes alike (Szegedy et al., CVPR 2016).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[..., Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """-log p of the label."""
    losses = functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none", label_smoothing=smoothing)
    return losses.view(labels.shape)


def focal(logits: Tensor, labels: Tensor, smoothing: float = 0.0, gamma: float = 2.0) -> Tensor:
    """(1 - p)^gamma * cross-entropy, p of the label: easy images count less (Lin et al., "Focal Loss for Dense Object
    Detection", ICCV 2017, eq. 4)."""
    plain = cross_entropy(logits, labels)
    smooth = cross_entropy(logits, labels, smoothing) if smoothing else plain
    return (1 - (-plain).exp()) ** gamma * smooth


def cross_entropy_and_focal(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """The mean of the two, as in the competition's recipe."""
    return (cross_entropy(logits, labels, smoothing) + focal(logits, labels, smoothing)) / 2


LOSSES: dict[str, Loss] = {"ce": cross_entropy, "focal": focal, "ce+focal": cross_entropy_and_focal}


def class_weights(labels: npt.NDArray[np.int64], n_classes: int, balance: float) -> Tensor:
    """Weight of each class's images (K,), their mean over the images 1.

    The inverse of the effective number of a class's n images, (1 - balance^n) / (1 - balance): Cui et al., "Class-Balanced
    Loss Based on Effective Number of Samples", CVPR 2019, eq. 2. 0 weighs all images alike.
    """
    counts = np.bincount(labels, minlength=n_classes)
    weights = (1 - balance) / (1 - balance ** np.maximum(counts, 1))
    return torch.from_numpy(np.asarray(weights / (weights * counts).sum() * counts.sum(), dtype=np.float32))
