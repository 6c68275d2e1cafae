import numpy as np
import pytest
import torch

from hai_core.members import probe


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data():
    """Features of length 1 around overlapping class centres, as a network gives them: all in one corner of the sphere."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 9, 400)
    features = rng.normal(size=(400, 40)) + 0.9 * rng.normal(size=(9, 40))[labels] + 3
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("C", [1.0, 100.0])
def test_probe_reaches_the_solution_of_scikit_learn(data, C):
    from sklearn.linear_model import LogisticRegression

    x, y = data
    rival = LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(x[:300].astype(np.float64), y[:300])
    found = probe.fit(x[:300], y[:300], 9, C=C)
    assert found.converged
    assert np.abs(found.probabilities(x[300:]) - rival.predict_proba(x[300:].astype(np.float64))).max() < 1e-3
    unfinished = probe.fit(x[:300], y[:300], 9, C=C, max_steps=3)
    assert not unfinished.converged
    assert np.abs(unfinished.probabilities(x[300:]) - rival.predict_proba(x[300:].astype(np.float64))).max() > 1e-2


def test_another_start_saves_steps_and_ends_at_the_same_solution(data):
    x, y = data
    neighbour = probe.fit(x[100:], y[100:], 9)
    cold, warm = probe.fit(x[:300], y[:300], 9), probe.fit(x[:300], y[:300], 9, start=neighbour)
    assert warm.steps < cold.steps
    np.testing.assert_allclose(warm.probabilities(x), cold.probabilities(x), atol=1e-3)


def test_a_class_without_images_is_never_likely(data):
    x, y = data
    found = probe.fit(x, y, 11)
    assert found.probabilities(x)[:, 9:].max() < 0.02
    np.testing.assert_allclose(found.probabilities(x).sum(axis=1), 1, atol=1e-5)


def test_the_same_arguments_give_the_same_bits(data):
    x, y = data
    assert (probe.fit(x, y, 9).weight == probe.fit(x, y, 9).weight).all()
