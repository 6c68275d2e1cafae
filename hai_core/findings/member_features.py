"""Features as a trained run sees them: the stored features of its backbones, whitened by one of its members."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hai_core.findings.inputs import Images, with_features
from hai_core.workspace import InputError, Workspace


def with_member_features(workspace: Workspace, images: Images, run: str) -> tuple[Images, npt.NDArray[np.float32]]:
    """The images and their features (N, D) of length 1 as the head of a run's heaviest member gets them (of equals, the first).

    One member for all: each whitens by the images of its own folds, so that places of two members cannot be compared. Three
    in four or more of the images are those it learned from; they lie a little closer to their class than new ones would.
    Missing features are computed first. `run`: its folder, or its id. Raises InputError when there is no such finished run, or
    when the weights of its backbones are not those on this machine.
    """
    import torch

    from hai_core import backbones, resized
    from hai_core.members import config as configurations
    from hai_core.members import store
    from hai_core.members.config import recipe_name
    from hai_core.members.data import BLOCK
    from hai_core.members.frozen import FrozenMember
    from hai_core.members.images import ImageView, plain_transform
    from hai_core.members.network import FinetunedMember, over, stored_side
    from hai_core.neighbors import normalize

    folder = workspace.runs / run
    info, results = _read(folder / "run.json", run), _read(folder / "metrics.json", run)
    config = configurations.load(folder / "config.yaml")
    card = max(results["members"], key=lambda card: float(card["weight"]))
    recipe = next(recipe for recipe in config.recipes if recipe_name(recipe) == card["recipe"])
    for name in recipe if config.mode == "frozen" else ():  # fine-tuned members have all weights
        if backbones.load(name).fingerprint != info["backbones"][name]:
            raise InputError(f"the weights of {name} on this machine are not those that the run {run} was trained with")
    member = store.load(folder / "members", card["name"], config, len(info["classes"]))
    if isinstance(member, FinetunedMember):
        side = stored_side(member.data_config)
        without = resized.ensure(workspace.images, images.table, side)
        images = images.only(~images.table["path"].isin(without["path"]).to_numpy())
        stored = resized.open_(images.table["sha256"].tolist(), side)
        view = ImageView(stored, np.arange(len(stored)), plain_transform(member.data_config), "center")
        return images, normalize(over(member, view, member.features))
    images, features = with_features(workspace.images, images, "+".join(recipe))
    assert isinstance(member, FrozenMember)
    with torch.inference_mode():
        seen = torch.cat([member.prepare(block) for block in torch.split(torch.from_numpy(features), BLOCK)])
    return images, normalize(seen.numpy())


def _read(file: Path, run: str) -> dict[str, Any]:
    if not file.is_file():
        raise InputError(f"there is no finished run {run}")
    fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return fields
