"""Manifest + configuration -> trained members and the run's tables; members that are already there are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from hai_core import backbones, confusions, progress
from hai_core.embeddings import View
from hai_core.ensemble import combine, features, hierarchy, tta
from hai_core.ensemble.apply import answered, ensemble
from hai_core.ensemble.calibrate import ece, ece_by_chance
from hai_core.ensemble.effects import gain
from hai_core.ensemble.outcome import Outcome, member_weights, outcome, scores
from hai_core.ensemble.predict import Voter, view_logits
from hai_core.manifest import TRAIN, Manifest
from hai_core.members import folds, store
from hai_core.members.config import Config, member_name, recipe_name
from hai_core.members.data import FrozenData
from hai_core.members.fit import HISTORY
from hai_core.members.frozen import fit_member
from hai_core.members.plan import Task
from hai_core.probabilities import Floats, losses, softmax
from hai_core.records import MemberCard
from hai_core.workers import cores
from hai_core.workspace import InputError, write_atomic, write_table

NAMED = 3  # files spelled out in a message
MEMORY = 4 << 30  # bytes that members training at the same time may use


@dataclass(frozen=True)
class Prepared:
    """What members learn from: the manifest's rows, all features computed. `labels` (N,), `folds` (N,) are of `train`,
    `series` (K,) numbers the series of `classes`."""

    classes: list[str]
    train: pd.DataFrame
    holdout: pd.DataFrame
    labels: npt.NDArray[np.int64]
    series: npt.NDArray[np.intp]
    folds: npt.NDArray[np.int8]
    views: tuple[View, ...]
    fingerprints: dict[str, str]  # backbone -> its weights


def prepare(manifest: Manifest, config: Config, images: Path) -> Prepared:
    """Check that the manifest can be trained on, deal the folds, compute missing features. Raises InputError."""
    if len(manifest.classes) < 2:
        raise InputError(f"training needs at least two classes; the manifest has {len(manifest.classes)}")
    series = hierarchy.numbered(manifest.classes, manifest.series)
    if config.hierarchy == "series" and len(np.unique(series)) == len(series):
        raise InputError("hierarchy is series, but no two classes of the manifest are of one series; put classes into series "
                         "on the Classes page, or set hierarchy to none or best")
    train = manifest.table[manifest.table["split"] == TRAIN].reset_index(drop=True)
    holdout = manifest.table[manifest.table["split"] != TRAIN].reset_index(drop=True)
    labels = pd.Index(manifest.classes).get_indexer(pd.Index(train["label"])).astype(np.int64)
    dealt = folds.assign(labels, train["group"].to_numpy(), config.folds, config.seed)
    views = tta.views(2 if config.mirror else 1)
    fingerprints = {name: backbones.load(name).fingerprint for name in config.backbones}
    without = features.ensure(images, manifest.table, config, views)
    if len(without):
        first = without.head(NAMED)
        named = ", ".join(f"{path} ({reason})" for path, reason in zip(first["path"], first["reason"], strict=True))
        more = ", ..." if len(without) > NAMED else ""
        raise InputError(f"{len(without)} images of the manifest cannot be used: {named}{more}; "
                         "bring them back, or index again and build a new manifest")
    return Prepared(manifest.classes, train, holdout, labels, series, dealt, views, fingerprints)


def train_members(run: Path, prepared: Prepared, config: Config, after_member: Callable[[Path], None]) -> None:
    """Train every member that `run/members` does not hold yet; after each, `after_member(run)`.

    Those of features side by side, one thread each: this keeps all cores busy without waiting for each other, and the result
    does not depend on their number. Fine-tuned ones after each other, since each has all devices.
    """
    folder = run / "members"
    if config.mode == "finetune":
        _fine_tune(folder, prepared, config, partial(after_member, run))
        return
    with progress.track("Training", len(config.members) * config.epochs, "epochs") as bar:
        for number, recipe in enumerate(config.recipes):
            names = {name: fold for name, of, fold in config.members if of == recipe}
            todo = {name: fold for name, fold in names.items() if store.fields_of(folder, name) is None}
            bar.advance((len(names) - len(todo)) * config.epochs)
            if todo:
                views = features.of_recipe(config, prepared.train["sha256"].tolist(), recipe, prepared.views)
                data = FrozenData([view for view in views if isinstance(view, np.ndarray)], prepared.labels)
                _train_folds(folder, todo, number, data, prepared, config, _Told(bar), partial(after_member, run))


def _fine_tune(folder: Path, prepared: Prepared, config: Config, finished: Callable[[], None]) -> None:
    from hai_core.members.finetune import fit_member

    for task in _tasks(folder, prepared, config):
        if store.fields_of(folder, task.name) is None:
            fit_member(task)
            finished()
        else:
            task.tidy()  # of one that was killed when it had just been saved


def _tasks(folder: Path, prepared: Prepared, config: Config) -> Iterator[Task]:
    """The trainings of a fine-tuned ensemble's members."""
    hashes, paths = prepared.train["sha256"].tolist(), prepared.train["path"].to_numpy(object)
    for number, recipe in enumerate(config.recipes):
        stored = features.stored(config, hashes, recipe)
        for name, of, fold in config.members:
            if of == recipe:
                train, validation = np.flatnonzero(prepared.folds != fold), np.flatnonzero(prepared.folds == fold)
                yield Task(folder, name, config, recipe_name(recipe), fold, _seed(config, number, fold), stored,
                           prepared.labels, paths, train, validation, len(prepared.classes))


def trial(prepared: Prepared, config: Config) -> dict[str, float]:
    """How long training would take, from the first steps of each recipe's first member: `seconds` in all, and of the slowest
    recipe `images_per_second` and `wait_share`. Keeps nothing but resized images. Raises InputError for frozen features."""
    from hai_core.members import finetune

    if config.mode != "finetune":
        raise InputError("a trial is for fine-tuning (mode: finetune); heads on stored features train in minutes")
    with TemporaryDirectory() as folder:
        found = [finetune.trial(task) for task in _tasks(Path(folder), prepared, config) if task.fold == 0]
    slowest = min(found, key=lambda one: one.images_per_second)
    return {"seconds": config.folds * sum(one.seconds for one in found), "images_per_second": slowest.images_per_second,
            "wait_share": slowest.wait_share}


def _seed(config: Config, number: int, fold: int) -> int:
    return int(np.random.SeedSequence([config.seed, number, fold]).generate_state(1)[0])


class _Told:
    """Progress of members that train at the same time; the way to stop them all."""

    def __init__(self, bar: progress.Bar) -> None:
        self._bar, self._lock, self.stopped = bar, Lock(), False

    def __call__(self, member: str, row: dict[str, float]) -> None:
        if self.stopped:
            raise CancelledError
        with self._lock:
            self._bar.advance(member=member, epoch=int(row["epoch"]), log_loss=round(row["log_loss"], 4),
                              accuracy=round(row["accuracy"], 4))


def _train_folds(folder: Path, todo: dict[str, int], number: int, data: FrozenData, prepared: Prepared, config: Config,
                 tell: _Told, finished: Callable[[], None]) -> None:
    threads = torch.get_num_threads()
    at_once = max(1, min(cores(), len(todo), MEMORY // (2 * data.features.nbytes)))  # each keeps a whitened copy, and makes it
    with ThreadPoolExecutor(at_once, initializer=partial(torch.set_num_threads, 1)) as pool:
        running = [pool.submit(_train_member, folder, name, number, fold, data, prepared, config, tell)
                   for name, fold in todo.items()]
        try:
            for done in as_completed(running):
                done.result()
                finished()
        finally:
            tell.stopped = True
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)  # MKL's number is the process's, not the thread's


def _train_member(folder: Path, name: str, number: int, fold: int, data: FrozenData, prepared: Prepared, config: Config,
                  tell: _Told) -> None:
    train, validation = np.flatnonzero(prepared.folds != fold), np.flatnonzero(prepared.folds == fold)
    member, fitted = fit_member(data, train, validation, config, len(prepared.classes), _seed(config, number, fold),
                                partial(tell, name))
    store.save(folder, name, member, fitted, recipe=recipe_name(config.recipes[number]), fold=fold, in_features=data.width,
               n_train=len(train), n_validation=len(validation))


def write_results(run: Path, prepared: Prepared, config: Config) -> dict[str, Any]:
    """Every table and figure of the run, from the members as they are on disk; returns what is in metrics.json."""
    answers, one_view = _out_of_fold(run, prepared, config)
    recipes = [recipe_name(recipe) for recipe in config.recipes]
    plans = combine.plans(config.weights, config.calibration, config.hierarchy, len(recipes), prepared.series)
    found = outcome(answers, prepared.labels, prepared.folds, recipes, plans=plans, series=prepared.series,
                    one_view=one_view if len(prepared.views) > 1 else None)
    results: dict[str, Any] = {
        "metrics": found.metrics, **found.combination.fields(), "views": len(prepared.views), "recipes": found.recipes,
        "members": _cards(run, prepared, config, answers, found), "plans": found.plans, "effects": found.effects}
    _score_holdout(run, prepared, config, results)
    if len(recipes) > 1:
        tempered = [softmax(z, recipe["temperature"]) for z, recipe in zip(answers, found.recipes, strict=True)]
        write_table(prepared.train[["path"]].assign(disagreement=confusions.disagreement(tempered)),
                    run / "disagreement.parquet")
    columns = pd.DataFrame(found.probabilities, columns=[f"p:{name}" for name in prepared.classes])
    oof = prepared.train[["path", "label"]].assign(fold=prepared.folds)
    write_table(pd.concat([oof, columns], axis=1), run / "oof.parquet")
    write_table(_history(run, config), run / "history.parquet")
    write_table(confusions.pairs(prepared.labels, found.probabilities, prepared.classes), run / "confusion.parquet")
    write_table(found.reliability, run / "reliability.parquet")
    write_atomic(run / "metrics.json", json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    return results


def _out_of_fold(run: Path, prepared: Prepared, config: Config) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Logits (R, N, K) of the members that did not train on the image: mean over all views, and of the plain view."""
    shape = (len(config.recipes), len(prepared.labels), len(prepared.classes))
    answers, one_view = np.empty(shape, np.float32), np.empty(shape, np.float32)
    for number, recipe in enumerate(config.recipes):
        views = features.of_recipe(config, prepared.train["sha256"].tolist(), recipe, prepared.views)
        for fold in range(config.folds):
            member = store.load(run / "members", member_name(recipe, fold), config, len(prepared.classes))
            here = prepared.folds == fold
            seen = [view_logits(member, view[here]) for view in views]
            answers[number, here], one_view[number, here] = np.mean(seen, axis=0), seen[0]
    return answers, one_view


def _cards(run: Path, prepared: Prepared, config: Config, answers: npt.NDArray[np.float32],
           found: Outcome) -> list[dict[str, Any]]:
    losses, weights = member_weights(answers, prepared.labels, prepared.folds, found.combination,
                                     found.plan.weights)
    cards = []
    for name, recipe, fold in config.members:
        number, here = config.recipes.index(recipe), prepared.folds == fold
        fields = store.fields_of(run / "members", name)
        assert fields is not None
        right = answers[number, here].argmax(1) == prepared.labels[here]
        cards.append(MemberCard(
            name=name, recipe=recipe_name(recipe), fold=fold, n_train=fields["n_train"], n_validation=fields["n_validation"],
            log_loss=float(losses[number, fold]), accuracy=float(right.mean()),
            temperature=found.combination.temperatures[number], weight=float(weights[number, fold]), seconds=fields["seconds"],
            images_per_second=fields.get("images_per_second"), wait_share=fields.get("wait_share")))
    return [asdict(card) for card in cards]


def _score_holdout(run: Path, prepared: Prepared, config: Config, results: dict[str, Any]) -> None:
    """Keeps the answers about the holdout, by which runs are compared image by image; adds the figures there, and what
    all members together add to the one that does best there."""
    voting = ensemble(run, config, results, len(prepared.classes))
    labels = pd.Index(prepared.classes).get_indexer(pd.Index(prepared.holdout["label"])).astype(np.int64)
    alone = np.zeros((len(voting.voters), len(labels)))  # loss of each member on each image

    def heard(voter: Voter, start: int, said: Floats) -> None:
        here = slice(start, start + len(said))
        alone[voting.voters.index(voter), here] = losses(said, labels[here])

    table = answered(voting, prepared.holdout, prepared.classes, heard)
    write_table(table, run / "holdout.parquet")
    if table.empty:
        return
    answers = table.iloc[:, 2:].to_numpy(np.float64)
    figures = scores(answers, labels) | {"ece": ece(answers, labels), "ece_by_chance": ece_by_chance(answers)}
    results["metrics"] |= {f"holdout_{name}": value for name, value in figures.items()}
    best = int(alone.mean(axis=1).argmin())
    results["effects"].append({"part": "members", "name": results["members"][best]["name"], "used": True,
                               "log_loss": float(alone[best].mean()), **gain(alone[best], losses(answers, labels))})


def _history(run: Path, config: Config) -> pd.DataFrame:
    parts = []
    for name, _, _ in config.members:
        fields = store.fields_of(run / "members", name)
        assert fields is not None
        parts.append(pd.DataFrame(fields["history"], columns=list(HISTORY)).assign(member=name))
    return pd.concat(parts, ignore_index=True)[["member", *HISTORY]]
