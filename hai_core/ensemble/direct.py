"""A finished run's ensemble for images in memory: nothing is stored, and the answers are those of `runs.predict`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from hai_core import backbones, runtime
from hai_core.backbones import Backbone
from hai_core.embeddings import BATCH, View
from hai_core.ensemble import features
from hai_core.ensemble.apply import ensemble, original_counts
from hai_core.ensemble.predict import Inputs, expand, vote
from hai_core.manifest import Manifest
from hai_core.members.config import Config
from hai_core.members.data import side_by_side
from hai_core.pixels import decode
from hai_core.resized import shrunk
from hai_core.runtime import Crop, Features
from hai_core.workspace import InputError

Crops = dict[str, Crop]  # by backbone


class Predictor:
    """Loaded once, asked from any number of threads: `crops` runs beside itself, the models answer one call at a time.

    `names`: the original classes in name order, as in the table of `runs.predict`. A backbone's weights come from the run's
    `backbones/FINGERPRINT.safetensors` where it carries them, else from where `backbones.load` finds them. Raises InputError
    when they are not those that the run was trained with.
    """

    def __init__(self, run: Path, config: Config, manifest: Manifest, fingerprints: dict[str, str],
                 results: dict[str, Any]) -> None:
        self._ensemble = ensemble(run, config, results, len(manifest.classes))
        self.names, self._shares = expand(np.eye(len(manifest.classes)), manifest.classes, manifest.mapping,
                                          original_counts(manifest), "prior")
        self._tuned = config.mode == "finetune"  # then the members have all weights
        self._sides = {name: features.side(config, name) for name in config.backbones} if self._tuned else {}
        self._backbones = {} if self._tuned else {name: _load(run, name, fingerprints[name]) for name in config.backbones}
        self._runners = {name: runtime.runner(backbone) for name, backbone in self._backbones.items()}
        self.runtimes = {"torch"} if self._tuned else {runtime.name(backbone) for backbone in self._backbones.values()}
        self._lock = Lock()

    def crops(self, image: bytes) -> Crops:
        """What the backbones see of an image file's bytes. Raises UnreadableImage."""
        if self._tuned:
            return {name: shrunk(decode(image, least_side=2 * side).image, side) for name, side in self._sides.items()}
        return {name: runtime.crop(backbone)(decode(image, least_side=runtime.least_side(backbone)).image)
                for name, backbone in self._backbones.items()}

    def __call__(self, crops: Sequence[Crops]) -> npt.NDArray[np.float64]:
        """Probabilities (N, number of `names`); a merged class's goes to its originals by their training images."""
        voting = self._ensemble
        with self._lock:
            seen = {(name, view): self._features(crops, name, view) for name in self._backbones for view in voting.views}

        def recipe(number: int) -> list[Inputs]:
            parts = voting.config.recipes[number]
            if self._tuned:
                return features.image_views(voting.config, parts, [crop[parts[0]] for crop in crops], voting.views)
            length = features.own_length(voting.config)
            return [side_by_side([seen[name, view] for name in parts], length) for view in voting.views]

        with self._lock if self._tuned else nullcontext():  # heads on features are quick
            return np.asarray(vote(voting.voters, voting.combination, recipe) @ self._shares)

    def _features(self, crops: Sequence[Crops], name: str, view: View) -> Features:
        seen = [crop[name] if view == "center" else np.ascontiguousarray(crop[name][:, ::-1]) for crop in crops]
        run = self._runners[name]
        return np.concatenate([run(seen[start:start + BATCH]) for start in range(0, len(seen), BATCH)])


def _load(run: Path, name: str, fingerprint: str) -> Backbone:
    carried = run / "backbones" / f"{fingerprint}.safetensors"
    loaded = backbones.load(backbones.split(name)[0], carried) if carried.is_file() else backbones.load(name)
    if loaded.fingerprint != fingerprint:
        raise InputError(f"the weights of {name} on this machine are not those that the run was trained with")
    return loaded
