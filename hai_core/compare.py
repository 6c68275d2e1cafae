"""Two runs side by side: the same images, labelled alike, asked the same question.

This is how two manifests are compared: by the log loss on the workspace's holdout, image by image. Out-of-fold loss alone falls
when hard images are excluded, and proves nothing. `before` and `after` are two runs; a negative difference means that the
second one is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hai_core import confusions
from hai_core.answers import Answers
from hai_core.manifest import TRAIN
from hai_core.members.config import flat, recipe_name
from hai_core.probabilities import SMALLEST, Floats, Labels
from hai_core.runs import Run

FIXED, BROKEN, WRONG, RIGHT = "fixed", "broken", "wrong", "right"  # after against before; wrong and right: in both
RESAMPLES = 2000
ENOUGH = 20  # images, copies counting as one, from which on an interval is believed
_DRAWN = 2_000_000  # numbers drawn at a time


@dataclass(frozen=True)
class Side:
    """Answers of one run about the common images: class number `predicted` (n,), probability of the label and of that class."""

    predicted: npt.NDArray[np.int64]
    p_label: npt.NDArray[np.float64]
    p_predicted: npt.NDArray[np.float64]

    @cached_property
    def losses(self) -> npt.NDArray[np.float64]:
        """Nats (n,)."""
        return np.asarray(-np.log(np.clip(self.p_label, SMALLEST, 1.0)))


@dataclass(frozen=True)
class Common:
    """What two runs say about the images that both answered and label alike, in the `classes` (G,) that both know.

    `left_out`: images that only one of them has (only_before, only_after) or that they label differently (relabelled).
    """

    classes: list[str]
    paths: npt.NDArray[np.object_]
    labels: npt.NDArray[np.int64]
    before: Side
    after: Side
    left_out: dict[str, int]

    @cached_property
    def change(self) -> npt.NDArray[np.object_]:
        """FIXED, BROKEN, WRONG or RIGHT of every image (n,)."""
        was, now = self.before.predicted == self.labels, self.after.predicted == self.labels
        return np.select([was & now, now, was], [RIGHT, FIXED, BROKEN], WRONG).astype(object)

    def counts(self, side: Side) -> npt.NDArray[np.int64]:
        """(G, G) images by label (row) and the class that `side` predicted (column)."""
        return confusions.matrix(self.labels, side.predicted, len(self.classes))

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every cell beside the diagonal that has images in either run, those that lost or gained most first.

        Columns: class_a (label), class_b (predicted); before, after (images in it); fixed (in it before, now predicted right),
        broken (predicted right before, now in it).
        """
        names, size = np.array(self.classes, dtype=object), len(self.classes)

        def in_cell(side: Side, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
            return confusions.matrix(self.labels[rows], side.predicted[rows], size)

        every = np.ones(len(self.labels), bool)
        found = {"before": in_cell(self.before, every), "after": in_cell(self.after, every),
                 "fixed": in_cell(self.before, self.change == FIXED), "broken": in_cell(self.after, self.change == BROKEN)}
        a, b = np.nonzero((found["before"] + found["after"]) * (1 - np.eye(size, dtype=np.int64)))
        table = pd.DataFrame({"class_a": names[a], "class_b": names[b], **{name: count[a, b] for name, count in found.items()}})
        table = table.assign(moved=(table["after"] - table["before"]).abs(), touched=table["fixed"] + table["broken"])
        order = ["moved", "touched", "after"]
        return table.sort_values(order, ascending=False, kind="stable", ignore_index=True).drop(columns=order[:2])

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """How each class fares in both, the one that lost most first.

        Columns: class, images, fixed, broken, recall_before, recall_after, loss_before, loss_after (means, nats), loss_change.
        """
        size = len(self.classes)
        images = np.bincount(self.labels, minlength=size)
        columns: dict[str, Any] = {"class": self.classes, "images": images}
        with np.errstate(invalid="ignore"):
            for name, side in (("before", self.before), ("after", self.after)):
                right = np.bincount(self.labels[side.predicted == self.labels], minlength=size)
                columns[f"recall_{name}"] = right / images
                columns[f"loss_{name}"] = np.bincount(self.labels, weights=side.losses, minlength=size) / images
        table = pd.DataFrame(columns)
        table["loss_change"] = table["loss_after"] - table["loss_before"]
        for change in (FIXED, BROKEN):
            table[change] = np.bincount(self.labels[self.change == change], minlength=size)
        order = ["class", "images", FIXED, BROKEN, "recall_before", "recall_after", "loss_before", "loss_after", "loss_change"]
        return table[order].sort_values("loss_change", ascending=False, kind="stable", ignore_index=True)

    @property
    def tables(self) -> dict[str, Callable[[], pd.DataFrame]]:
        """What may be exported: name -> function that makes the table."""
        return {"changed-cells": lambda: self.cells, "changed-classes": lambda: self.by_class,
                "changed-images": lambda: self.about(self.rows([BROKEN, FIXED, WRONG, RIGHT]))}

    def rows(self, changes: Sequence[str], labels: Sequence[str] = (),
             predicted: Sequence[str] = ()) -> npt.NDArray[np.int64]:
        """Images with one of `changes`, what costs the second run most first; only those of `labels` that either run predicted
        as one of `predicted`, where these are given."""
        wanted = np.isin(self.change.astype(str), list(changes))
        if labels:
            number = {name: i for i, name in enumerate(self.classes)}
            columns = [number[name] for name in predicted]
            wanted &= np.isin(self.labels, [number[name] for name in labels])
            wanted &= np.isin(self.before.predicted, columns) | np.isin(self.after.predicted, columns)
        rows = np.flatnonzero(wanted)
        return rows[np.argsort(self.after.p_label[rows], kind="stable")]

    def about(self, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        """A row for each of the given images: path, label, change; predicted, p_label and p_predicted, of each side."""
        names = np.array(self.classes, dtype=object)
        sides = {f"{what}_{name}": values for name, side in (("before", self.before), ("after", self.after))
                 for what, values in (("predicted", names[side.predicted[rows]]), ("p_label", side.p_label[rows]),
                                      ("p_predicted", side.p_predicted[rows]))}
        return pd.DataFrame({"path": self.paths[rows], "label": names[self.labels[rows]], "change": self.change[rows], **sides})


@dataclass(frozen=True)
class Paired:
    """Mean loss of the second run minus that of the first, in nats, with its interval (95 %) from the bootstrap.

    `better`: share of the resamples in which the second run has the lower loss, 0 .. 1. `units`: what is drawn, images or
    groups of copies; of fewer than ENOUGH an interval says little.
    """

    before: float
    after: float
    difference: float
    low: float
    high: float
    better: float
    images: int
    units: int
    resamples: int
    seed: int

    @property
    def verdict(self) -> Literal["better", "worse", "undecided"]:
        """Of the second run."""
        if self.units < ENOUGH:
            return "undecided"
        return "better" if self.high < 0 else "worse" if self.low > 0 else "undecided"


def paired(before: Floats, after: Floats, groups: Labels | None = None, resamples: int = RESAMPLES, seed: int = 0) -> Paired:
    """The difference of two runs' losses (n,) on the same images, with its percentile bootstrap interval.

    Each resample draws as many images as there are, with replacement, for both runs at once (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapters 13 and 16): what is hard for both cancels out. `groups` (n,): copies of one
    photo, which carry the same number (>= 0; below 0: none), are drawn together. Raises ValueError without images.
    """
    if not len(before) or len(before) != len(after):
        raise ValueError(f"{len(before)} and {len(after)} losses cannot be paired")
    change = np.asarray(after, np.float64) - before
    unit = np.arange(len(change)) if groups is None else np.where(groups < 0, -1 - np.arange(len(change)), groups)
    unit = np.unique(unit, return_inverse=True)[1]
    sums, sizes = np.bincount(unit, weights=change), np.bincount(unit)
    rng, chunk = np.random.default_rng(seed), max(1, _DRAWN // len(sums))
    means = []
    for start in range(0, resamples, chunk):
        drawn = rng.integers(0, len(sums), (min(chunk, resamples - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    drawn_means = np.concatenate(means)
    low, high = np.quantile(drawn_means, (0.025, 0.975))
    return Paired(float(np.mean(before)), float(np.mean(after)), float(change.mean()), float(low), float(high),
                  float((drawn_means < 0).mean()), len(change), len(sums), resamples, seed)


def common(before: Answers, after: Answers, mapping_before: Mapping[str, str], mapping_after: Mapping[str, str]) -> Common:
    """What two runs say about the images (by path) that both answered and label alike.

    Their classes may differ: `mapping_...` are original -> final class of their manifests ('': dropped). Classes that either
    manifest has merged are one class here, so that both runs are asked the same question: its probability is the sum of theirs.
    A class that only one of them has is left out, and its probability goes to the others in proportion. Classes are called as
    the second run calls them, several of its classes in one joined by ' + '.
    """
    names, number_before, number_after = _shared(mapping_before, mapping_after)
    rows = pd.DataFrame({"path": before.paths, "before": np.arange(len(before.paths))}).merge(
        pd.DataFrame({"path": after.paths, "after": np.arange(len(after.paths))}), on="path").sort_values("path")
    label_before = _numbers(before.classes, number_before)[before.labels[rows["before"]]]
    label_after = _numbers(after.classes, number_after)[after.labels[rows["after"]]]
    alike = (label_before == label_after) & (label_before >= 0)
    kept, labels = rows[alike], label_before[alike]
    left_out = {"only_before": len(before.paths) - len(rows), "only_after": len(after.paths) - len(rows),
                "relabelled": int((~alike).sum())}
    return Common(names, kept["path"].to_numpy(object), labels,
                  _side(before, kept["before"], labels, number_before, len(names)),
                  _side(after, kept["after"], labels, number_after, len(names)), left_out)


def holdout(before: Run, after: Run) -> Common | None:
    """`common` of the images that neither run trained on by its manifest, nor on a copy that either manifest knows of; None
    where one of them has no answers about them."""
    first, second = before.holdout_answers, after.holdout_answers
    if first is None or second is None:
        return None
    found = common(first, second, before.manifest.mapping, after.manifest.mapping)
    kept = ~np.isin(found.paths.astype(str), [*_copies(before, after), *_copies(after, before)])
    first_side, second_side = (Side(side.predicted[kept], side.p_label[kept], side.p_predicted[kept])
                               for side in (found.before, found.after))
    return replace(found, paths=found.paths[kept], labels=found.labels[kept], before=first_side, after=second_side,
                   left_out=found.left_out | {"copies": int((~kept).sum())})


def _copies(known: Run, trained: Run) -> list[str]:
    """Paths of one run's manifest whose copies, as that knows them, the other run trained on."""
    table, other = known.manifest.table, trained.manifest.table
    learned = table["path"].isin(other["path"][other["split"] == TRAIN])
    groups = table["group"][learned & (table["group"] >= 0)]
    return table["path"][table["group"].isin(groups)].tolist()


def out_of_fold(before: Run, after: Run) -> Common:
    """`common` of the images that both runs trained on, each answered by members that did not see it."""
    return common(before.answers, after.answers, before.manifest.mapping, after.manifest.mapping)


def paired_on(found: Common, run: Run, seed: int = 0) -> Paired:
    """`paired` of the two sides; copies, as the manifest of `run` knows them, are drawn together."""
    table = run.manifest.table
    groups = table["group"].to_numpy()[pd.Index(table["path"]).get_indexer(pd.Index(found.paths))]
    return paired(found.before.losses, found.after.losses, groups, seed=seed)


def by_fold(run: Run) -> pd.DataFrame:
    """fold, images, log_loss, accuracy: how far the figures of a run's folds lie apart."""
    answers, fold = run.answers, run.oof["fold"].to_numpy()
    right = answers.predicted == answers.labels
    table = pd.DataFrame({"fold": fold, "log_loss": answers.losses, "accuracy": right.astype(float)}).groupby("fold")
    return table.mean().assign(images=table.size()).reset_index()[["fold", "images", "log_loss", "accuracy"]]


def differing(before: Run, after: Run) -> pd.DataFrame:
    """What two runs were told differently: option, before, after (as written in a configuration; '' where it does not apply).

    Options of the configuration first, then the manifest, then the versions of the program and of its libraries.
    """
    first, second = _told(before), _told(after)
    rows = [(name, first.get(name, ""), second.get(name, "")) for name in dict.fromkeys([*first, *second])]
    return pd.DataFrame([row for row in rows if row[1] != row[2]], columns=["option", "before", "after"], dtype="str")


def _told(run: Run) -> dict[str, str]:
    told = flat(run.config.model_dump(exclude_none=True, exclude={"name"})) | {
        "recipes": ", ".join(map(recipe_name, run.config.recipes)), "manifest": run.info["manifest"][:12],
        **flat(run.info["versions"], "version ")}
    return {name: f"{value}" for name, value in told.items()}


def _shared(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[list[str], dict[str, int], dict[str, int]]:
    """Names of the common classes (G,); the number of the common class of each final class of either run that is in one."""
    links = {(before[original], after[original]) for original in before.keys() & after.keys()
             if before[original] and after[original]}
    firsts, seconds = sorted({a for a, _ in links}), sorted({b for _, b in links})
    place_a, place_b = ({name: i for i, name in enumerate(names)} for names in (firsts, seconds))
    rows = [place_a[a] for a, _ in links]
    columns = [len(firsts) + place_b[b] for _, b in links]
    size = len(firsts) + len(seconds)
    graph = coo_array((np.ones(len(links)), (rows, columns)), shape=(size, size))
    part = connected_components(graph, directed=False)[1] if size else np.empty(0, np.int64)
    called: dict[int, list[str]] = {}
    for name, number in zip(seconds, part[len(firsts):].tolist(), strict=True):
        called.setdefault(number, []).append(name)
    order = {number: i for i, number in enumerate(sorted(called, key=called.__getitem__))}
    return ([" + ".join(called[number]) for number in order],
            {name: order[number] for name, number in zip(firsts, part[:len(firsts)].tolist(), strict=True)},
            {name: order[number] for name, number in zip(seconds, part[len(firsts):].tolist(), strict=True)})


def _numbers(classes: Sequence[str], number: Mapping[str, int]) -> npt.NDArray[np.int64]:
    return np.array([number.get(name, -1) for name in classes], dtype=np.int64)


def _side(answers: Answers, rows: pd.Series, labels: Labels, number: Mapping[str, int], size: int) -> Side:
    """The answers about some images, in the common classes."""
    to = _numbers(answers.classes, number)
    columns = np.flatnonzero(to >= 0)
    summing = coo_array((np.ones(len(columns), np.float32), (columns, to[columns])), shape=(len(to), size)).tocsr()
    summed = answers.probabilities[rows.to_numpy()] @ summing
    total = np.ones(len(rows)) if len(columns) == len(to) else np.maximum(summed.sum(axis=1), SMALLEST)
    predicted = summed.argmax(axis=1) if len(rows) else np.empty(0, np.int64)
    image = np.arange(len(rows))
    return Side(predicted, summed[image, labels] / total, summed[image, predicted] / total)
