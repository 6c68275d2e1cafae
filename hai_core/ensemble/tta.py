"""Test-time augmentation: a fixed, listed set of views, never a random one. Their logits are averaged."""

from __future__ import annotations

from hai_core.embeddings import VIEWS, View
from hai_core.workspace import InputError


def views(count: int) -> tuple[View, ...]:
    """The first `count` views: 1 is the image as it is, 2 adds its left-right mirror image.

    Raises InputError for any other number.
    """
    if not 1 <= count <= len(VIEWS):
        raise InputError(f"--tta {count}: there are 1 to {len(VIEWS)} views ({', '.join(VIEWS)})")
    return VIEWS[:count]
