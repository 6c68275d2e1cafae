"""Images a second of fine-tuning: ours, timm's train.py, and the same model on one batch that is on the device already.

    python -m benchmarks.finetune_speed IMAGES [--model convnext_tiny] [--size 224] [--batch 128] [--steps 60] [--timm TRAIN_PY]

IMAGES is a folder of photos, a folder a class. TRAIN_PY is `train.py` of huggingface/pytorch-image-models at timm's version,
which the Python package does not hold; without it that line is left out. All have the same model (random weights: speed does
not depend on them), size, batch and precision (bf16 on a GPU, 32 bits on a CPU), AdamW, random crops, mirroring, RandAugment.
The resized images are there before the clock starts, as from a run's second epoch on; timm decodes in every epoch.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from hai_core import backbones, catalog, resized
from hai_core.backbones import Backbone
from hai_core.members import finetune
from hai_core.members.config import from_values
from hai_core.members.network import data_config, stored_side
from hai_core.members.plan import Task
from hai_core.workers import cores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--model", default="convnext_tiny")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--timm", type=Path, metavar="TRAIN_PY")
    arguments = parser.parse_args()
    gpu = torch.cuda.is_available()
    print(f"{torch.cuda.get_device_name() if gpu else 'CPU'}, {cores()} cores, {arguments.model} at {arguments.size}, batch "
          f"{arguments.batch}, {'bf16' if gpu else '32 bits'}")
    with mock.patch.object(backbones, "load", lambda name: untrained(name)), tempfile.TemporaryDirectory() as folder:
        task = the_task(arguments, Path(folder))
        ours = finetune.trial(task, arguments.steps)
        print(f"ours             {ours.images_per_second:9.1f} images a second, waiting for images {ours.wait_share:.0%} of "
              "the time")
        ideal = synthetic(task, arguments)
    print(f"on the device    {ideal:9.1f} images a second; ours has {ours.images_per_second / ideal:.2f} of it")
    if arguments.timm is not None:
        theirs = timm_train(arguments, gpu)
        print(f"timm's train.py  {theirs:9.1f} images a second; ours is {ours.images_per_second / theirs:.2f} x as fast")


def untrained(name: str) -> Backbone:
    timm = backbones.timm()
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=0)
    width = int(getattr(model, "head_hidden_size", model.num_features))
    return Backbone(name, model, timm.data.resolve_data_config({}, model=model), "none", "0" * 16, width)


def the_task(arguments: argparse.Namespace, folder: Path) -> Task:
    """A member's training on all images, repeated until there are enough of them."""
    table = catalog.scan(arguments.images, catalog.folder_store(arguments.images))
    table = table[table["status"] == "ok"].reset_index(drop=True)
    config = from_values({
        "mode": "finetune", "recipes": [[arguments.model]], "mirror": True, "epochs": 2, "batch_size": arguments.batch,
        "swa_start": None, "finetune": {"image_size": arguments.size, "randaugment": 7, "devices": 1}})
    side = stored_side(data_config(config, backbones.load(arguments.model)))
    resized.ensure(arguments.images, table, side)
    labels = table["label"].astype("category").cat.codes.to_numpy(np.int64)
    rows = np.tile(np.arange(len(table)), -(-arguments.batch * (arguments.steps + 10) // len(table)))
    return Task(folder, "speed", config, arguments.model, 0, 0, resized.open_(table["sha256"].tolist(), side), labels,
                table["path"].to_numpy(object), rows, rows[:1], int(labels.max()) + 1)


def synthetic(task: Task, arguments: argparse.Namespace) -> float:
    """The same steps on one batch that never leaves the device."""
    fabric = finetune._fabric(task.options)
    training = finetune._Training(fabric, task, resume=False)
    rows = torch.from_numpy(task.train[:arguments.batch])
    images = torch.randint(0, 255, (len(rows), 3, arguments.size, arguments.size), dtype=torch.uint8).to(fabric.device)
    rows, untouched = rows.to(fabric.device), torch.empty(len(rows), 0)
    for step in range(arguments.steps + finetune.WARM):
        if step == finetune.WARM:
            began = _now()
        training.member.learning(False, False)
        fabric.backward(training._loss(images, rows, untouched, False))
        training.optimizer.step()
        training.optimizer.zero_grad(set_to_none=True)
    return arguments.steps * len(rows) / (_now() - began)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def timm_train(arguments: argparse.Namespace, gpu: bool) -> float:
    """The last of the rates that timm's script writes, which it averages over an epoch."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable, str(arguments.timm), "--data-dir", str(arguments.images), "--train-split", "", "--val-split", "",
            "--model", arguments.model, "--img-size", str(arguments.size), "-b", str(arguments.batch), "--epochs", "2",
            "--opt", "adamw", "--lr", "1e-4", "--aa", "rand-m7-n2-mstd0.5-inc1", "--output", out, "--log-interval", "5",
            "--workers", str(max(1, cores() - 1)),
            *(["--amp", "--amp-dtype", "bfloat16", "--channels-last"] if gpu else ["--device", "cpu"])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    rates = re.findall(r"Time: [\d.]+s, +[\d.]+/s +\( *[\d.]+s, +([\d.]+)/s\)", done.stdout + done.stderr)
    if not rates:
        raise SystemExit(f"timm's train.py told no rate:\n{(done.stdout + done.stderr)[-2000:]}")
    return float(rates[-1])


if __name__ == "__main__":
    main()
