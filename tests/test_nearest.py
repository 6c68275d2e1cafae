"""Nearest images by stored features: exact, whatever else is in the stores, and without a model."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from hai_core import nearest
from hai_core.embeddings import SHARD_ROWS
from hai_core.neighbors import cosine_neighbors


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Function (folder name, {content hash: features}, first row): adds them to a store as `embeddings.embed` lays it out."""
    monkeypatch.setenv("HAI_CACHE", str(tmp_path))

    def add(name, features, first=0):
        folder = tmp_path / "embeddings" / name
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / "index.sqlite")) as db, db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE IF NOT EXISTS rows (sha256 TEXT PRIMARY KEY, row INTEGER NOT NULL UNIQUE) WITHOUT ROWID")
            db.executemany("INSERT INTO rows VALUES (?, ?)", zip(features, range(first, first + len(features)), strict=True))
        for row, vector in enumerate(features.values(), first):
            file = folder / f"{row // SHARD_ROWS:05d}.npy"
            shard = np.load(file) if file.exists() else np.zeros((SHARD_ROWS, len(vector)), np.float32)
            shard[row % SHARD_ROWS] = vector
            np.save(file, shard)

    return add


def vectors(n, dim=8, seed=0):
    lengths = np.linspace(0.5, 4, n, dtype=np.float32)[:, None]
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32) * lengths


def test_they_are_those_of_all_cosines_also_across_shards_and_among_other_images(store):
    x = vectors(12)
    known = {f"{i:02d}": row for i, row in enumerate(x)}
    store("tf_efficientnet_lite0-center-1", {"other": x[3] + 0.01}, 100)
    store("tf_efficientnet_lite0-center-1", known, SHARD_ROWS - 5)
    names = [f"{i:02d}" for i in range(12)]
    features = nearest.stored(names)
    expected, similarity = cosine_neighbors(x, 4)
    assert len(features.parts) == 2
    found, close = nearest.nearest(features, np.arange(12), 4)
    assert found.tolist() == expected.tolist()
    assert close == pytest.approx(similarity, abs=1e-5)
    np.testing.assert_array_equal(nearest.nearest(features, np.array([7, 2]), 4)[0], expected[[7, 2]])


def test_images_without_features_are_nobodys_neighbours(store):
    x = vectors(3)
    store("tf_efficientnet_lite0-center-1", {"a": x[0], "b": x[1], "c": x[2]})
    features = nearest.stored(["a", "new", "b", "", "c"])
    found, similarity = nearest.nearest(features, np.array([0, 1]), 9)
    assert set(found[0].tolist()) == {2, 4}
    assert set(found[1].tolist()) < {0, 2, 4}
    assert similarity[1].tolist() == [0, 0]


def test_a_copy_is_nearest_and_features_of_zeros_are_like_nothing(store):
    store("tf_efficientnet_lite0-center-1", {"a": np.float32([1, 0]), "b": np.float32([1, 1]), "z": np.float32([0, 0])})
    [found], [similarity] = nearest.nearest(nearest.stored(["a", "z", "b", "a"]), np.array([0]), 3)
    assert found.tolist() == [3, 2, 1]
    assert similarity == pytest.approx([1, 0.5**0.5, 0])


def test_a_single_image_is_like_no_other(store):
    store("tf_efficientnet_lite0-center-1", {"a": np.float32([1, 0])})
    assert nearest.nearest(nearest.stored(["a"]), np.array([0]), 5)[0].shape == (1, 0)


def test_the_store_with_most_of_the_images_is_taken_and_the_default_backbone_where_they_tie(store):
    store("a-center-1", {"a": np.float32([1, 0]), "b": np.float32([1, 1])})
    store("tf_efficientnet_lite0-center-1", {"a": np.float32([1, 0])})
    store("tf_efficientnet_lite0-mirror-1", {name: np.float32([1, 0]) for name in "abc"})
    assert nearest.stored(["a", "b", "c"]).folder.name == "a-center-1"
    assert nearest.stored(["a"]).folder.name == "tf_efficientnet_lite0-center-1"


def test_without_stored_features_there_is_nothing(store):
    assert nearest.stored(["a"]) is None
    store("a-center-1", {"b": np.float32([1, 0])})
    assert nearest.stored(["a"]) is None
