"""A finished run's members, put to work on images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import backbones, progress
from hai_core import catalog as catalogs
from hai_core.embeddings import View
from hai_core.ensemble import features, tta
from hai_core.ensemble.combine import Combination, of_results
from hai_core.ensemble.predict import Expand, Inputs, Voter, expand, table, vote
from hai_core.manifest import TRAIN, Manifest
from hai_core.members import store
from hai_core.members.config import Config
from hai_core.probabilities import Floats
from hai_core.records import OK
from hai_core.workspace import InputError

BLOCK = 16_384  # images whose features are in memory at once
NAMED = 5


@dataclass(frozen=True)
class Ensemble:
    """Loaded members and how they are combined. Calling it with content hashes (N,) gives probabilities (N, K)."""

    config: Config
    voters: Sequence[Voter]
    combination: Combination
    views: tuple[View, ...]

    def __call__(self, sha256: Sequence[str], heard: Callable[[Voter, int, Floats], None] | None = None
                 ) -> npt.NDArray[np.float64]:
        """`heard` is called with what each member says alone about the images from a number on."""
        parts = []
        for start in range(0, len(sha256), BLOCK):
            views = partial(self._views, sha256[start:start + BLOCK])
            told = () if heard is None else (partial(_at, heard, start),)
            parts.append(vote(self.voters, self.combination, views, *told))
        return np.concatenate(parts)

    def _views(self, sha256: Sequence[str], recipe: int) -> Sequence[Inputs]:
        return features.of_recipe(self.config, sha256, self.config.recipes[recipe], self.views)


def _at(heard: Callable[[Voter, int, Floats], None], start: int, voter: Voter, answers: Floats) -> None:
    heard(voter, start, answers)


def ensemble(run: Path, config: Config, results: dict[str, Any], n_classes: int, count: int | None = None) -> Ensemble:
    """The members of a run folder; `results` as in metrics.json, `count` views (default: those it was calibrated with)."""
    temperatures = {recipe["recipe"]: recipe["temperature"] for recipe in results["recipes"]}
    numbers = {recipe["recipe"]: number for number, recipe in enumerate(results["recipes"])}
    voters = [Voter(numbers[card["recipe"]], store.load(run / "members", card["name"], config, n_classes),
                    temperatures[card["recipe"]], card["weight"]) for card in results["members"]]
    return Ensemble(config, voters, of_results(results), tta.views(count or results["views"]))


def predictions(run: Path, config: Config, manifest: Manifest, fingerprints: dict[str, str], results: dict[str, Any],
                images: Path, count: int | None, how: Expand) -> pd.DataFrame:
    """The table of `runs.predict`."""
    if count is not None:
        tta.views(count)
    if config.mode == "frozen":  # fine-tuned members have all weights
        check_fingerprints(fingerprints)
    voting = ensemble(run, config, results, len(manifest.classes), count)
    files = catalogs.scan(images, catalogs.folder_store(images))
    readable = files[files["status"] == OK]
    without = features.ensure(images, readable, config, voting.views)
    readable = readable[~readable["path"].isin(without["path"])]
    _warn(pd.concat([files[files["status"] != OK], without]))
    priors = _shares(manifest)
    final = np.tile(priors, (len(files), 1))
    if len(readable):
        final[files["path"].isin(readable["path"]).to_numpy()] = voting(readable["sha256"].tolist())
    names, probabilities = expand(final, manifest.classes, manifest.mapping, original_counts(manifest), how)
    return table(files["path"].tolist(), names, probabilities)


def holdout(run: Path, config: Config, manifest: Manifest, fingerprints: dict[str, str], results: dict[str, Any],
            images: Path) -> pd.DataFrame:
    """The table of `answered` for the holdout of a manifest. Missing features are computed first, from the files below
    `images`; raises InputError when one of them is gone or was changed."""
    if config.mode == "frozen":  # fine-tuned members have all weights
        check_fingerprints(fingerprints)
    table = manifest.table[manifest.table["split"] != TRAIN].reset_index(drop=True)
    voting = ensemble(run, config, results, len(manifest.classes))
    without = features.ensure(images, table, config, voting.views)
    if len(without):
        raise InputError(f"{len(without)} images of the holdout have no features: {_named(without)}")
    return answered(voting, table, manifest.classes)


def answered(voting: Ensemble, table: pd.DataFrame, classes: Sequence[str],
             heard: Callable[[Voter, int, Floats], None] | None = None) -> pd.DataFrame:
    """The ensemble's answers about a manifest's rows: path, label, then a column `p:CLASS` for each class. `heard` as in
    `Ensemble`."""
    probabilities = voting(table["sha256"].tolist(), heard) if len(table) else np.empty((0, len(classes)))
    columns = pd.DataFrame(probabilities.astype(np.float32), columns=[f"p:{name}" for name in classes])
    return pd.concat([table[["path", "label"]], columns], axis=1)


def check_fingerprints(fingerprints: dict[str, str]) -> None:
    """Raises InputError when a backbone's weights on this machine are not those that a run was trained with."""
    for name, fingerprint in fingerprints.items():
        if backbones.load(name).fingerprint != fingerprint:
            raise InputError(f"the weights of {name} on this machine are not those that the run was trained with")


def _warn(unreadable: pd.DataFrame) -> None:
    if len(unreadable):
        progress.say(f"warning: {len(unreadable)} unreadable images get the classes' shares of the training images: "
                     f"{_named(unreadable)}")


def _named(without: pd.DataFrame) -> str:
    """The first few rows of a table with path and reason."""
    first = without.head(NAMED)
    named = ", ".join(f"{path} ({reason})" for path, reason in zip(first["path"], first["reason"], strict=True))
    return named + (", ..." if len(without) > NAMED else "")


def _shares(manifest: Manifest) -> npt.NDArray[np.float64]:
    """Share of the training images by final class, (K,)."""
    labels = manifest.table.loc[manifest.table["split"] == TRAIN, "label"]
    counts = labels.value_counts().reindex(manifest.classes, fill_value=0).to_numpy(np.float64)
    return np.asarray(counts / counts.sum())


def original_counts(manifest: Manifest) -> dict[str, int]:
    """Training images by original class, without those that were relabelled into another class."""
    train = manifest.table[manifest.table["split"] == TRAIN]
    kept = train["original_label"].map(manifest.mapping) == train["label"]
    return {str(name): int(count) for name, count in train.loc[kept, "original_label"].value_counts().items()}
