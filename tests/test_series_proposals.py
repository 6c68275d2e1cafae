from __future__ import annotations

import itertools

import numpy as np
import pytest

from hai_core.embeddings import SHARD_ROWS
from hai_core.nearest import Features
from hai_core.neighbors import normalize
from hai_core.series_proposals import (
    by_centroids,
    by_names,
    class_centroids,
    continued,
    depth,
    parent,
    parents,
    reach,
    separations,
    subdivide,
)

CARS = [
    "K5_2019", "K5_2021", "더_뉴_K5_2023", "RAV4_5세대_2019_2024", "라브4_4세대_2016_2018", "라브4_5세대_2019_2024",
    "쏘나타_2019", "Sonata_2021", "E_클래스_W213_2017", "E_클래스_W214_2024", "레이_2019", "Ray_2020", "그랜저_2019",
    "3시리즈_G20", "3시리즈_F30", "5시리즈_G60", "<img src=x onerror=alert(1)>", "***", "2019"]


def groups(series):
    return {frozenset(name for name in series if series[name] == called) for called in series.values()}


def test_series_are_the_words_that_names_begin_with_across_scripts():
    series = by_names(CARS, 1)
    assert groups(series) == {
        frozenset({"K5_2019", "K5_2021", "더_뉴_K5_2023"}), frozenset({"쏘나타_2019", "Sonata_2021"}),
        frozenset({"RAV4_5세대_2019_2024", "라브4_4세대_2016_2018", "라브4_5세대_2019_2024"}),
        frozenset({"E_클래스_W213_2017", "E_클래스_W214_2024"}), frozenset({"3시리즈_G20", "3시리즈_F30"})}
    assert series["더_뉴_K5_2023"] == "K5"
    assert series["RAV4_5세대_2019_2024"] == "라브4"
    assert series["E_클래스_W213_2017"] == "E_클래스"


def test_a_word_joins_another_script_only_when_all_of_it_sounds_alike():
    names = ["한빛 아리아 2016", "Hanbit Aria 2017", "한빛 누리 2012", "한빛 누리 2016"]
    assert groups(by_names(names, 2)) == {frozenset(names[:2]), frozenset(names[2:])}
    assert by_names(["레이_2019", "Ray_2020"], 1) == {}


@pytest.mark.parametrize(("names", "words"), [
    (["Hanbit Aria 2016", "Hanbit Aria 2019", "Hanbit Nuri 2016", "Hanbit Nuri 2019"], 2),
    (["K5_2019", "K5_2021", "K7_2019", "K7_2021"], 1), (["Audi A4", "Audi A6", "BMW X3", "BMW X6"], 1), ([], 1), (["a"], 1)])
def test_so_many_words_as_leave_most_classes_a_companion(names, words):
    assert depth(names) == words


def world(seed=0, lines=4, each=3, dim=16):
    """Centres of `lines` well separated series of `each` classes; in the first series the last class is further off."""
    rng = np.random.default_rng(seed)
    line = rng.normal(size=(lines, dim))
    x = np.repeat(line, each, axis=0) + 0.15 * rng.normal(size=(lines * each, dim))
    x[each - 1] += 0.8 * rng.normal(size=dim)
    classes = [f"M{i // each}_{i % each}" for i in range(lines * each)]
    return classes, normalize(x.astype(np.float32)), {name: name.split("_")[0] for name in classes}


def slowly_joined(x, distance):
    """Average linkage by its definition: join the two nearest clusters while they are nearer than `distance`."""
    clusters = [[i] for i in range(len(x))]

    def apart(a, b):
        return np.mean([1 - float(x[i] @ x[j]) for i in a for j in b])

    while len(clusters) > 1:
        a, b = min(itertools.combinations(clusters, 2), key=lambda pair: apart(*pair))
        if apart(a, b) >= distance:
            break
        clusters = [c for c in clusters if c is not a and c is not b] + [a + b]
    return {frozenset(c) for c in clusters}


@pytest.mark.parametrize("distance", [0.01, 0.05, 0.2, 0.6, 1.5])
def test_the_tree_is_that_of_a_slow_reference(distance):
    classes, x, _ = world()
    series = by_centroids(classes, x, distance)
    wanted = {frozenset(classes[i] for i in group) for group in slowly_joined(x, distance) if len(group) > 1}
    assert groups(series) == wanted


def test_the_tree_finds_the_series_and_calls_them_by_shared_words_apart():
    classes, x, true = world()
    assert groups(by_centroids(classes, x, 0.5)) == groups(true)
    assert set(by_centroids(classes, x, 0.5).values()) == set(true.values())
    assert len(groups(by_centroids(classes, x, 0.001))) == 0
    same = [f"K {i}" for i in range(len(classes))]
    assert set(by_centroids(same, x, 0.5).values()) == {"K", "K (2)", "K (3)", "K (4)"}


def test_classes_without_features_are_in_no_series_of_the_tree():
    classes, x, _ = world()
    x[0] = 0
    assert classes[0] not in by_centroids(classes, x, 1.9)
    assert by_centroids([], x[:0], 0.5) == by_centroids(["a"], x[:1], 0.5) == {}


def test_separations_are_those_of_a_slow_reference():
    classes, x, series = world()
    x[4] = 0  # left out
    del series[classes[5]]  # outside of all
    table = separations(classes, x, series)
    assert sorted(table["series"]) == ["M0", "M1", "M2", "M3"]
    assert table["min_to_other"].is_monotonic_increasing
    for row in table.itertuples():
        own = [i for i, name in enumerate(classes) if series.get(name) == row.series and x[i].any()]
        other = [i for i in range(len(classes)) if i not in own and x[i].any()]
        within = [1 - float(x[i] @ x[j]) for i, j in itertools.combinations(own, 2)]
        outside = {i: min(1 - float(x[i] @ x[j]) for j in own) for i in other}
        assert row.classes == len(own)
        assert row.min_to_other == pytest.approx(min(outside.values()), abs=1e-6)
        assert row.nearest == classes[min(outside, key=outside.get)]
        if within:
            assert (row.mean_within, row.min_within) == pytest.approx((np.mean(within), min(within)), abs=1e-6)
        else:
            assert np.isnan(row.mean_within)
            assert np.isnan(row.min_within)


def test_the_reach_is_that_of_a_slow_reference():
    _, x, _ = world()
    apart = [[1 - float(a @ b) for j, b in enumerate(x) if j != i] for i, a in enumerate(x)]
    x = np.concatenate([x, x[:1] * 0])  # a class without features counts for nothing
    assert reach(x) == pytest.approx((np.median([min(row) for row in apart]), max(map(max, apart))), abs=1e-6)
    assert reach(x[:1]) == reach(x[:0]) == (0.0, 0.0)


def test_a_single_series_has_no_other():
    classes, x, _ = world(lines=1)
    table = separations(classes, x, dict.fromkeys(classes, "S"))
    assert np.isnan(table["min_to_other"][0])
    assert table["nearest"][0] == ""
    assert separations(classes, x, {}).empty


@pytest.mark.parametrize("distance", [0.02, 0.1, 0.3])
def test_a_series_is_divided_as_its_own_tree_says(distance):
    classes, x, series = world()
    divided = subdivide(classes, x, series, distance)
    assert divided.keys() == series.keys()
    for called in set(series.values()):
        own = [i for i, name in enumerate(classes) if series[name] == called]
        wanted = {frozenset(classes[own[i]] for i in group) for group in slowly_joined(x[own], distance)}
        assert groups({name: divided[name] for name in series if series[name] == called}) == wanted


def test_parts_are_numbered_the_largest_first_and_can_be_put_together_again():
    classes, x, series = world()
    divided = subdivide(classes, x, series, 0.1)
    assert [divided[name] for name in classes[:3]] == ["M0 / 1", "M0 / 1", "M0 / 2"]
    assert divided[classes[3]] == "M1"  # stays whole
    assert parents(divided) == series
    assert parent("A / B / 12") == "A / B"
    assert parent("A/1") == "A/1"


def test_a_class_without_features_stays_with_the_largest_part():
    classes, x, series = world()
    x[0] = 0
    divided = subdivide(classes, x, series, 0.1)
    assert [divided[name] for name in classes[:3]] == ["M0 / 1", "M0 / 1", "M0 / 2"]
    assert subdivide(classes, x * 0, series, 0.1) == series


@pytest.fixture
def features(tmp_path):
    """Features of 9 images over two shards, one image without, and their rows."""
    x = np.random.default_rng(0).normal(size=(2 * SHARD_ROWS, 5)).astype(np.float32)
    np.save(tmp_path / "00000.npy", x[:SHARD_ROWS])
    np.save(tmp_path / "00001.npy", x[SHARD_ROWS:])
    row = np.array([3, 9, SHARD_ROWS + 2, -1, SHARD_ROWS + 7, 5, 6, SHARD_ROWS, 0])
    parts = [(0, np.array([0, 1, 5, 6, 8])), (1, np.array([2, 4, 7]))]
    scale = np.where(row < 0, 0, 1 / np.linalg.norm(x[row], axis=1)).astype(np.float32)
    return Features(tmp_path, row, parts, scale), normalize(x[row]) * (row >= 0)[:, None]


def test_the_centre_of_a_class_is_the_mean_of_its_images_directions(features):
    stored, x = features
    codes = np.array([0, 1, 1, 0, -1, 0, 1, 3, 0])
    found = class_centroids(stored, codes, 4)
    for code in (0, 1, 3):
        mean = np.sum([row for row, of in zip(x, codes, strict=True) if of == code], axis=0)
        assert found[code] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert not found[2].any()
    assert not class_centroids(stored, np.full(9, -1), 2).any()


def test_a_proposal_goes_on_from_the_series_that_there_are():
    proposal = {"K5_2019": "K5", "K5_2021": "K5", "K5_2023": "K5", "K7_2019": "K7", "K7_2021": "K7"}
    assert continued(proposal, {"K5_2021": "Kia K5", "Q5": "Q"}) == {
        "K5_2019": "Kia K5", "K5_2021": "Kia K5", "K5_2023": "Kia K5", "K7_2019": "K7", "K7_2021": "K7", "Q5": "Q"}
    assert continued({}, {}) == {}
