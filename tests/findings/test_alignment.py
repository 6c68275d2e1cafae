from __future__ import annotations

import numpy as np
import pytest
import torch
from make_images import image_bytes, make_image
from PIL import Image, ImageOps

from hai_core.findings.alignment import compare, grey


def verdict(first, second):
    images = np.stack([grey(image_bytes(first)), grey(image_bytes(second))])
    return compare(images, np.array([0]), np.array([1]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("box", [(0, 0, 320, 240), (20, 0, 320, 225), (10, 18, 305, 240), (30, 22, 320, 240)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_crop_is_a_copy_and_its_scale_is_found(seed, box, mirrored):
    photo = make_image(seed)
    crop = photo.crop(box)
    found = verdict(photo, ImageOps.mirror(crop) if mirrored else crop)
    assert found.copy[0]
    assert found.mirrored[0] == mirrored
    np.testing.assert_allclose(found.scale[0], [320 / crop.width, 240 / crop.height], atol=0.02)
    assert verdict(crop, photo).scale[0, 0] == pytest.approx(crop.width / 320, abs=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_another_photo_is_none(seed):
    assert not verdict(make_image(seed), make_image(seed + 50)).copy[0]


def test_another_thing_before_the_same_background_is_none():
    """The layout agrees; what is shown does not."""
    scene, other = make_image(3), make_image(3)
    for image, seed in ((scene, 60), (other, 61)):
        image.paste(make_image(seed, (140, 100)), (90, 80))
    assert not verdict(scene, other).copy[0]
    assert verdict(scene, scene.resize((200, 150))).copy[0]


def test_an_even_surface_is_no_copy_of_a_photo_and_nothing_is_compared_for_nothing():
    assert not verdict(Image.new("RGB", (90, 60), (80, 80, 80)), make_image(0)).copy[0]
    none = np.zeros(0, np.int64)
    assert len(compare(np.zeros((1, 64, 64), np.uint8), none, none).copy) == 0


def test_threads_are_left_as_they_were():
    before = torch.get_num_threads()
    verdict(make_image(0), make_image(1))
    assert torch.get_num_threads() == before
