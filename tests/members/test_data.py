import numpy as np
import pytest
import torch

from hai_core.members.data import FrozenData, side_by_side


def views(n=10, d=3):
    plain = np.arange(n * d, dtype=np.float32).reshape(n, d)
    return [plain, plain + 1000]


def images(data, seed):
    return torch.cat([inputs for inputs, _ in batches(data, seed)])


def batches(data, seed, size=4, rows=None):
    rows = np.arange(10) if rows is None else rows
    return list(data.training_batches(rows, size, torch.Generator().manual_seed(seed)))


def test_every_row_comes_once_an_epoch_with_its_own_label():
    data = FrozenData(views()[:1], np.arange(10))
    seen = torch.cat([labels for _, labels in batches(data, 0)])
    assert sorted(seen.tolist()) == list(range(10))
    assert seen.tolist() != list(range(10))
    for inputs, labels in batches(data, 0):
        assert (inputs[:, 0] == labels * 3).all()
    assert [len(labels) for _, labels in batches(data, 0)] == [4, 4, 2]


def test_one_view_is_drawn_for_each_image_and_both_occur():
    data = FrozenData(views(), np.arange(10))
    inputs = torch.cat([inputs for inputs, _ in batches(data, 0)])
    mirrored = inputs[:, 0] >= 1000
    assert 0 < mirrored.sum() < 10
    assert sorted((inputs[:, 0] % 1000).tolist()) == [3 * i for i in range(10)]


def test_the_generator_alone_decides():
    data = FrozenData(views(), np.arange(10))
    torch.manual_seed(1)
    first = images(data, 5)
    torch.manual_seed(2)
    assert torch.equal(first, images(data, 5))
    assert not torch.equal(first, images(data, 6))


def test_only_the_rows_asked_for_come():
    data = FrozenData(views(), np.arange(10))
    rows = np.array([7, 2, 5])
    assert sorted(torch.cat([labels for _, labels in batches(data, 0, rows=rows)]).tolist()) == [2, 5, 7]
    assert torch.cat(list(data.plain_batches(rows)))[:, 0].tolist() == [21, 6, 15]
    features, labels = data.every_view(rows)
    assert features[:, 0].tolist() == [21, 6, 15, 1021, 1006, 1015]
    assert labels.tolist() == [7, 2, 5, 7, 2, 5]


def test_a_change_applies_to_all_views_and_leaves_the_original():
    data = FrozenData(views(), np.arange(10))
    doubled = data.mapped(lambda block: block * 2)
    assert torch.equal(doubled.features, data.features * 2)
    assert torch.equal(doubled.labels, data.labels)
    assert data.features[0, 1] == 1


def test_backbones_count_equally_side_by_side_whatever_their_scale():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 4)).astype(np.float32), 1000 * rng.normal(size=(5, 6)).astype(np.float32)
    rows = side_by_side([a, b], own_length=False)
    assert rows.shape == (5, 10)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
    assert np.allclose(np.linalg.norm(rows[:, :4], axis=1), np.sqrt(0.5))
    assert np.allclose(rows[:, :4] * np.sqrt(2), a / np.linalg.norm(a, axis=1, keepdims=True), atol=1e-6)
    assert rows.dtype == np.float32


def test_own_length_is_the_mean_norm():
    a, b = np.array([[3, 4]], np.float32), np.array([[0, 15]], np.float32)
    assert np.linalg.norm(side_by_side([a, b], own_length=True)) == pytest.approx(10)


def test_an_image_without_features_stays_zero():
    assert (side_by_side([np.zeros((1, 3), np.float32)], own_length=False) == 0).all()
