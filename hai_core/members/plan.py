"""What a fine-tuning is to do: the task, which images each of its steps takes, and at which rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hai_core.members.config import Config, FinetuneOptions
from hai_core.members.data import Rows
from hai_core.members.images import seed_of
from hai_core.resized import Resized


@dataclass(frozen=True)
class Task:
    """One member's training, in a form that another process can be sent."""

    folder: Path  # where members are kept
    name: str
    config: Config
    recipe: str
    fold: int
    seed: int
    stored: Resized  # of all rows
    labels: npt.NDArray[np.int64]  # (N,)
    paths: npt.NDArray[Any]  # (N,), to name images by
    train: Rows
    validation: Rows
    n_classes: int

    @property
    def options(self) -> FinetuneOptions:
        assert self.config.finetune is not None
        return self.config.finetune

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.checkpoint"

    @property
    def learning(self) -> Path:
        """The history so far, for those who watch."""
        return self.folder / f"{self.name}.learning.json"

    def tidy(self) -> None:
        """Remove what only an unfinished member needs."""
        for file in (self.checkpoint, self.learning):
            file.unlink(missing_ok=True)


class Plan:
    """Which images each step takes: every epoch a new order of all, cut into batches as even as can be."""

    def __init__(self, task: Task, rank: int = 0, world: int = 1) -> None:
        self._rows, self._seed, self._parts = task.train, task.seed, task.options.accumulation
        self._rank, self._world = rank, world
        self.per_epoch = max(1, round(len(task.train) / task.config.batch_size))
        self.steps = self.per_epoch * task.config.epochs
        self._epoch, self._order = -1, task.train

    @property
    def smallest(self) -> int:
        """Images of the smallest batch."""
        return len(self._rows) // self.per_epoch

    def rows(self, step: int) -> Rows:
        """The step's whole batch, of all devices."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = self._rows[np.random.default_rng([self._seed, epoch]).permutation(len(self._rows))]
        first, end = (len(self._order) * at // self.per_epoch for at in (place, place + 1))
        return self._order[first:end]

    def parts(self, step: int) -> list[tuple[Rows, float]]:
        """This device's share of the batch, in the parts that are computed one after the other, each with its share of the
        batch. A device that none is left for computes one image all the same, which does not count: the others wait for it."""
        rows = self.rows(step)
        share = np.array_split(rows[self._rank::self._world], self._parts)
        return [(part, len(part) / len(rows)) for part in share if len(part)] or [(rows[:1], 0.0)]

    def batches(self, first: int) -> Iterator[list[tuple[int, int]]]:
        """(row, seed) of the images of each part, from the step `first` on."""
        for step in range(first, self.steps):
            epoch = step // self.per_epoch
            for part, _ in self.parts(step):
                yield [(int(row), seed_of(self._seed, epoch, int(row))) for row in part]


def learning_rate(step: int, steps: int, warmup: float, schedule: str) -> float:
    """The learning rate of a step (0-based) as a share of the highest: rising evenly over `warmup` steps, then falling to zero
    along half a cosine (Loshchilov and Hutter, ICLR 2017), or constant."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (step - warmup) / max(1.0, steps - warmup))) / 2
