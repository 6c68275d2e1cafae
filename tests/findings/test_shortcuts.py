from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hai_core.findings.shortcuts import BIN, COLUMNS, _bins, _class_scores, _folds, _told, sentences, shortcuts


def catalog(n=240, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "status": "ok", "label": [f"c{i % classes}" for i in range(n)], "format": "JPEG", "width": rng.integers(300, 900, n),
        "height": rng.integers(300, 900, n), "size": rng.integers(10_000, 90_000, n), "brightness": rng.random(n),
        "contrast": rng.random(n), "sharpness": rng.random(n), "colorfulness": rng.random(n)})


def found(table):
    return set(table.loc[table["overall"] | table["classes"].map(len).gt(0), "property"])


def test_properties_that_say_nothing_about_the_class_are_no_shortcut():
    table = shortcuts(catalog())
    assert list(table.columns) == COLUMNS
    assert len(table) == 8
    assert found(table) == set()
    assert table["chance"].eq(0.25).all()


@pytest.mark.parametrize(("column", "value", "said"), [
    ("brightness", {"c0": 0.2, "c1": 0.4, "c2": 0.6, "c3": 0.8}, "the brightness alone tells the class of"),
    ("format", {"c0": "PNG", "c1": "JPEG", "c2": "WEBP", "c3": "BMP"}, "the file format alone tells the class of 100%"),
    ("size", {"c0": 10_000, "c1": 10_000, "c2": 50_000, "c3": 90_000}, "the file size alone"),
])
def test_a_property_that_gives_the_class_away_is_found(column, value, said):
    images = catalog()
    given = images["label"].map(value)
    images[column] = given if column == "format" else given + np.random.default_rng(1).normal(0, 1e-3, len(images)) * given
    table = shortcuts(images)
    assert found(table) == {"bytes" if column == "size" else column}
    assert said in sentences(table)[0][1]
    assert sentences(table)[0][0] == ""
    assert table["score"].is_monotonic_increasing


def test_rare_classes_unreadable_and_unlabelled_images_take_no_part():
    images = catalog()
    images.loc[:9, "status"] = "unreadable"
    images.loc[10:19, "label"] = ""
    images.loc[20:21, "label"] = "rare"
    assert len(shortcuts(images)) == 8
    assert shortcuts(images.assign(label="one")).empty
    assert shortcuts(images.iloc[:0]).empty


def test_a_property_that_sets_one_class_of_many_apart_is_found_and_names_it():
    images = catalog(n=600, classes=24)
    assert found(shortcuts(images)) == set()
    dark = images["label"] == "c5"
    images.loc[dark, "brightness"] = np.random.default_rng(2).uniform(-0.1, 0, dark.sum())
    table = shortcuts(images).set_index("property")
    assert table["score"]["brightness"] > 0.9  # one class in 24: the accuracy over all images hardly tells
    assert table["classes"].to_dict() == {name: ["c5"] if name == "brightness" else [] for name in table.index}
    assert sentences(table.reset_index()) == [("c5", "set apart by brightness alone")]


def test_a_class_is_said_once_with_all_that_sets_it_apart():
    images = catalog(n=600, classes=24)
    odd = images["label"] == "c5"
    images.loc[odd, "brightness"] = np.random.default_rng(2).uniform(-0.1, 0, odd.sum())
    images.loc[odd, "size"] //= 100
    images.loc[odd, "format"] = "PNG"
    [(label, words)] = sentences(shortcuts(images))
    assert label == "c5"
    assert words.startswith("set apart by ")
    assert {"brightness", "file size", "file format"} == set(words[13:-6].replace(" or ", ", ").split(", "))
    assert words.count(" or ") == 1
    assert sentences(shortcuts(images[:0])) == []


def test_of_many_classes_that_are_set_apart_some_are_named_and_the_others_counted():
    images = catalog(n=600, classes=24)
    images["brightness"] = images["label"].str[1:].astype(int) + np.random.default_rng(3).uniform(0, 0.5, 600)
    said = sentences(shortcuts(images))
    assert [name for name, _ in said] == ["", "c0", "c1", "c10", "c11", ""]
    assert said[-1][1] == "20 more classes are set apart by such a property alone"


def test_in_a_lopsided_set_the_large_class_is_not_told_by_being_large():
    images = catalog(n=400, classes=2)
    images["label"] = ["large" if i % 20 else "small" for i in range(400)]
    assert found(shortcuts(images)) == set()
    images.loc[images["label"] == "small", "format"] = "PNG"
    assert shortcuts(images).set_index("property")["classes"]["format"] == ["large", "small"]


@pytest.mark.parametrize("n", [12, 24, 60])
def test_few_images_give_no_finding_by_luck(n):
    lucky = sum(len(found(shortcuts(catalog(n=n, classes=2, seed=seed)))) for seed in range(40))
    assert lucky <= 40 * 8 * 0.02


def test_a_class_is_scored_as_the_formula_says():
    told, labels = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 2])
    f1 = 2 * 2 / (3 + 2), 2 * 2 / (2 + 3), 1.0
    chance = 2 * 3 / 9, 2 * 2 / 8, 2 * 1 / 7
    expected = [1 - (a - b) / (1 - b) for a, b in zip(f1, chance, strict=True)]
    assert _class_scores(told, labels) == pytest.approx(expected)


def test_equal_values_share_a_bin_and_others_lie_in_order():
    value = np.concatenate([np.zeros(50), np.random.default_rng(0).random(350)])
    bins = _bins(value)
    assert len(set(bins[:50])) == 1
    assert (np.diff(bins[np.argsort(value)]) >= 0).all()
    assert sorted(np.bincount(bins))[-2] <= BIN


def test_an_image_is_called_what_most_of_its_bin_are_in_the_other_folds():
    rng = np.random.default_rng(0)
    bins, labels = rng.integers(0, 12, 90), rng.integers(0, 4, 90)
    fold = _folds(labels, 0)
    for label in range(4):
        assert np.ptp(np.bincount(fold[labels == label], minlength=3)) <= 1
    for i, told in enumerate(_told(bins, labels, fold)):
        others = labels[(fold != fold[i]) & (bins == bins[i])]
        votes = np.bincount(others if len(others) else labels[fold != fold[i]], minlength=4)
        assert told == votes.argmax()
