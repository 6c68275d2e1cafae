"""RandAugment (Cubuk et al., CVPR Workshops 2020) on whole batches, on the device that they are on.

The changes are those of timm's `rand-mM-n2-inc1`: two rounds, in each of which an image undergoes, with even chance, one of 15
changes, all of one strength as in the paper; what is moved is interpolated bilinearly. timm applies them to one PIL image at a
time, which is work for many CPU cores, and torchvision's own RandAugment draws once for a batch. Here what befalls an image is
drawn beforehand, from the image's own seed, and the images of a batch that undergo the same are changed together, by
torchvision's functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hai_core import torchvision_shim  # noqa: F401

# isort: split
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

ROUNDS = 2
NOTHING = -1  # drawn where an image is left as it is
MOST = 10  # the greatest strength

# Given images (B, 3, H, W) of 8 bits, how strongly (-1 .. 1) and the colour of what is moved in from beyond the edge.
Change = Callable[[Tensor, float, list[float]], Tensor]


def _moved(images: Tensor, colour: list[float], angle: float = 0, across: float = 0, down: float = 0,
           slants: tuple[float, float] = (0, 0)) -> Tensor:
    """Turned by `angle` degrees, moved by shares of width and height, slanted (tangents) about the corner as timm does."""
    height, width = images.shape[-2:]
    degrees = [math.degrees(math.atan(slant)) for slant in slants]
    corner = [0.0, 0.0] if any(slants) else None  # else about the middle
    moved: Tensor = functional.affine(images, angle, [across * width, down * height], 1.0, degrees, InterpolationMode.BILINEAR,
                                      colour, corner)
    return moved


def _factor(strength: float) -> float:
    return max(0.1, 1 + 0.9 * strength)


SIGNLESS: dict[str, Change] = {
    "AutoContrast": lambda images, *_: functional.autocontrast(images),
    "Equalize": lambda images, *_: functional.equalize(images),
    "Invert": lambda images, *_: functional.invert(images),
    "PosterizeIncreasing": lambda images, strength, _: functional.posterize(images, max(1, 4 - int(4 * strength))),
    "SolarizeIncreasing": lambda images, strength, _: functional.solarize(images, 256 - int(256 * strength)),
    "SolarizeAdd": lambda images, strength, _: torch.where(images < 128, images + int(110 * strength), images)}
SIGNED: dict[str, Change] = {
    "ColorIncreasing": lambda images, strength, _: functional.adjust_saturation(images, _factor(strength)),
    "ContrastIncreasing": lambda images, strength, _: functional.adjust_contrast(images, _factor(strength)),
    "BrightnessIncreasing": lambda images, strength, _: functional.adjust_brightness(images, _factor(strength)),
    "SharpnessIncreasing": lambda images, strength, _: functional.adjust_sharpness(images, _factor(strength)),
    "Rotate": lambda images, strength, colour: _moved(images, colour, angle=-30 * strength),
    "ShearX": lambda images, strength, colour: _moved(images, colour, slants=(0.3 * strength, 0)),
    "ShearY": lambda images, strength, colour: _moved(images, colour, slants=(0, 0.3 * strength)),
    "TranslateXRel": lambda images, strength, colour: _moved(images, colour, across=-0.45 * strength),
    "TranslateYRel": lambda images, strength, colour: _moved(images, colour, down=-0.45 * strength)}
CHANGES = [*SIGNLESS.values(), *SIGNED.values()]


def draw(rounds: int = ROUNDS) -> Tensor:
    """What befalls an image, (rounds,) int8, drawn from torch's generator: twice the place of a change, plus 1 where its
    strength is negative, or NOTHING."""
    place, negative, happens = torch.randint(len(CHANGES), (rounds,)), *torch.randint(2, (2, rounds))
    return torch.where(happens.bool(), 2 * place + negative * (place >= len(SIGNLESS)), NOTHING).to(torch.int8)


def apply(images: Tensor, drawn: Tensor, strength: float, colour: Sequence[float]) -> Tensor:
    """Images (B, 3, H, W) of 8 bits, each changed as was `drawn` (B, rounds), which is on the CPU. `strength`: 1 .. 10."""
    for codes in drawn.unbind(1):
        order = codes.argsort(stable=True)
        kinds, counts = torch.unique(codes, return_counts=True)
        groups = torch.split(images[order.to(images.device)], counts.tolist())
        changed = torch.cat([_changed(group, kind, strength / MOST, list(colour))
                             for group, kind in zip(groups, kinds.tolist(), strict=True)])
        images = changed[order.argsort().to(images.device)]
    return images


def _changed(images: Tensor, code: int, strength: float, colour: list[float]) -> Tensor:
    if code == NOTHING:
        return images
    place, negative = divmod(code, 2)
    return CHANGES[place](images, -strength if negative else strength, colour)
