from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hai_core.members.losses import LOSSES, class_weights


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
    assert LOSSES["ce"](logits, labels).mean().item() == pytest.approx(cross)
    assert LOSSES["focal"](logits, labels).mean().item() == pytest.approx(focal)
    assert LOSSES["ce+focal"](logits, labels).mean().item() == pytest.approx((cross + focal) / 2)
    assert focal < cross


@pytest.mark.parametrize("name", LOSSES)
def test_a_smoothed_label_is_the_mean_of_all_classes_labels(name):
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.tensor([0, 3, 1, 2, 2])
    p = logits.softmax(1)
    smooth = torch.stack([-(0.8 * p[i, k].log() + 0.2 / 4 * p[i].log().sum()) for i, k in enumerate(labels)])
    hard = (1 - p[torch.arange(5), labels]) ** 2
    expected = {"ce": smooth, "focal": hard * smooth, "ce+focal": (1 + hard) * smooth / 2}[name]
    torch.testing.assert_close(LOSSES[name](logits, labels, 0.2), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_several_sets_of_labels_give_the_losses_of_each(name):
    logits = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([[0, 3, 1, 2, 2], [1, 1, 0, 2, 3]])
    both = LOSSES[name](logits, labels, 0.1)
    for one in range(2):
        torch.testing.assert_close(both[one], LOSSES[name](logits[one], labels[one], 0.1))


def test_class_weights_are_inverse_effective_numbers_with_mean_one_over_the_images():
    labels = np.array([0] * 8 + [1] * 2)
    effective = [(1 - 0.9**8) / 0.1, (1 - 0.9**2) / 0.1]
    weights = class_weights(labels, 3, 0.9)
    assert (weights[1] / weights[0]).item() == pytest.approx(effective[0] / effective[1])
    assert weights[labels].mean().item() == pytest.approx(1)
    assert class_weights(labels, 3, 0).tolist() == [1, 1, 1]
