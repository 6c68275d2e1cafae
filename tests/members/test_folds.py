import time

import numpy as np
import pytest

from hai_core.members import folds
from hai_core.workspace import InputError


def test_classes_are_spread_evenly():
    labels = np.repeat(np.arange(40), np.arange(1, 41))
    dealt = folds.assign(labels, np.full(len(labels), -1), 5, seed=0)
    counts = np.zeros((40, 5), int)
    np.add.at(counts, (labels, dealt), 1)
    assert (counts.max(1) - counts.min(1) <= 1).all()
    assert counts.sum(0).max() - counts.sum(0).min() <= 1
    assert dealt.dtype == np.int8


def test_groups_stay_whole_and_classes_still_balance():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 30, 3000)
    groups = np.where(rng.random(3000) < 0.3, rng.integers(0, 250, 3000), -1)
    dealt = folds.assign(labels, groups, 5, seed=0)
    for group in range(250):
        assert len(set(dealt[groups == group])) <= 1
    split_at_random = rng.integers(0, 5, 3000)
    assert any(len(set(split_at_random[groups == group])) > 1 for group in range(250))
    counts = np.zeros((30, 5), int)
    np.add.at(counts, (labels, dealt), 1)
    assert (counts.max(1) - counts.min(1)).max() <= 6  # groups here span classes at random, the hardest case
    assert np.bincount(dealt).max() / np.bincount(dealt).min() < 1.05


def test_classes_smaller_than_the_number_of_folds_survive():
    labels = np.array(["only"] + ["two"] * 2 + ["many"] * 50)
    dealt = folds.assign(labels, np.full(53, -1), 5, seed=3)
    assert len(set(dealt[1:3])) == 2
    assert set(dealt) == set(range(5))


def test_the_seed_decides_and_names_or_numbers_do_not_matter():
    labels = np.random.default_rng(0).integers(0, 9, 500)
    alone = np.full(500, -1)
    first = folds.assign(labels, alone, 5, seed=7)
    assert (first == folds.assign(labels, alone, 5, seed=7)).all()
    assert (first == folds.assign(labels.astype(str), alone, 5, seed=7)).all()
    assert (first != folds.assign(labels, alone, 5, seed=8)).any()


def test_one_group_larger_than_a_fold_is_still_whole():
    groups = np.array([0] * 60 + [-1] * 40)
    dealt = folds.assign(np.zeros(100, int), groups, 5, seed=0)
    assert len(set(dealt[:60])) == 1
    assert np.bincount(dealt, minlength=5).min() == 10


def test_too_few_images_to_deal():
    with pytest.raises(InputError, match="3 images that are no copies of each other cannot be dealt into 5 folds"):
        folds.assign([0, 0, 1, 1], [0, 0, -1, -1], 5, seed=0)


def test_thirty_three_thousand_images_take_well_under_a_second_each_ten_thousand():
    rng = np.random.default_rng(0)
    began = time.monotonic()
    folds.assign(rng.integers(0, 396, 33_000), np.where(rng.random(33_000) < 0.1, rng.integers(0, 1500, 33_000), -1), 5, seed=0)
    assert time.monotonic() - began < 3
