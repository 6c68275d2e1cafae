from __future__ import annotations

import math

import pytest
import torch

from hai_core.members.losses import LOSSES


def slow(logits, labels):
    """(cross-entropy, focal) means, one image at a time."""
    cross, focal = [], []
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        p = math.exp(row[label]) / sum(math.exp(v) for v in row)
        cross.append(-math.log(p))
        focal.append(-((1 - p) ** 2) * math.log(p))
    return sum(cross) / len(cross), sum(focal) / len(focal)


def test_losses_equal_the_slow_reference():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    cross, focal = slow(logits, labels)
    assert LOSSES["ce"](logits, labels).item() == pytest.approx(cross)
    assert LOSSES["focal"](logits, labels).item() == pytest.approx(focal)
    assert LOSSES["ce+focal"](logits, labels).item() == pytest.approx((cross + focal) / 2)
    assert focal < cross
