"""Train one member: a head on a recipe's features, without one fold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler

from hai_core.members.averaging import Averaging
from hai_core.members.config import Config
from hai_core.members.data import Data, Rows
from hai_core.members.heads import AdaFace, Linear
from hai_core.members.losses import LOSSES
from hai_core.workspace import InputError

HISTORY = ("epoch", "train_loss", "log_loss", "accuracy", "learning_rate")


@dataclass(frozen=True)
class Fitted:
    """A trained member. `head` holds the weights that ship; `log_loss` (nats) and `accuracy` are theirs, on validation rows."""

    head: nn.Module
    history: pd.DataFrame  # HISTORY, one row an epoch; log_loss and accuracy of the weights that would ship after that epoch
    log_loss: float
    accuracy: float
    seconds: float


def build_head(config: Config, in_features: int, n_classes: int) -> nn.Module:
    """An untrained head as configured."""
    if config.adaface is not None:
        return AdaFace(in_features, n_classes, **config.adaface.model_dump())
    return Linear(in_features, n_classes)


def feature_length(config: Config) -> float | None:
    """The length that features need before this head; None: their own norms (see `data.side_by_side`)."""
    return config.linear.scale if config.linear is not None else None


def fit(data: Data, train: Rows, validation: Rows, config: Config, n_classes: int, seed: int,
        on_epoch: Callable[[dict[str, float]], None] = lambda row: None) -> Fitted:
    """Train on the `train` rows, validate on the `validation` rows after each epoch.

    `seed` decides the first weights, the order of the images and the views drawn: the same arguments give the same bits
    on one machine's CPU. Validation always sees the weights that would ship (averaged ones, once averaging began).

    Raises InputError when the loss stops being a number.
    """
    began = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = build_head(config, data.in_features, n_classes)
    steps = -(-len(train) // config.batch_size) * config.epochs
    optimizer = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    schedule = _schedule(optimizer, config, steps)
    averaging = Averaging(head, config.swa_start, config.epochs)
    history: list[dict[str, float]] = []
    for epoch in range(config.epochs):
        rate = float(schedule.get_last_lr()[0])
        train_loss = _train_epoch(head, data, train, config, generator, optimizer, schedule)
        if not np.isfinite(train_loss):
            raise InputError(f"training diverged: the loss is {train_loss} in epoch {epoch + 1}; "
                             f"lower learning_rate (now {config.learning_rate})")
        averaging.epoch_done(epoch)
        shipped = averaging.shipped(lambda: data.plain_batches(train))
        log_loss, accuracy = validate(shipped, data, validation)
        history.append({"epoch": epoch + 1, "train_loss": train_loss, "log_loss": log_loss, "accuracy": accuracy,
                        "learning_rate": rate})
        on_epoch(history[-1])
    return Fitted(shipped, pd.DataFrame(history, columns=list(HISTORY)), log_loss, accuracy, time.monotonic() - began)


def logits(head: nn.Module, data: Data, rows: Rows) -> npt.NDArray[np.float32]:
    """What a trained head answers without labels, shape (number of rows, K)."""
    head.eval()
    with torch.inference_mode():
        return torch.cat([head(inputs) for inputs in data.plain_batches(rows)]).numpy()


def validate(head: nn.Module, data: Data, rows: Rows) -> tuple[float, float]:
    """(mean log loss in nats, accuracy) on the rows."""
    answers, labels = torch.from_numpy(logits(head, data, rows)).double(), data.labels[torch.from_numpy(rows)]
    return float(cross_entropy(answers, labels)), float((answers.argmax(1) == labels).double().mean())


def _train_epoch(head: nn.Module, data: Data, rows: Rows, config: Config, generator: torch.Generator,
                 optimizer: torch.optim.Optimizer, schedule: LRScheduler) -> float:
    loss_of = LOSSES[config.loss]
    total = torch.zeros((), dtype=torch.float64)
    head.train()
    for inputs, labels in data.training_batches(rows, config.batch_size, generator):
        loss: Tensor = loss_of(head(inputs, labels), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        total += loss.detach().double() * len(labels)
    return float(total) / len(rows)


def _schedule(optimizer: torch.optim.Optimizer, config: Config, steps: int) -> LRScheduler:
    if config.schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0, total_iters=1)
