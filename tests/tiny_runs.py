"""Photos of a few plain colours, a manifest of them, and a configuration that trains on them in a moment; also run as a program
by the tests that kill it."""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tiny
from PIL import Image

from hai_core import backbones, manifest, runs
from hai_core.manifest import Manifest
from hai_core.members import config
from hai_core.members.config import Config

CLASSES = ["a, \"b\"", "path", "싼타페"]
MAPPING = {"a, \"b\"": "a, \"b\"", "path": "path", "산타페": "싼타페", "싼타페": "싼타페", "gone": ""}


def write_photos(folder: Path, per_class: int = 12, seed: int = 0) -> pd.DataFrame:
    """path, label, sha256 of noisy one-coloured images, a folder a class; the colours of neighbouring classes overlap."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, label in enumerate(CLASSES):
        for i in range(per_class):
            path = f"{label}/{i:03d}.png"
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            colour = np.clip(rng.normal([60 + 60 * number, 120, 200 - 60 * number], 20, (2, 2, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(colour).resize((40, 32)).save(file)
            rows.append((path, label, hashlib.sha256(file.read_bytes()).hexdigest()))
    return pd.DataFrame(rows, columns=["path", "label", "sha256"]).sort_values("path", ignore_index=True)


def make_manifest(photos: pd.DataFrame, holdout: int = 6) -> Manifest:
    table = photos.assign(original_label=photos["label"], series="", group=-1, split="train")
    table.loc[table.index[::len(table) // holdout][:holdout], "split"] = "holdout"
    return Manifest(table[manifest.COLUMNS], CLASSES, MAPPING, {}, {})


def make_config(*overrides: str) -> Config:
    return config.from_values({"name": "tiny", "recipes": [["tiny"]], "folds": 3, "epochs": 4, "batch_size": 8}, overrides)


FINETUNE = ("mode=finetune", "finetune.checkpoint_minutes=1e-9", "finetune.mixup=0.2", "head=adaface", "learning_rate=0.02")


def fine_tune_slowly(seconds: float) -> None:
    from hai_core.members import finetune

    step = finetune._Training._one_step
    finetune._Training._one_step = lambda *arguments: (time.sleep(seconds), step(*arguments))[1]


def main(images: str, out: str, seconds: str, mode: str = "frozen") -> None:
    """Train with a pause after every epoch, or, fine-tuning, before every step."""
    if mode == "finetune":
        backbone = tiny.small()
        backbones.load = backbones.untrained = lambda name: backbone
        fine_tune_slowly(float(seconds))
        photos = write_photos(Path(images))
        print("ready", flush=True)
        runs.train(make_manifest(photos), make_config(*FINETUNE), images=Path(images), runs=Path(out), command="test")
        return
    backbones.load = lambda name: tiny.backbone()
    from hai_core.ensemble import train

    tell = train._Told.__call__
    train._Told.__call__ = lambda *arguments: (time.sleep(float(seconds)), tell(*arguments))
    photos = write_photos(Path(images))
    print("ready", flush=True)
    runs.train(make_manifest(photos), make_config(), images=Path(images), runs=Path(out), command="test")


if __name__ == "__main__":
    main(*sys.argv[1:])
