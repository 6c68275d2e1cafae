from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from make_images import image_bytes, make_image
from PIL import Image, ImageOps

from hai_core.findings.keep import Quality, best, has_border, jpeg_step, quality


def images(*rows):
    names = ["label", "format", "width", "height", "colorfulness", "brightness", "excluded"]
    return pd.DataFrame([{"label": "a", "format": "JPEG", "width": 400, "height": 300, "colorfulness": 0.2, "brightness": 0.5,
                          "excluded": False} | row for row in rows], columns=names)


def chosen(steps, *rows, thumbnails=None):
    table = images(*rows)
    thumbnails = np.zeros((len(rows), 64, 64), np.uint8) if thumbnails is None else thumbnails
    return best(range(len(rows)), table, quality(table, np.array(steps, float), thumbnails))


def grey(image):
    return np.asarray(image.convert("L").resize((64, 64), Image.Resampling.BOX))


@pytest.mark.parametrize(("steps", "rows", "kept", "said"), [
    ([40, 10], [{}, {}], 1, "most detail"),
    ([10, 10], [{"width": 200, "height": 150}, {}], 1, "most detail"),
    ([3, 20], [{"width": 100, "height": 75}, {"width": 4000, "height": 3000}], 1, "most detail"),  # a sharp thumbnail
    ([10, 40], [{"colorfulness": 0.0}, {}], 1, "in colour"),
    ([10, 10], [{"colorfulness": 0.0, "width": 800}, {"colorfulness": 0.0}], 0, "most detail"),
    ([np.nan, 60], [{"format": "PNG"}, {}], 0, "most detail"),
    ([np.nan, 5], [{"format": "GIF"}, {}], 1, "most detail"),
    ([10, 10, 10], [{"label": "b"}, {}, {}], 1, "most have its label"),
    ([10, 10], [{}, {}], 0, "first by path"),
    ([10, 60], [{"excluded": True}, {"colorfulness": 0.0}], 1, "excluded the others"),
])
def test_the_image_that_the_others_derive_from_is_kept(steps, rows, kept, said):
    row, reason = chosen(steps, *rows)
    assert row == kept
    assert said in reason


def test_a_border_is_seen_and_counts_against_an_image():
    plain = make_image(1)
    framed = ImageOps.expand(plain, 14, (0, 0, 0))
    thumbnails = np.stack([grey(framed), grey(plain)])
    assert has_border(thumbnails).tolist() == [True, False]
    assert chosen([10, 40], {}, {}, thumbnails=thumbnails) == (1, "kept: it has no border")


def test_a_thing_on_white_has_no_border():
    photo = Image.new("RGB", (320, 240), "white")
    photo.paste(make_image(2, (160, 100)), (80, 70))
    assert not has_border(grey(photo)[None])[0]
    assert not has_border(np.full((1, 64, 64), 90, np.uint8))[0]


def test_jpeg_step_reads_the_header(tmp_path):
    for name, quality_ in (("fine", 95), ("coarse", 40)):
        (tmp_path / name).write_bytes(image_bytes(make_image(0), quality=quality_))
    (tmp_path / "png").write_bytes(image_bytes(make_image(0), "PNG"))
    assert 1 <= jpeg_step(tmp_path / "fine") < jpeg_step(tmp_path / "coarse") < 255
    assert np.isnan(jpeg_step(tmp_path / "png"))
    assert np.isnan(jpeg_step(tmp_path / "gone"))


def test_detail_is_in_bits():
    table = images({}, {"width": 800}, {})
    found = quality(table, np.array([10.0, 10.0, 20.0]), np.zeros((3, 64, 64), np.uint8))
    assert isinstance(found, Quality)
    np.testing.assert_allclose(found.detail - found.detail[0], [0, 1, -1])
