"""What members take of images: features of a recipe's backbones, or resized images; computed first where they are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hai_core import backbones, embeddings, resized
from hai_core.catalog import located
from hai_core.embeddings import View
from hai_core.members.config import Config
from hai_core.members.data import Array, side_by_side
from hai_core.members.images import ImageView, plain_transform
from hai_core.members.network import data_config, stored_side
from hai_core.resized import Pixels


def ensure(images: Path, table: pd.DataFrame, config: Config, views: Sequence[View]) -> pd.DataFrame:
    """Compute what is missing for the rows of `table` (columns path, sha256), once for each content.

    Returns the rows without, with their `reason`: not found, unreadable, or other bytes than the hash says.
    """
    if config.mode == "frozen":
        return _ensure_features(images, table, config.backbones, views)
    sides = sorted({side(config, name) for name in config.backbones})
    without = pd.concat([resized.ensure(images, table, one) for one in sides])
    return without.drop_duplicates("path")


def of_recipe(config: Config, sha256: Sequence[str], recipe: Sequence[str], views: Sequence[View]) -> list[Array | ImageView]:
    """What the recipe's members take, view by view: features (N, D), its backbones side by side (see `side_by_side`), or
    images."""
    if config.mode == "frozen":
        return [side_by_side([embeddings.load(sha256, backbone, view=view) for backbone in recipe], own_length(config))
                for view in views]
    return image_views(config, recipe, stored(config, sha256, recipe), views)


def image_views(config: Config, recipe: Sequence[str], images: Sequence[Pixels] | resized.Resized,
                views: Sequence[View]) -> list[Array | ImageView]:
    """What a fine-tuned recipe's members take of resized images, view by view."""
    [name] = recipe
    transform = plain_transform(data_config(config, backbones.untrained(name)))
    return [ImageView(images, np.arange(len(images)), transform, view) for view in views]


def stored(config: Config, sha256: Sequence[str], recipe: Sequence[str]) -> resized.Resized:
    """The resized images that a fine-tuned recipe learns from."""
    [name] = recipe
    return resized.open_(sha256, side(config, name))


def side(config: Config, backbone: str) -> int:
    """Short side of the resized images of a fine-tuned backbone, in pixels."""
    return stored_side(data_config(config, backbones.untrained(backbone)))


def own_length(config: Config) -> bool:
    """Whether members read an image's feature norm (see `side_by_side`)."""
    return config.adaface is not None and config.whiten is None


def _ensure_features(images: Path, table: pd.DataFrame, names: Iterable[str], views: Sequence[View]) -> pd.DataFrame:
    reasons: dict[str, str] = {}
    for backbone in names:
        for view in views:
            missing = located(images, table[~embeddings.have(table["sha256"].tolist(), backbone, view=view)])
            gone = missing["place"].isna()
            reasons |= dict.fromkeys(missing.loc[gone, "sha256"], f"not found under {images}")
            found = missing[~gone]
            found = found.assign(file=[str(place.relative_to(images)) for place in found["place"]])
            report = embeddings.embed(images, found, backbone, view=view)
            hashes = dict(zip(found["file"], found["sha256"], strict=True))
            reasons |= {hashes[file]: reason for file, reason in report.failed}
    without = table[table["sha256"].isin(list(reasons))]
    return without.assign(reason=without["sha256"].map(reasons))
