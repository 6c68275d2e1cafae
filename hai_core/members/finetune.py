"""Train a member from images: all weights learn, on one device or several, and a killed run goes on where it was.

A step depends on the configuration, its seed and its number alone: which images, how they are drawn, what is mixed and dropped.
So nothing but weights and the optimiser's state needs to be kept between two steps.
"""

from __future__ import annotations

import io
import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn

from hai_core import backbones, progress
from hai_core.members import randaugment, store
from hai_core.members.averaging import Averaging
from hai_core.members.config import Config, FinetuneOptions
from hai_core.members.fit import HISTORY, Fitted
from hai_core.members.heads import AdaFace
from hai_core.members.images import BATCH, ImageView, loader, plain_transform, seed_all, seed_of, training_transform
from hai_core.members.losses import LOSSES, class_weights
from hai_core.members.network import FinetunedMember, over
from hai_core.members.plan import Plan, Task, learning_rate
from hai_core.probabilities import log_loss, softmax, temperature
from hai_core.workspace import InputError, write_atomic

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LOOKED_BACK = 16  # steps whose losses are looked at together: a look at each would have a GPU wait
REFRESHED = 2048  # training images from which batch-norm statistics of averaged weights are computed
NAMED = 3  # files spelled out in a message
TRIAL, WARM = 20, 3  # steps that a trial counts, and those before that it does not


@dataclass(frozen=True)
class Trial:
    """How fast a member's first steps were, and how long all of them would take."""

    images_per_second: float
    wait_share: float  # of the time, in which the device waited for images
    seconds: float  # for the whole member


def fit_member(task: Task) -> None:
    """Train the member and save it in `task.folder`, from its checkpoint where there is one.

    Raises InputError, with what to change, when memory or disk space runs out, and, with the step, the learning rate and the
    batch's files, when the loss stops being a number. The last checkpoint is kept then.
    """
    from torch.multiprocessing.spawn import ProcessRaisedException

    fabric = _fabric(task.options)
    smallest = Plan(task).smallest // (task.options.accumulation * fabric.world_size)
    if fabric.world_size > 1 and smallest < 1:
        raise InputError(f"a batch of {Plan(task).smallest} images cannot be dealt to {fabric.world_size} devices in "
                         f"{task.options.accumulation} part(s) each; raise batch_size (now {task.config.batch_size}), or lower "
                         f"finetune.accumulation or finetune.devices")
    if task.options.neck is not None and smallest < 2:
        raise InputError("finetune.neck has a batch norm, which needs two images in each part of a batch; raise batch_size "
                         f"(now {task.config.batch_size}) or lower finetune.accumulation ({task.options.accumulation})")
    try:
        fabric.launch(partial(_fit, task=task, reporting=progress.reporting()))  # Fabric takes arguments apart; not these
    except ProcessRaisedException as error:
        told = re.findall(r"InputError: (.+)", str(error))
        if not told:
            raise
        raise InputError(told[-1]) from error


def trial(task: Task, steps: int = TRIAL) -> Trial:
    """Take the member's first steps, keep nothing, and tell how long all of them would take.

    The first few steps are not counted: memory is taken and kernels are chosen in them. On one device only; validation, whose
    images are not learned from, is reckoned at a third of the time of a training image, and a frozen epoch as any other.
    Raises InputError as `fit_member`.
    """
    options = task.options.model_copy(update={"devices": 1, "frozen_epochs": 0})
    alone = replace(task, config=task.config.model_copy(update={"finetune": options}))
    timed = partial(_timed, task=alone, steps=steps + WARM, reporting=progress.reporting())
    found: Trial = _fabric(options).launch(timed)
    return found


def _timed(fabric: Fabric, task: Task, steps: int, reporting: dict[str, Any]) -> Trial:
    progress.report_to(**reporting)
    with _told_to_change(task, fabric.device):
        return _Training(fabric, task, resume=False).timed(steps)


def _fabric(options: FinetuneOptions) -> Fabric:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    gpus = torch.cuda.device_count()
    precision = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed", "auto": "32-true"}[options.precision]
    if options.precision == "auto" and gpus:
        precision = "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    if options.precision == "fp16" and not gpus:
        raise InputError("finetune.precision = fp16 needs a GPU; on a CPU take 32 or bf16")
    if gpus and options.devices is not None and options.devices > gpus:
        raise InputError(f"finetune.devices = {options.devices}: this machine has {gpus}")
    devices = options.devices or gpus or 1
    strategy: Any = "auto"
    if devices > 1:
        strategy = DDPStrategy(start_method="spawn", find_unused_parameters=options.frozen_epochs > 0)
    return Fabric(accelerator="cuda" if gpus else "cpu", devices=devices, strategy=strategy, precision=precision)


def _fit(fabric: Fabric, task: Task, reporting: dict[str, Any]) -> None:
    """What each device's process does."""
    if fabric.is_global_zero:
        progress.report_to(**reporting)
    with _told_to_change(task, fabric.device):
        _Training(fabric, task).run()


@contextmanager
def _told_to_change(task: Task, device: torch.device) -> Iterator[None]:
    """Memory that runs out ends in a sentence that says what to change."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(task, device) from error
    except RuntimeError as error:  # torch has no type for these
        if "DataLoader worker (pid" in str(error) or "shared memory" in str(error):  # else an error in what a worker does
            raise InputError("a process that prepares images ended unexpectedly; where memory shared between processes is "
                             "small, as in a container, give it more (docker run --shm-size=8g)") from error
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise _out_of_memory(task, device) from error


def _out_of_memory(task: Task, device: torch.device) -> InputError:
    options = task.options
    parts = 2 * options.accumulation
    ways = [f"set finetune.accumulation={parts} (the same batch in more parts)"] if parts <= task.config.batch_size else []
    ways += [] if options.gradient_checkpointing else ["turn finetune.gradient_checkpointing on"]
    same = f"{' or '.join(ways)}, and the training goes on from its members and checkpoint so far; or " if ways else ""
    return InputError(f"{device} ran out of memory at batch_size {task.config.batch_size} in {options.accumulation} part(s); "
                      f"{same}lower batch_size, which is another training")


class _Training:
    """A member's training on one device."""

    def __init__(self, fabric: Fabric, task: Task, resume: bool = True) -> None:
        self.fabric, self.task, self.config, self.options = fabric, task, task.config, task.options
        self.plan = Plan(task, fabric.global_rank, fabric.world_size)
        backbone = backbones.load(task.recipe)
        seed_all(task.seed)  # after the backbone was loaded, which draws numbers where it was not loaded before
        self.member = FinetunedMember(task.config, backbone, task.n_classes)
        gpu = fabric.device.type == "cuda"
        if gpu and fabric.world_size > 1:
            self.member = backbones.timm().layers.convert_sync_batchnorm(self.member)  # torch's would lose timm's activations
        if self.options.channels_last:
            self.member = self.member.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model: Any = torch.compile(self.member) if self.options.compile else self.member
        self.model, self.optimizer = fabric.setup(model, torch.optim.AdamW(_groups(self.member, task.config)))
        self.averaging = Averaging(self.member, self.config.swa_start, self.config.epochs, self.options.ema_decay,
                                   lambda member: member.learning(False, self.options.freeze_batch_norm))
        self.weights = class_weights(task.labels[task.train], task.n_classes, self.config.class_balance).to(fabric.device)
        self.labels = torch.from_numpy(task.labels).to(fabric.device)
        self.transform = plain_transform(self.member.data_config)
        self._fill = [round(255 * mean) for mean in self.member.data_config["mean"]]
        self.augment = _augmentation(self.options, fabric.device)
        self._gpus = fabric.world_size if gpu else 0
        self.step, self.loss, self.seconds, self.waited = 0, 0.0, 0.0, 0.0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] | None = None
        self._recent: list[tuple[int, float, Tensor]] = []
        if resume:
            self._resume()

    def timed(self, steps: int) -> Trial:
        """Take so many steps; see `trial`."""
        began, counted = time.monotonic(), 0
        batches = self._batches()
        steps = min(steps, self.plan.steps)
        with progress.track("Trying the first steps", steps, "steps") as bar:
            while self.step < steps:
                if self.step == min(WARM, steps - 1):
                    began, counted, self.waited = time.monotonic(), 0, 0.0
                counted += len(self.plan.rows(self.step))
                self._one_step(batches)
                bar.advance()
            self._look_at_losses()  # waits for the device
        seconds = time.monotonic() - began
        images = self.config.epochs * (len(self.task.train) + len(self.task.validation) / 3)
        return Trial(counted / seconds, self.waited / seconds, images * seconds / counted)

    def run(self) -> None:
        began = saved = time.monotonic()
        batches = self._batches()
        images = len(self.task.train) * self.config.epochs
        before = self.seconds
        with progress.track(f"Fine-tuning with {self.task.name}", images) as bar:
            bar.advance(round(images * self.step / self.plan.steps))
            while self.step < self.plan.steps and not self._stops():
                self._one_step(batches)
                self.seconds = before + time.monotonic() - began
                bar.advance(len(self.plan.rows(self.step - 1)), wait=f"{self.waited / self.seconds:.0%}", **self._last())
                if self.step % self.plan.per_epoch == 0:
                    self._end_epoch()
                elif time.monotonic() - saved < 60 * self.options.checkpoint_minutes:
                    continue
                elif self.fabric.world_size > 1 and self._recent:
                    continue  # clocks differ, and losses are looked at by all devices together: where that was just done
                self._look_at_losses()
                self._save()
                saved = time.monotonic()
        self._finish()

    def _batches(self) -> Iterator[Any]:
        """From the next step on; see `loader`."""
        crops = training_transform(self.member.data_config, self.options, self.config.mirror)
        rounds = randaugment.ROUNDS if self.options.randaugment else 0
        return loader(self.task.stored, crops, rounds, self.plan.batches(self.step), self._gpus)

    # --- a step --------------------------------------------------------------------------------------------------------

    def _one_step(self, batches: Iterator[Any]) -> None:
        epoch = self.step // self.plan.per_epoch
        frozen = epoch < self.options.frozen_epochs
        self.member.learning(frozen, self.options.freeze_batch_norm)
        rate = learning_rate(self.step, self.plan.steps, self.plan.per_epoch * self.options.warmup_epochs, self.config.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * group["lr_scale"] * rate
        total = torch.zeros((), device=self.fabric.device)
        parts = self.plan.parts(self.step)
        own = sum(len(rows) for rows, _ in parts)
        for number, (part, share) in enumerate(parts):
            if isinstance(self.member.head, AdaFace):
                self.member.head.share = len(part) / own
            asked = time.monotonic()
            images, rows, drawn = next(batches)
            self.waited += time.monotonic() - asked
            seed_all(seed_of(self.task.seed, self.step, number, self.fabric.global_rank))
            with self.fabric.no_backward_sync(self.model, enabled=number < len(parts) - 1):
                loss = self._loss(images, rows, drawn, frozen) * share
                self.fabric.backward(loss * self.fabric.world_size)  # devices' gradients are averaged
            total += loss.detach()
        if self.options.clip_norm is not None:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.options.clip_norm, error_if_nonfinite=False)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.averaging.step_done()
        self._recent.append((self.step, self.config.learning_rate * rate, total))
        self.step += 1
        if len(self._recent) == LOOKED_BACK:
            self._look_at_losses()

    def _loss(self, images: Tensor, rows: Tensor, drawn: Tensor, frozen: bool) -> Tensor:
        """Mean loss of a part of a batch, mixed images counting for both their labels."""
        inputs = images.to(self.fabric.device, non_blocking=True)
        inputs = randaugment.apply(inputs, drawn, self.options.randaugment, self._fill)
        if self.options.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        labels = self.labels[rows.to(self.fabric.device, non_blocking=True)]
        inputs, share = self.augment(self.member.normalized(inputs))
        loss_of = LOSSES[self.config.loss]
        if share == 1:
            losses: Tensor = loss_of(self.model(inputs, labels, frozen), labels, self.config.label_smoothing)
            return (losses * self.weights[labels]).mean()
        both = torch.stack([labels, labels.flip(0)])
        first, second = loss_of(self.model(inputs, both, frozen), both, self.config.label_smoothing) * self.weights[both]
        loss: Tensor = share * first.mean() + (1 - share) * second.mean()
        return loss

    def _look_at_losses(self) -> None:
        """Add the last steps' losses up, and stop at one that is no number."""
        if not self._recent:
            return
        losses = self.fabric.all_reduce(torch.stack([loss for _, _, loss in self._recent]), reduce_op="sum")
        assert isinstance(losses, Tensor)
        for (step, rate, _), loss in zip(self._recent, losses.tolist(), strict=True):
            if not math.isfinite(loss):
                files = ", ".join(map(str, self.task.paths[self.plan.rows(step)][:NAMED]))
                raise InputError(f"training diverged: the loss is {loss} in step {step + 1} at learning rate {rate:.2g}, whose "
                                 f"batch holds {files}, ...; lower learning_rate (now {self.config.learning_rate:g})")
            self.loss += loss * len(self.plan.rows(step)) / len(self.task.train)
        self._recent = []

    # --- an epoch ------------------------------------------------------------------------------------------------------

    def _end_epoch(self) -> None:
        self._look_at_losses()
        epoch = self.step // self.plan.per_epoch - 1
        self.averaging.epoch_done(epoch)
        shipped = self.averaging.shipped(self._refreshing)
        answers = self._answers(shipped)
        if not np.isfinite(answers).all():
            raise InputError(f"training diverged: after epoch {epoch + 1} the validation images' logits are no numbers; lower "
                             f"learning_rate (now {self.config.learning_rate:g})")
        labels = self.task.labels[self.task.validation]
        found = log_loss(softmax(answers, temperature(answers, labels, precision=0.01)), labels)
        right = float((answers.argmax(1) == labels).mean())
        self.history.append({"epoch": epoch + 1, "train_loss": self.loss, "log_loss": found, "accuracy": right,
                             "learning_rate": self.config.learning_rate * learning_rate(
                                 epoch * self.plan.per_epoch, self.plan.steps, self.plan.per_epoch * self.options.warmup_epochs,
                                 self.config.schedule)})
        self.loss = 0.0
        if self.fabric.is_global_zero:
            told = {"name": self.task.name, "history": pd.DataFrame(self.history).to_dict("list")}
            write_atomic(self.task.learning, json.dumps(told))
        if self.options.patience is not None and (self.best is None or found < self.best["log_loss"]):
            weights = {name: tensor.detach().cpu().clone() for name, tensor in shipped.state_dict().items()}
            self.best = {"epoch": epoch, "log_loss": found, "accuracy": right, "weights": weights}

    def _refreshing(self) -> Iterator[Tensor]:
        seed_all(self.task.seed)  # where layers drop at random, the statistics that ship are those that were validated
        rows = np.random.default_rng(self.task.seed).permutation(self.task.train)[:REFRESHED]
        rows = rows[:len(rows) - (len(rows) % BATCH == 1)]  # of one image there are no statistics
        for images in ImageView(self.task.stored, rows, self.transform, "center").batches():
            yield self.member.normalized(images.to(self.fabric.device))

    def _answers(self, model: nn.Module) -> npt.NDArray[np.float32]:
        """Logits (V, K) of the validation images, each device computing its share."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        view = ImageView(self.task.stored, self.task.validation[rank::world], self.transform, "center")
        if world > 1:
            for buffer in model.buffers():  # without SyncBatchNorm (on a CPU) each has its own statistics; the first one's ship
                torch.distributed.broadcast(buffer, 0)
        own = over(model, view, model) if len(view) else np.empty((0, self.task.n_classes), np.float32)
        if world == 1:
            return own
        shares: list[Any] = [None] * world
        torch.distributed.all_gather_object(shares, own)
        answers = np.empty((len(self.task.validation), self.task.n_classes), np.float32)
        for at, share in enumerate(shares):
            answers[at::world] = share
        return answers

    def _last(self) -> dict[str, float]:
        return {"epoch": len(self.history) + 1} | (
            {"log_loss": round(self.history[-1]["log_loss"], 4)} if self.history else {})

    def _stops(self) -> bool:
        """Whether the validation loss has not fallen for as long as was agreed."""
        patience = self.options.patience
        return patience is not None and self.best is not None and len(self.history) - 1 - self.best["epoch"] >= patience

    # --- what is kept --------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        if not self.fabric.is_global_zero:
            return
        state = {"step": self.step, "loss": self.loss, "seconds": self.seconds, "waited": self.waited, "history": self.history,
                 "best": self.best, "member": self.member.state_dict(), "optimizer": self.optimizer.state_dict(),
                 "averaging": self.averaging.state()}
        content = io.BytesIO()
        torch.save(state, content)
        try:
            write_atomic(self.task.checkpoint, content.getvalue())
        except InputError as error:
            raise InputError(f"{error}; make room and start the same training again: it goes on from the last checkpoint"
                             ) from error

    def _resume(self) -> None:
        if not self.task.checkpoint.is_file():
            return
        state = torch.load(self.task.checkpoint, map_location="cpu", weights_only=True)
        self.step, self.loss, self.seconds, self.waited = (state[name] for name in ("step", "loss", "seconds", "waited"))
        self.history, self.best = state["history"], state["best"]
        self.member.load_state_dict(state["member"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.averaging.resume(state["averaging"])
        progress.say(f"{self.task.name}: going on after step {self.step:,} of {self.plan.steps:,}")

    def _finish(self) -> None:
        shipped = self.averaging.shipped(self._refreshing)  # on all devices, whose batch norms wait for each other
        if not self.fabric.is_global_zero:
            return
        last = self.history[-1]
        if self.best is not None:
            shipped.load_state_dict(self.best["weights"])
            last = self.best
        fitted = Fitted(shipped.cpu(), pd.DataFrame(self.history, columns=list(HISTORY)), last["log_loss"], last["accuracy"],
                        self.seconds)
        done = len(self.task.train) * len(self.history)
        store.save(self.task.folder, self.task.name, shipped, fitted, recipe=self.task.recipe, fold=self.task.fold,
                   in_features=self.member.head_width, n_train=len(self.task.train), n_validation=len(self.task.validation),
                   images_per_second=round(done / self.seconds, 2), wait_share=round(self.waited / self.seconds, 4),
                   device=str(self.fabric.device), devices=self.fabric.world_size)
        self.task.tidy()


def _groups(member: FinetunedMember, config: Config) -> list[dict[str, Any]]:
    """Parameters by weight decay and by how fast they learn (`lr_scale`): earlier layers more slowly, the head faster."""
    options = config.finetune
    assert options is not None
    skip: set[str] = getattr(member.backbone, "no_weight_decay", set)()
    timm = backbones.timm()
    if options.layer_decay < 1:
        groups: list[dict[str, Any]] = timm.optim.param_groups_layer_decay(
            member.backbone, config.weight_decay, skip, layer_decay=options.layer_decay)
    else:
        groups = timm.optim.param_groups_weight_decay(member.backbone, config.weight_decay, skip)
    rest = [*member.neck.parameters(), *member.head.parameters()]
    for decay, own in ((config.weight_decay, [p for p in rest if p.ndim > 1]), (0.0, [p for p in rest if p.ndim <= 1])):
        groups.append({"params": own, "weight_decay": decay, "lr_scale": options.head_rate})
    return [{"lr": config.learning_rate, "lr_scale": 1.0} | group for group in groups if group["params"]]


def _augmentation(options: FinetuneOptions, device: torch.device) -> Any:
    """Function (images, normalised) -> (images, share): what is done to a whole batch on its device. The second label set of a
    mixed batch is the first one backwards; `share` is the first one's."""
    timm = backbones.timm()
    erase = None
    if options.random_erasing:
        erase = timm.data.random_erasing.RandomErasing(options.random_erasing, mode="pixel", device=str(device))
    mixes = options.mixup > 0 or options.cutmix > 0
    mix = timm.data.Mixup(options.mixup, options.cutmix, prob=options.mix_share) if mixes else None

    def apply(images: Tensor) -> tuple[Tensor, float]:
        if erase is not None:
            images = erase(images)
        # timm's public call would mix the labels too, into one; a margin needs to see both.
        return images, 1.0 if mix is None else float(mix._mix_batch(images))

    return apply
