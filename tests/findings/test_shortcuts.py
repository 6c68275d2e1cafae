from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hai_core.findings.shortcuts import COLUMNS, SHORTCUT, shortcuts


def catalog(n=240, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({
        "status": "ok", "label": [f"c{i % classes}" for i in range(n)], "format": "JPEG", "width": rng.integers(300, 900, n),
        "height": rng.integers(300, 900, n), "size": rng.integers(10_000, 90_000, n), "brightness": rng.random(n),
        "contrast": rng.random(n), "sharpness": rng.random(n), "colorfulness": rng.random(n)})


def below(table):
    return set(table.loc[table["score"] < SHORTCUT, "property"])


def test_properties_that_say_nothing_about_the_class_are_no_shortcut():
    table = shortcuts(catalog())
    assert list(table.columns) == COLUMNS
    assert len(table) == 8
    assert below(table) == set()
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
    assert below(table) == {"bytes" if column == "size" else column}
    assert said in table["reason"][0]
    assert table["score"].is_monotonic_increasing


def test_rare_classes_unreadable_and_unlabelled_images_take_no_part():
    images = catalog()
    images.loc[:9, "status"] = "unreadable"
    images.loc[10:19, "label"] = ""
    images.loc[20:21, "label"] = "rare"
    assert len(shortcuts(images)) == 8
    assert shortcuts(images.assign(label="one")).empty
    assert shortcuts(images.iloc[:0]).empty
