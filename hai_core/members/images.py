"""Images for fine-tuning: random crops to learn from, and the fixed views that validation and prediction see."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hai_core import torchvision_shim  # noqa: F401  # for processes that are sent transforms, before these are unpacked

# isort: split
from hai_core.backbones import timm
from hai_core.embeddings import View
from hai_core.members.config import FinetuneOptions
from hai_core.members.data import Rows
from hai_core.members.randaugment import draw
from hai_core.resized import Pixels, Resized
from hai_core.workers import cores

Transform = Callable[[Image.Image], Any]  # RGB -> uint8 (3, H, W), a tensor or an array

BATCH = 64  # images that a view gives at once
MOST_WORKERS = 12  # processes that prepare images for one GPU
AHEAD = 4  # batches that each of them prepares ahead


class ImageView:
    """Images as validation and prediction see them: resized, the middle cut out, perhaps mirrored."""

    def __init__(self, stored: Sequence[Pixels] | Resized, rows: Rows, transform: Transform, view: View) -> None:
        self._stored, self._rows, self._transform, self._view = stored, rows, transform, view

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, chosen: npt.NDArray[Any]) -> ImageView:
        """The images at these places, or of this mask."""
        return ImageView(self._stored, self._rows[chosen], self._transform, self._view)

    def batches(self) -> Iterator[Tensor]:
        """uint8 (B, 3, H, W), in order; the next ones are prepared meanwhile."""
        with ThreadPoolExecutor(cores()) as pool:
            waiting: deque[Future[npt.NDArray[np.uint8]]] = deque()
            rows = iter(self._rows)
            for row in rows:
                waiting.append(pool.submit(self._image, int(row)))
                if len(waiting) == 2 * BATCH:
                    yield self._stacked(waiting)
            while waiting:
                yield self._stacked(waiting)

    def _stacked(self, waiting: deque[Future[npt.NDArray[np.uint8]]]) -> Tensor:
        return torch.from_numpy(np.stack([waiting.popleft().result() for _ in range(min(BATCH, len(waiting)))]))

    def _image(self, row: int) -> npt.NDArray[np.uint8]:
        image = np.asarray(self._transform(Image.fromarray(self._stored[row])))
        return image if self._view == "center" else image[:, :, ::-1]


def plain_transform(data_config: dict[str, Any]) -> Transform:
    """timm's evaluation transform up to, not including, the normalisation."""
    transform: Transform = timm().data.create_transform(**data_config, use_prefetcher=True)  # timm's word for leaving uint8
    return transform


def training_transform(data_config: dict[str, Any], options: FinetuneOptions, mirror: bool) -> Transform:
    """timm's training transform up to, not including, RandAugment, normalisation and erasing: a random crop, mirroring."""
    transform: Transform = timm().data.create_transform(
        data_config["input_size"], is_training=True, scale=(options.least_scale, 1.0), hflip=0.5 if mirror else 0.0,
        color_jitter=0.0, interpolation=data_config["interpolation"], mean=data_config["mean"], std=data_config["std"],
        use_prefetcher=True)
    return transform


class _Drawn(Dataset[tuple[Tensor, int, Tensor]]):
    """Random crops. What is drawn for an image depends on its own seed alone, not on who prepares it, or when."""

    def __init__(self, stored: Resized, transform: Transform, rounds: int) -> None:
        self._stored, self._transform, self._rounds = stored, transform, rounds

    def __getitem__(self, asked: tuple[int, int]) -> tuple[Tensor, int, Tensor]:
        row, seed = asked
        seed_all(seed)
        return torch.as_tensor(self._transform(Image.fromarray(self._stored[row]))), row, draw(self._rounds)


def loader(stored: Resized, transform: Transform, rounds: int, batches: Iterable[Sequence[tuple[int, int]]], gpus: int
           ) -> Iterator[Any]:
    """(images uint8 (B, 3, H, W), rows (B,), what RandAugment is to do to them (B, rounds)) of each batch of (row, seed), in
    order.

    For one of so many `gpus`, other processes prepare them ahead. On a CPU that is what the cores are needed for anyway.
    """
    workers = min(MOST_WORKERS, max(1, cores() // gpus - 1)) if gpus else 0
    ahead = {"prefetch_factor": AHEAD, "multiprocessing_context": "forkserver"} if workers else {}
    found = DataLoader(_Drawn(stored, transform, rounds), batch_sampler=batches, num_workers=workers, pin_memory=gpus > 0,  # type: ignore[arg-type]
                       worker_init_fn=_alone, **ahead)  # type: ignore[arg-type]
    return iter(found)


def _alone(_: int) -> None:
    torch.set_num_threads(1)  # there is a process for each core


def seed_all(seed: int) -> None:
    """Every generator that timm's augmentation and torch's layers draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_of(*parts: int) -> int:
    """A seed that depends on all of `parts` and on nothing else."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
