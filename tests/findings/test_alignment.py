from __future__ import annotations

import numpy as np
import pytest
import torch
from make_images import image_bytes, make_image
from PIL import Image, ImageOps

from hai_core.findings import alignment
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


@pytest.mark.parametrize("side", [16, 64])
def test_sampling_is_that_of_pytorch(side):
    generator = np.random.default_rng(side)
    image = generator.random((5, 2, side, side)).astype(np.float32)
    spread = generator.uniform((0.75, 0.75, -0.3, -0.3), (1.33, 1.33, 0.3, 0.3), (5, 4))
    placement = spread.astype(np.float32)
    centers = (torch.arange(side) + 0.5) / side * 2 - 1
    x, y = (torch.from_numpy(placement[:, axis, None]) * centers + torch.from_numpy(placement[:, 2 + axis, None])
            for axis in (0, 1))
    grid = torch.stack([x[:, None].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], -1)
    sampled, inside = alignment._sample(image, placement)
    expected = torch.nn.functional.grid_sample(torch.from_numpy(image), grid, align_corners=False, padding_mode="border")
    np.testing.assert_allclose(sampled, expected, atol=2e-5)
    np.testing.assert_array_equal(inside, (grid.abs() <= 1 - 1 / side).all(-1))


def test_a_pair_does_not_depend_on_the_others():
    photos = [make_image(seed) for seed in range(9)]
    images = np.stack([grey(image_bytes(image)) for photo in photos for image in (photo, photo.crop((12, 9, 320, 230)))])
    a, b = (np.repeat(np.arange(18), 18), np.tile(np.arange(18), 18))
    together, alone = compare(images, a, b), [compare(images, a[i:i + 1], b[i:i + 1]) for i in range(len(a))]
    assert together.copy.sum() == 36
    np.testing.assert_array_equal(together.copy, [found.copy[0] for found in alone])
    np.testing.assert_allclose(together.scale, [found.scale[0] for found in alone], atol=1e-4)
