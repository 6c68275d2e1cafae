"""AdaFace against an independent, slow implementation: one image and one class at a time, in plain Python."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from hai_core.members.heads import AdaFace, ArcFace, Linear


def slow_adaface(features, weight, labels, mean, std, *, m, h, s, t_alpha, training):
    """The paper's algorithm in scalars. Returns (logits, mean, std)."""
    norms = [min(max(math.sqrt(sum(v * v for v in row)), 0.001), 100.0) for row in features]
    if training:
        mean = t_alpha * statistics.fmean(norms) + (1 - t_alpha) * mean
        if len(norms) > 1:
            std = t_alpha * statistics.stdev(norms) + (1 - t_alpha) * std
    logits = []
    for row, norm, label in zip(features, norms, labels, strict=True):
        length = math.sqrt(sum(v * v for v in row))
        z = min(max((norm - mean) / (std + 1e-3) * h, -1.0), 1.0)
        line = []
        for k, w in enumerate(weight):
            cosine = sum(a * b for a, b in zip(row, w, strict=True)) / length / math.sqrt(sum(b * b for b in w))
            cosine = min(max(cosine, -1 + 1e-3), 1 - 1e-3)
            if k == label:
                theta = min(max(math.acos(cosine) - m * z, 1e-3), math.pi - 1e-3)
                cosine = math.cos(theta) - (m * z + m)
            line.append(s * cosine)
        logits.append(line)
    return logits, mean, std


def features_of(norms, seed=0, size=7):
    directions = torch.randn(len(norms), size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return directions / directions.norm(dim=1, keepdim=True) * torch.tensor(norms, dtype=torch.float64)[:, None]


def head(**options):
    torch.manual_seed(1)
    return AdaFace(7, 5, **options).double()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"m": 0.25, "h": 1.0, "s": 32.0, "t_alpha": 0.5}])
def test_margin_logits_equal_the_slow_reference(training, options):
    adaface = head(**options).train(training)
    features, labels = features_of([0.5, 3.0, 20.0, 90.0, 250.0, 0.0005]), [0, 4, 2, 2, 1, 3]
    settings = {"m": 0.4, "h": 0.333, "s": 64.0, "t_alpha": 0.01} | options
    expected, mean, std = slow_adaface(features.tolist(), adaface.weight.tolist(), labels, 20.0, 100.0,
                                       training=training, **settings)
    logits = adaface(features, torch.tensor(labels))
    torch.testing.assert_close(logits, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert adaface.batch_mean.item() == pytest.approx(mean, abs=1e-5)
    assert adaface.batch_std.item() == pytest.approx(std, abs=1e-5)


def test_the_margin_changes_the_given_class_only_and_grows_with_the_norm():
    adaface = head(t_alpha=1e-9, h=100.0).train()
    low, high = (adaface(features_of([norm], seed=3), torch.tensor([2])) for norm in (1.0, 99.0))
    plain = adaface(features_of([1.0], seed=3))
    others = [0, 1, 3, 4]
    torch.testing.assert_close(low[:, others], plain[:, others])
    assert low[0, 2] < plain[0, 2]
    assert not torch.allclose(low[0, 2], high[0, 2])


def test_without_labels_it_is_the_scaled_cosine_also_where_it_is_one():
    adaface = head()
    features = torch.cat([adaface.weight[:1] * 3.0, features_of([5.0])]).detach()
    logits = adaface(features)
    assert logits[0, 0].item() == pytest.approx(64.0)
    cosine = torch.nn.functional.cosine_similarity(features[:, None], adaface.weight[None], dim=2)
    torch.testing.assert_close(logits / 64, cosine)


def test_norm_statistics_move_in_training_mode_only():
    adaface = head()
    labels = torch.tensor([0, 1])
    adaface.eval()(features_of([3.0, 9.0]), labels)
    assert (adaface.batch_mean.item(), adaface.batch_std.item()) == (20.0, 100.0)
    adaface.train()(features_of([3.0, 9.0]))
    assert (adaface.batch_mean.item(), adaface.batch_std.item()) == (20.0, 100.0)
    adaface.train()(features_of([3.0, 9.0]), labels)
    assert adaface.batch_mean.item() == pytest.approx(0.99 * 20 + 0.01 * 6)
    assert adaface.batch_std.item() == pytest.approx(0.99 * 100 + 0.01 * statistics.stdev([3.0, 9.0]))


def test_a_batch_of_one_leaves_the_standard_deviation():
    adaface = head().train()
    logits = adaface(features_of([3.0]), torch.tensor([0]))
    assert adaface.batch_std.item() == 100.0
    assert adaface.batch_mean.item() == pytest.approx(0.99 * 20 + 0.01 * 3)
    assert torch.isfinite(logits).all()


def test_gradients_reach_features_and_weights_but_not_the_quality():
    adaface = head().train()
    features = features_of([5.0, 30.0]).requires_grad_()
    adaface(features, torch.tensor([1, 3])).sum().backward()
    assert adaface.weight.grad is not None
    assert features.grad is not None
    radial = (features.grad * features.detach()).sum(1)  # the norm acts through the quality alone, which is detached
    assert radial.abs().max() < 1e-6 < features.grad.abs().max()


def test_state_has_the_published_names_and_shapes():
    state = AdaFace(7, 5).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == {"weight": (5, 7), "batch_mean": (), "batch_std": ()}


def test_linear_is_the_affine_map():
    linear = Linear(3, 2)
    torch.nn.init.normal_(linear.linear.weight)
    features = torch.randn(4, 3)
    expected = features @ linear.linear.weight.T + linear.linear.bias
    torch.testing.assert_close(linear(features, torch.tensor([0, 1, 0, 1])), expected)


def slow_arcface(features, weight, labels, *, m, s):
    """The papers' equations in scalars: the nearest centre of each class, the margin on the angle to the given class."""
    logits = []
    for row, label in zip(features, labels, strict=True):
        line = []
        for k, centres in enumerate(weight):
            cosine = max(sum(a * b for a, b in zip(row, w, strict=True)) / math.hypot(*row) / math.hypot(*w) for w in centres)
            if k == label:
                cosine = math.cos(min(math.acos(min(max(cosine, -1 + 1e-3), 1 - 1e-3)) + m, math.pi - 1e-3))
            line.append(s * cosine)
        logits.append(line)
    return logits


@pytest.mark.parametrize("subcentres", [1, 3])
def test_arcface_equals_the_slow_reference(subcentres):
    torch.manual_seed(3)
    arcface = ArcFace(7, 5, m=0.4, s=20.0, subcentres=subcentres).double()
    features, labels = features_of([0.5, 3.0, 20.0, 90.0]), [0, 4, 2, 2]
    expected = slow_arcface(features.tolist(), arcface.weight.tolist(), labels, m=0.4, s=20.0)
    torch.testing.assert_close(arcface(features, torch.tensor(labels)), torch.tensor(expected, dtype=torch.float64))
    without = slow_arcface(features.tolist(), arcface.weight.tolist(), [-1] * 4, m=0.4, s=20.0)
    torch.testing.assert_close(arcface(features), torch.tensor(without, dtype=torch.float64))


@pytest.mark.parametrize("make", [AdaFace, ArcFace, Linear])
def test_mixed_images_get_the_margin_for_each_set_of_labels_and_statistics_move_once(make):
    torch.manual_seed(4)
    one, two = make(7, 5).train(), make(7, 5).train()
    two.load_state_dict(one.state_dict())
    features = features_of([5.0, 9.0, 30.0]).float()
    labels = torch.tensor([[0, 1, 4], [3, 1, 2]])
    both = one(features, labels)
    first = two(features, labels[0])
    torch.testing.assert_close(both[0], first)
    assert [(n, b.tolist()) for n, b in one.named_buffers()] == [(n, b.tolist()) for n, b in two.named_buffers()]
    two.eval()
    torch.testing.assert_close(both[1], two(features, labels[1]))
