"""A backbone that takes no time, counts its batches and can be slow on purpose; also run as a program by tests that kill it."""

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from hai_core import backbones, embeddings
from hai_core.backbones import Backbone

DIM = 12


class MeanColours(torch.nn.Module):
    """The mean colour of each quarter of the image: features (B, 12)."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds, self.batches = seconds, 0
        self.pool = torch.nn.AdaptiveAvgPool2d(2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.batches += 1
        time.sleep(self.seconds)
        return self.pool(images).flatten(1)


def backbone(seconds: float = 0.0, fingerprint: str = "0123456789abcdef") -> Backbone:
    config = {"input_size": (3, 32, 32), "interpolation": "bilinear", "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 1.0,
              "crop_mode": "center"}
    return Backbone("tiny", MeanColours(seconds), config, "packaged", fingerprint, DIM)


class Small(torch.nn.Sequential):
    """A backbone that trains in a moment, with what needs care: batch norm and dropout. Features (B, 32)."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Conv2d(3, 8, 3, stride=4), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.Dropout(0.1),
                         torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())


def small() -> Backbone:
    torch.manual_seed(7)
    return Backbone("tiny", Small(), backbone().data_config, "packaged", "fedcba9876543210", 32)


def write_images(folder: Path, count: int) -> pd.DataFrame:
    """Small images of random colours, and their `file` and `sha256`."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        file = folder / f"{number:03d}.png"
        Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)).resize((40, 32)).save(file)
        rows.append((file.name, hashlib.sha256(file.read_bytes()).hexdigest()))
    return pd.DataFrame(rows, columns=["file", "sha256"])


def main(images: str, seconds: str) -> None:
    slow = backbone(float(seconds))
    backbones.load = lambda name: slow
    files = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in sorted(Path(images).iterdir())]
    print(embeddings.embed(Path(images), pd.DataFrame(files, columns=["file", "sha256"]), "tiny", batch_size=4).computed)


if __name__ == "__main__":
    main(*sys.argv[1:])
