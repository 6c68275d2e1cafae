import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hai_core.members.whiten import Whiten


def data(n=600, d=12, k=4, seed=0):
    """Classes whose means differ slightly while all share a strong, slanted spread."""
    rng = np.random.default_rng(seed)
    slant = rng.normal(size=(d, d)) * np.geomspace(3, 0.3, d)
    labels = np.repeat(np.arange(k), n // k)
    x = rng.normal(size=(n, d)) @ slant.T + 0.3 * rng.normal(size=(k, d))[labels]
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(labels)


def within_covariance(x, labels):
    """Slow and obvious."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for c in np.unique(labels):
        centred = x[labels == c] - x[labels == c].mean(0)
        for row in centred:
            total += np.outer(row, row)
    return total / (len(x) - len(np.unique(labels)))


def test_the_spread_within_classes_becomes_round():
    x, labels = data()
    whitened = Whiten(12).learn(x, labels, 1e-6)(x)
    assert np.allclose(within_covariance(whitened.numpy(), labels.numpy()), np.eye(12), atol=0.05)
    assert np.abs(within_covariance(x.numpy(), labels.numpy()) - np.eye(12)).max() > 1


@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 1.0])
def test_distances_are_mahalanobis_distances_of_the_shrunk_covariance(shrinkage):
    x, labels = data()
    whitened = Whiten(12).learn(x, labels, shrinkage)(x).numpy()
    c = within_covariance(x.double().numpy(), labels.numpy())
    inverse = np.linalg.inv((1 - shrinkage) * c + shrinkage * np.trace(c) / 12 * np.eye(12))
    for i, j in ((0, 1), (3, 500), (200, 17)):
        difference = (x[i] - x[j]).double().numpy()
        assert ((whitened[i] - whitened[j]) ** 2).sum() == pytest.approx(difference @ inverse @ difference, rel=5e-3)


def test_nearest_whitened_mean_is_linear_discriminant_analysis():
    x, labels = data()
    whitened = Whiten(12).learn(x, labels, 0.3)(x)
    means = torch.stack([whitened[labels == c].mean(0) for c in range(4)])
    nearest = torch.cdist(whitened, means).argmin(1).numpy()
    # scikit-learn divides the covariance by N and shrinks as here
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(x.numpy(), labels.numpy()).predict(x.numpy())
    assert (nearest == reference).mean() > 0.97
    plain = torch.cdist(x, torch.stack([x[labels == c].mean(0) for c in range(4)])).argmin(1)
    assert (plain == labels).float().mean() + 0.1 < (torch.from_numpy(nearest) == labels).float().mean()


def test_fewer_images_than_features_and_classes_of_one():
    x, labels = data(n=8, d=12)
    assert torch.isfinite(Whiten(12).learn(x, labels, 0.3)(x)).all()
    alone = Whiten(12).learn(x[:3], torch.arange(3), 0.3)
    assert torch.allclose(alone(x), x - x[:3].mean(0))


def test_tiny_and_huge_features_are_the_same_after_whitening():
    x, labels = data()
    small, large = (Whiten(12).learn(x * factor, labels, 0.3)(x * factor) for factor in (1e-4, 1e4))
    assert torch.allclose(small, large, atol=2e-2, rtol=2e-2)


def test_only_what_was_learned_from_counts():
    x, labels = data()
    learned = Whiten(12).learn(x[:300], labels[:300], 0.3)
    again = Whiten(12)
    again.load_state_dict(learned.state_dict())
    assert torch.equal(again(x), learned(x))
