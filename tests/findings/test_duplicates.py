from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_images import image_bytes, make_image
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from hai_core import catalog
from hai_core.findings.duplicates import COLUMNS, duplicates
from hai_core.findings.keep import jpeg_step

EDITS = {
    "saved anew": lambda image: image,
    "smaller": lambda image: image.resize((160, 120), Image.Resampling.LANCZOS),
    "cropped": lambda image: image.crop((16, 6, 310, 226)),
    "mirrored": ImageOps.mirror,
    "colour": lambda image: ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(1.25)).enhance(0.6),
    "watermark": lambda image: watermark(image),
    "border": lambda image: ImageOps.expand(image, 14, (0, 0, 0)),
    "grey": lambda image: image.convert("L").convert("RGB"),
}
SAID = {"saved anew": "compressed more",
        "smaller": "160 x 120 instead of 320 x 240 pixels", "cropped": "shows less at the edges",
        "mirrored": "mirror image", "colour": "compressed more", "watermark": "compressed more", "border": "with a border",
        "grey": "grey"}


def watermark(image):
    image = image.copy()
    for row in range(0, image.height, 60):
        ImageDraw.Draw(image, "RGBA").text((row, row), "USED CARS 24", fill=(255, 255, 255, 140))
    return image


def save(root: Path, path: str, image: Image.Image, quality: int = 90) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(image_bytes(image, quality=quality))


def search(root, tmp_path, *, alike=(), **options):
    """The groups in a folder; the features of the paths in `alike` are equal, all others at right angles."""
    store = tmp_path / "store"
    table = catalog.scan(root, store, workers=0)
    features = np.eye(len(table), len(table) + 1, dtype=np.float32)
    features[table["path"].isin(alike)] = np.eye(1, len(table) + 1, len(table))
    return duplicates(table, features if alike else None, lambda sha256: catalog.thumbnails(store, sha256),
                      steps=lambda rows: np.array([jpeg_step(root / file) for file in rows["file"]]), **options)


@pytest.fixture
def root(tmp_path):
    """A folder with ten different photos."""
    for number in range(10):
        save(tmp_path / "images", f"c{number % 2}/{number}.jpg", make_image(number))
    return tmp_path / "images"


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_found_and_the_original_kept(root, tmp_path, edit):
    assert search(root, tmp_path).empty
    save(root, "c0/0 copy.jpg", EDITS[edit](make_image(0)), quality=60)
    table = search(root, tmp_path, alike=["c0/0.jpg", "c0/0 copy.jpg"])
    assert table["path"].tolist() == ["c0/0.jpg", "c0/0 copy.jpg"]
    assert table["keep"].tolist() == [True, False]
    assert table["group"].tolist() == [0, 0]
    assert set(table["kind"]) <= {"perceptual", "embedding"}
    assert SAID[edit] in table["reason"][1]


def test_two_photos_are_no_copies_however_alike_their_features(root, tmp_path):
    assert search(root, tmp_path, alike=["c0/0.jpg", "c1/1.jpg", "c0/2.jpg"]).empty


def test_bytes_and_pixels(root, tmp_path):
    make_image(0).save(root / "c0" / "a.png")
    make_image(0).save(root / "c0" / "b.bmp")
    (root / "c1" / "a again.png").write_bytes((root / "c0" / "a.png").read_bytes())
    (root / "c0" / "0.jpg").unlink()
    table = search(root, tmp_path)
    assert list(table.columns) == COLUMNS
    assert dict(zip(table["path"], table["kind"], strict=True)) == {
        "c0/a.png": "exact", "c0/b.bmp": "pixels", "c1/a again.png": "exact"}
    assert table.set_index("path")["reason"].drop("c0/a.png").to_dict() == {
        "c0/b.bmp": "the same pixels in another file", "c1/a again.png": "the same bytes"}
    assert table["cross_class"].all()
    assert (table["distance"] == 0).all()


def test_most_labels_decide_between_equal_files(root, tmp_path):
    for path in ("c1/x.jpg", "c1/y.jpg"):
        (root / path).write_bytes((root / "c0/0.jpg").read_bytes())
    table = search(root, tmp_path)
    assert table.loc[table["keep"], "path"].tolist() == ["c1/x.jpg"]
    assert "most have its label" in table["reason"][0]


def test_an_image_that_a_person_excluded_is_not_the_one_to_keep(root, tmp_path):
    (root / "c0/copy.jpg").write_bytes((root / "c0/0.jpg").read_bytes())
    assert search(root, tmp_path)["path"].tolist() == ["c0/0.jpg", "c0/copy.jpg"]
    paths = catalog.scan(root, tmp_path / "store", workers=0)["path"]
    table = search(root, tmp_path, excluded=(paths == "c0/0.jpg").to_numpy())
    assert table["path"].tolist() == ["c0/copy.jpg", "c0/0.jpg"]
    assert table["keep"].tolist() == [True, False]


def test_copies_of_one_class_are_not_cross_class(root, tmp_path):
    (root / "c0" / "copy.jpg").write_bytes((root / "c0/0.jpg").read_bytes())
    assert not search(root, tmp_path)["cross_class"].any()


def slices(root, *offsets):
    """Views of one wide photo, each shifted."""
    wide = make_image(77, (480, 240))
    for name, offset in zip("abc", offsets, strict=False):
        save(root, f"c0/{name}.jpg", wide.crop((offset, 0, offset + 320, 240)))
    return [f"c0/{name}.jpg" for name in "abc"[:len(offsets)]]


def test_groups_do_not_chain(root, tmp_path):
    views = slices(root, 0, 40)
    assert search(root, tmp_path, alike=views)["path"].tolist() == views
    a, b, c = slices(root, 0, 40, 80)
    assert search(root, tmp_path, alike=[b, c])["path"].tolist() == [b, c]
    (root / b).rename(root / "c0/middle.jpg")
    table = search(root, tmp_path, alike=[a, "c0/middle.jpg", c])
    assert table["path"].tolist() == [a, "c0/middle.jpg"]


def test_not_duplicates_stay_apart_and_a_third_copy_still_joins(root, tmp_path):
    (root / "c0" / "copy.jpg").write_bytes((root / "c0/0.jpg").read_bytes())
    apart = {frozenset({"c0/0.jpg", "c0/copy.jpg"})}
    assert search(root, tmp_path, not_duplicates=apart).empty
    (root / "c0" / "third.jpg").write_bytes((root / "c0/0.jpg").read_bytes())
    assert search(root, tmp_path, not_duplicates=apart)["path"].tolist() == ["c0/0.jpg", "c0/third.jpg"]


def test_each_path_stands_once_and_each_group_has_one_to_keep(root, tmp_path):
    for number, edit in enumerate(["saved anew", "smaller", "colour", "grey"]):
        for source in range(3):
            save(root, f"c1/{source} {edit}.jpg", EDITS[edit](make_image(source)), quality=50 + 7 * number)
    table = search(root, tmp_path)
    assert table["path"].is_unique
    assert table.groupby("group")["keep"].sum().tolist() == [1, 1, 1]
    assert table.groupby("group").size().tolist() == [5, 5, 5]
    assert table.loc[table["keep"], "path"].tolist() == ["c0/0.jpg", "c0/2.jpg", "c1/1.jpg"]
    assert table.groupby("group")["keep"].first().all()


def test_only_copies_of_reference_images_are_grouped_around_them(root, tmp_path):
    save(root, "test/t.jpg", make_image(0), quality=40)  # worse than ours, and kept all the same
    (root / "test/u.jpg").write_bytes((root / "test/t.jpg").read_bytes())
    (root / "c1/copy of 3.jpg").write_bytes((root / "c1/3.jpg").read_bytes())
    store = tmp_path / "store"
    table = catalog.scan(root, store, workers=0)
    found = search(root, tmp_path, reference=table["path"].str.startswith("test/").to_numpy())
    assert found["path"].tolist() == ["test/t.jpg", "c0/0.jpg"]
    assert found["keep"].tolist() == [True, False]
    assert "the other folder" in found["reason"][0]


def test_equal_bytes_in_both_folders_are_found_wherever_they_stand(root, tmp_path):
    for path in ("c0/0 a.jpg", "c0/0 b.jpg", "test/t.jpg"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes((root / "c0/0.jpg").read_bytes())
    table = catalog.scan(root, tmp_path / "store", workers=0)
    found = search(root, tmp_path, reference=table["path"].str.startswith("test/").to_numpy())
    assert found.set_index("path")["keep"].to_dict() == {
        "test/t.jpg": True, "c0/0.jpg": False, "c0/0 a.jpg": False, "c0/0 b.jpg": False}


def test_a_hundred_placeholders_are_one_group(root, tmp_path):
    card = image_bytes(Image.new("RGB", (64, 48), "white"))
    for number in range(100):
        (root / f"c0/card {number:03}.jpg").write_bytes(card)
    table = search(root, tmp_path)
    assert len(table) == 100
    assert table["group"].nunique() == 1


def test_the_same_images_give_the_same_groups(root, tmp_path):
    for edit in ("smaller", "grey"):
        save(root, f"c1/{edit}.jpg", EDITS[edit](make_image(4)), quality=60)
    pd.testing.assert_frame_equal(search(root, tmp_path), search(root, tmp_path))
