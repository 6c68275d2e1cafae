from __future__ import annotations

import numpy as np
import pytest

from hai_core.findings.outliers import outliers


def tight_classes(sizes, dim=32, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"class {i}" for i in range(len(sizes))], sizes).astype(object)
    centers = rng.normal(size=(len(sizes), dim)) * 5
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return (centers[codes] + rng.normal(size=(len(codes), dim))).astype(np.float32), labels


def test_the_image_unlike_all_others_scores_lowest():
    features, labels = tight_classes([40, 40, 40])
    before = outliers(features, labels)
    features[50] = np.random.default_rng(9).normal(size=32) * 30
    after = outliers(features, labels)
    assert before[50] > 0.5
    assert after.argmin() == 50
    assert after[50] < 0.05


def test_a_class_that_varies_more_is_not_blamed_for_it():
    rng = np.random.default_rng(1)
    center = rng.normal(size=(2, 32)) * 5
    wide = center[0] + rng.normal(size=(60, 32)) * 4
    narrow = center[1] + rng.normal(size=(60, 32))
    labels = np.array(["wide"] * 60 + ["narrow"] * 60, dtype=object)
    score = outliers(np.concatenate([wide, narrow]).astype(np.float32), labels)
    assert (score[:60] < 0.5).mean() < 0.1


@pytest.mark.parametrize("sizes", [[1], [1, 1], [1, 2, 30]])
def test_small_classes_neither_crash_nor_are_blamed(sizes):
    score = outliers(*tight_classes(sizes))
    assert np.isfinite(score).all()
    assert ((score >= 0) & (score <= 1)).all()


def test_nothing_gives_nothing():
    assert outliers(np.zeros((0, 4), np.float32), np.zeros(0, dtype=object)).shape == (0,)
