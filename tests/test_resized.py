"""The store of resized images: what is kept, resumed, refused and foretold."""

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hai_core import resized
from hai_core.workspace import InputError

SIZES = {"wide 가.png": (90, 60), "tall,'x'.png": (60, 400), "small.png": (20, 30)}


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("HAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(resized.workers, "cores", lambda: 0)  # in this process
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name, (width, height) in SIZES.items():
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(tmp_path / "images" / name)
    hashes = [hashlib.sha256((tmp_path / "images" / name).read_bytes()).hexdigest() for name in SIZES]
    return pd.DataFrame({"path": list(SIZES), "sha256": hashes})


def test_images_are_resized_by_their_short_side_and_very_long_ones_cut(table, tmp_path):
    assert resized.ensure(tmp_path / "images", table, 30).empty
    found = resized.open_(table["sha256"].tolist(), 30)
    assert [found[row].shape for row in range(3)] == [(30, 45, 3), (60, 30, 3), (30, 20, 3)]
    original = np.asarray(Image.open(tmp_path / "images" / "small.png"))
    assert np.array_equal(found[2], original)  # smaller ones stay as they are
    wide = Image.open(tmp_path / "images" / "wide 가.png").resize((45, 30), Image.Resampling.BICUBIC, reducing_gap=3.0)
    assert np.array_equal(found[0], np.asarray(wide))


def test_only_what_is_missing_is_decoded_and_any_order_can_be_asked_for(table, tmp_path):
    resized.ensure(tmp_path / "images", table.iloc[:1], 30)
    first = resized.open_(table["sha256"].tolist()[:1], 30)[0]
    (tmp_path / "images" / table["path"][0]).unlink()
    assert resized.ensure(tmp_path / "images", table, 30).empty
    again = resized.open_([table["sha256"][2], table["sha256"][0], table["sha256"][0]], 30)
    assert np.array_equal(again[1], first)
    assert np.array_equal(again[2], first)


def test_what_a_killed_run_wrote_without_indexing_it_is_written_over(table, tmp_path):
    resized.ensure(tmp_path / "images", table.iloc[:1], 30)
    with open(resized.folder(30) / "00000.bin", "ab") as handle:
        handle.write(b"left over" * 100)
    resized.ensure(tmp_path / "images", table, 30)
    shutil.copy(tmp_path / "images" / "small.png", tmp_path / "copy.png")
    assert np.array_equal(resized.open_([table["sha256"][2]], 30)[0], np.asarray(Image.open(tmp_path / "copy.png")))


def test_a_new_file_begins_when_one_is_full(table, tmp_path, monkeypatch):
    monkeypatch.setattr(resized, "FILE", 100)
    for row in range(3):
        resized.ensure(tmp_path / "images", table.iloc[row:row + 1], 30)
    assert len(list(resized.folder(30).glob("*.bin"))) == 3
    assert resized.open_(table["sha256"].tolist(), 30)[1].shape == (60, 30, 3)


def test_images_that_cannot_be_are_told_with_the_reason(table, tmp_path):
    (tmp_path / "images" / "small.png").write_bytes(b"not an image")
    (tmp_path / "images" / table["path"][0]).unlink()
    bad = table.assign(sha256=[*table["sha256"][:2], hashlib.sha256(b"not an image").hexdigest()])
    told = resized.ensure(tmp_path / "images", bad, 30)
    assert told["path"].tolist() == [table["path"][0], "small.png"]
    assert "not found under" in told["reason"].iloc[0]
    (tmp_path / "images" / table["path"][1]).write_bytes(b"changed")
    other = resized.ensure(tmp_path / "images", table.iloc[1:2].assign(sha256="0" * 64), 30)
    assert other["reason"].tolist() == ["the file changed since it was indexed"]
    with pytest.raises(InputError, match=r"2 of 3 images are not in .*30"):
        resized.open_(bad["sha256"].tolist(), 30)


def test_without_room_nothing_is_written(table, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(resized.shutil, "disk_usage", lambda path: usage(0, 0, 1 << 29))
    with pytest.raises(InputError, match=r"where only 0\.5 GiB are free; make room"):
        resized.ensure(tmp_path / "images", table, 30)
    assert not list(resized.folder(30).glob("*.bin"))


def test_an_image_whose_first_file_is_gone_is_taken_from_its_copy(table, tmp_path):
    shutil.copy(tmp_path / "images" / "small.png", tmp_path / "images" / "copy.png")
    (tmp_path / "images" / "small.png").unlink()
    both = pd.concat([table[2:], table[2:].assign(path="copy.png")])
    assert resized.ensure(tmp_path / "images", both, 30).empty
    assert len(resized.open_(both["sha256"].tolist(), 30)) == 2
