"""Train a model on some rows of the data and validate exactly the weights that ship on others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler

from hai_core.members.averaging import Averaging
from hai_core.members.config import Config
from hai_core.members.data import Data, Rows
from hai_core.members.losses import LOSSES, class_weights
from hai_core.probabilities import log_loss, softmax, temperature
from hai_core.workspace import InputError

HISTORY = ("epoch", "train_loss", "log_loss", "accuracy", "learning_rate")


@dataclass(frozen=True)
class Fitted:
    """`model` holds the weights that ship; `log_loss` (nats, see `validate`) and `accuracy` are theirs."""

    model: nn.Module
    history: pd.DataFrame  # HISTORY, one row an epoch; log_loss and accuracy of the weights that would ship after that epoch
    log_loss: float
    accuracy: float
    seconds: float


def fit(data: Data, model: nn.Module, train: Rows, validation: Rows, config: Config, seed: int,
        on_epoch: Callable[[dict[str, float]], None] = lambda row: None) -> Fitted:
    """Train `model` (called as `model(inputs, labels)`; without labels it predicts) on the `train` rows, in place.

    `seed` decides the order of the images and their augmentation. Each epoch is validated with the weights that would ship
    after it (averaged ones, once averaging began); `on_epoch` hears the epoch's row of the history.

    Raises InputError when the loss stops being a number.
    """
    began = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    steps = -(-len(train) // config.batch_size) * config.epochs
    weights = class_weights(data.labels.numpy()[train], int(data.labels.max()) + 1, config.class_balance)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    schedule = _schedule(optimizer, config, steps)
    averaging = Averaging(model, config.swa_start, config.epochs)
    history: list[dict[str, float]] = []
    for epoch in range(config.epochs):
        rate = float(schedule.get_last_lr()[0])
        train_loss = _train_epoch(model, data, train, config, weights, generator, optimizer, schedule)
        if not np.isfinite(train_loss):
            raise InputError(f"training diverged: the loss is {train_loss} in epoch {epoch + 1}; "
                             f"lower learning_rate (now {config.learning_rate})")
        averaging.epoch_done(epoch)
        shipped = averaging.shipped(lambda: data.plain_batches(train))
        loss, accuracy = validate(shipped, data, validation)
        history.append({"epoch": epoch + 1, "train_loss": train_loss, "log_loss": loss, "accuracy": accuracy,
                        "learning_rate": rate})
        on_epoch(history[-1])
    return Fitted(shipped, pd.DataFrame(history, columns=list(HISTORY)), loss, accuracy, time.monotonic() - began)


def logits(model: nn.Module, data: Data, rows: Rows) -> npt.NDArray[np.float32]:
    """What a trained head answers without labels, shape (number of rows, K)."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(inputs) for inputs in data.plain_batches(rows)]).numpy()


def validate(model: nn.Module, data: Data, rows: Rows) -> tuple[float, float]:
    """(mean log loss in nats, accuracy) on the rows; the loss at the temperature that suits them best, because the ensemble
    calibrates its members."""
    answers, labels = logits(model, data, rows), data.labels[torch.from_numpy(rows)].numpy()
    if not np.isfinite(answers).all():
        raise InputError("training diverged: the validation images' logits are no numbers; lower learning_rate")
    calibrated = softmax(answers, temperature(answers, labels, precision=0.01))
    return log_loss(calibrated, labels), float((answers.argmax(1) == labels).mean())


def _train_epoch(model: nn.Module, data: Data, rows: Rows, config: Config, weights: Tensor, generator: torch.Generator,
                 optimizer: torch.optim.Optimizer, schedule: LRScheduler) -> float:
    loss_of = LOSSES[config.loss]
    total = torch.zeros((), dtype=torch.float64)
    model.train()
    for inputs, labels in data.training_batches(rows, config.batch_size, generator):
        loss = (loss_of(model(inputs, labels), labels, config.label_smoothing) * weights[labels]).mean()
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
