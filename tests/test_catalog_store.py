from collections.abc import Callable
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from hai_core import catalog

MakeTree = Callable[..., Path]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_thumbnails(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg")
    (images / "a/bad.jpg").write_bytes(b"bad")
    table = catalog.scan(images, store, workers=0)
    found = catalog.thumbnails(store, [*table["sha256"], "none", ""])
    assert set(found) == set(table.loc[table["status"] == "ok", "sha256"])
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in found.values())
    assert catalog.thumbnails(store.parent / "nowhere", ["x"]) == {}


def test_more_thumbnails_than_a_statement_takes(make_tree: MakeTree, store: Path) -> None:
    table = catalog.scan(make_tree("a/1.jpg"), store, workers=0)
    assert len(catalog.thumbnails(store, [*(str(i) for i in range(70_000)), table["sha256"][0]])) == 1


@pytest.mark.parametrize("lost", ["catalog.sqlite", "thumbnails.sqlite", "catalog.parquet"])
def test_a_lost_file_of_the_store_is_made_again(make_tree: MakeTree, store: Path, lost: str) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg")
    table = catalog.scan(images, store, workers=0)
    (store / lost).unlink()
    assert_frame_equal(catalog.scan(images, store, workers=0), table)
    assert len(catalog.thumbnails(store, table["sha256"].tolist())) == 2
    assert (store / lost).exists()
