"""Every change against timm's, which works on one PIL image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from hai_core.backbones import timm
from hai_core.members import randaugment
from hai_core.members.images import seed_all
from hai_core.members.randaugment import CHANGES, MOST, NOTHING, SIGNED, SIGNLESS, apply, draw

NAMES = [*SIGNLESS, *SIGNED]
COLOUR = (124, 116, 104)


@pytest.fixture
def images() -> torch.Tensor:
    """Smooth pictures: how an edge falls between pixels is not what is compared."""
    rng = np.random.default_rng(3)
    small = [Image.fromarray(pixels) for pixels in rng.integers(0, 256, (6, 4, 5, 3), np.uint8)]
    large = np.stack([image.resize((80, 64), Image.Resampling.BICUBIC) for image in small])
    return torch.from_numpy(large.transpose(0, 3, 1, 2).copy())


def by_timm(image: torch.Tensor, name: str, strength: float, sign: int, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    own = timm().data.auto_augment
    monkeypatch.setattr(own, "_randomly_negate", lambda value: sign * value)
    level = own.LEVEL_TO_ARG[name]
    arguments = level(strength, {}) if level else ()
    if name == "PosterizeIncreasing":
        arguments = (max(1, *arguments),)  # with no bit left Pillow refuses, and nothing would be seen
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    changed = own.NAME_TO_OP[name](picture, *arguments, fillcolor=COLOUR, resample=Image.Resampling.BILINEAR)
    return np.asarray(changed).transpose(2, 0, 1)


@pytest.mark.parametrize("strength", [1, 5, 7, 10])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", NAMES)
def test_a_change_is_what_timm_does(images, name, sign, strength, monkeypatch):
    code = 2 * NAMES.index(name) + (sign < 0 and name in SIGNED)
    changed = apply(images, torch.full((len(images), 1), code, dtype=torch.int8), strength, COLOUR)
    assert changed.dtype == torch.uint8
    for own, image in zip(changed.numpy().astype(int), images, strict=True):
        off = np.abs(own - by_timm(image, name, strength, sign, monkeypatch))
        assert np.quantile(off, 0.97) <= 3, f"{np.quantile(off, [0.5, 0.9, 0.97, 1])}"
        assert off.mean() < 2  # what half covers a pixel at the edge is blended with the colour, or not


def test_images_of_a_batch_are_changed_each_by_its_own(images):
    drawn = torch.tensor([[2 * NAMES.index("Invert"), NOTHING], [NOTHING, NOTHING], [2 * NAMES.index("Rotate") + 1, 0],
                          [NOTHING, 2 * NAMES.index("Invert")], [2 * NAMES.index("Rotate"), 0],
                          [2 * NAMES.index("Invert"), 2 * NAMES.index("Rotate") + 1]], dtype=torch.int8)
    together = apply(images, drawn, 7, COLOUR)
    alone = torch.cat([apply(images[[at]], drawn[[at]], 7, COLOUR) for at in range(len(images))])
    assert torch.equal(together, alone)
    assert torch.equal(together[1], images[1])
    assert torch.equal(together[0], 255 - images[0])
    assert not torch.equal(together[2], together[4])


def test_without_rounds_nothing_happens(images):
    assert torch.equal(apply(images, torch.empty(len(images), 0, dtype=torch.int8), 0, COLOUR), images)


def test_all_changes_are_drawn_alike_and_half_the_rounds_are_without():
    seed_all(0)
    drawn = torch.stack([draw() for _ in range(6000)]).flatten().numpy()
    assert (drawn == NOTHING).mean() == pytest.approx(0.5, abs=0.02)
    happened = drawn[drawn != NOTHING]
    assert np.bincount(happened // 2, minlength=len(CHANGES)) / len(happened) == pytest.approx(1 / len(CHANGES), abs=0.015)
    odd = happened[happened % 2 == 1] // 2
    assert odd.min() >= len(SIGNLESS)  # the others have no sign
    assert (happened[happened // 2 >= len(SIGNLESS)] % 2).mean() == pytest.approx(0.5, abs=0.03)


def test_what_is_drawn_depends_on_the_seed_alone():
    seed_all(5)
    first = draw()
    seed_all(5)
    assert torch.equal(first, draw())


def test_the_names_are_all_of_timms_changes_that_grow_with_strength():
    assert set(NAMES) == set(timm().data.auto_augment._RAND_INCREASING_TRANSFORMS)
    assert MOST == timm().data.auto_augment._LEVEL_DENOM
    assert randaugment.ROUNDS == 2
