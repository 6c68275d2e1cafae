"""A member of fine-tuning mode: images -> backbone -> pooling -> neck -> head."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hai_core.backbones import Backbone, timm
from hai_core.members.config import Config
from hai_core.members.heads import Linear, head
from hai_core.members.images import ImageView
from hai_core.workspace import InputError

POWER = 3.0  # of a generalised mean at the start, as in its paper


class GeM(nn.Module):
    """Generalised-mean pooling over `dims`, mean(x^p)^(1/p), with p learned: p = 1 is the mean, p -> infinity the maximum.

    Source: Radenovic, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2018, eq. 3.
    """

    def __init__(self, dims: tuple[int, ...], keep: bool, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(POWER))
        self._dims, self._keep, self._eps = dims, keep, eps

    def forward(self, x: Tensor) -> Tensor:
        """Feature maps -> (N, D), or (N, D, 1, 1) where what follows wants maps."""
        with torch.autocast(x.device.type, enabled=False):  # a power of half precision overflows
            return x.float().clamp_min(self._eps).pow(self.p).mean(self._dims, keepdim=self._keep).pow(1 / self.p).to(x.dtype)


class FinetunedMember(nn.Module):
    """Images (N, 3, H, W), as `normalized` gives them -> logits (N, K). All parts learn."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config, backbone: Backbone, n_classes: int) -> None:
        super().__init__()
        assert config.finetune is not None
        options = config.finetune
        self.data_config = data_config(config, backbone)
        self.backbone: Any = copy.deepcopy(backbone.model).requires_grad_(True)
        _fit_to(self.backbone, backbone.name, options.image_size)
        if options.pool == "gem":
            _pool_by_gem(self.backbone, backbone.name)
        if options.gradient_checkpointing:
            _checkpoint_gradients(self.backbone, backbone.name)
        width = backbone.dim
        self.neck: nn.Module = nn.Identity()
        if options.neck is not None:
            self.neck = nn.Sequential(nn.Linear(width, options.neck, bias=False), nn.BatchNorm1d(options.neck))
            width = options.neck
        self.head_width, self.n_classes = width, n_classes
        margin = config.adaface or config.arcface
        self.head: nn.Module = Linear(width, n_classes) if margin is None else head(config.head, width, n_classes,
                                                                                    **margin.model_dump())
        for name in ("mean", "std"):
            values = torch.tensor(self.data_config[name]).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def normalized(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) -> what `forward` takes."""
        return (images.float() / 255 - self.mean) / self.std

    def forward(self, images: Tensor, labels: Tensor | None = None, frozen: bool = False) -> Tensor:
        """Logits (N, K); with labels, the head's margin is applied (see `heads`). `frozen`: the backbone does not learn."""
        seen = self.features(images, frozen)
        with torch.autocast(seen.device.type, enabled=False):  # in half precision a cosine near 1 has no finite gradient
            logits: Tensor = self.head(seen, labels)
        return logits

    def features(self, images: Tensor, frozen: bool = False) -> Tensor:
        """What the head sees, (N, D)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            features = self.backbone(images)
        seen: Tensor = self.neck(features)
        return seen.float()

    def learning(self, frozen: bool, freeze_batch_norm: bool) -> None:
        """Training mode. A frozen backbone stays in evaluation mode; so do its batch norms where their statistics are kept."""
        self.train()
        if frozen:
            self.backbone.eval()
        elif freeze_batch_norm:
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()


def data_config(config: Config, backbone: Backbone) -> dict[str, Any]:
    """timm's, with the configured image size."""
    side = config.finetune.image_size if config.finetune is not None else None
    return backbone.data_config if side is None else backbone.data_config | {"input_size": (3, side, side)}


def stored_side(data_config: dict[str, Any]) -> int:
    """Short side to which timm's evaluation transform resizes before it cuts the middle out."""
    return math.floor(int(max(data_config["input_size"][1:])) / float(data_config["crop_pct"]))


def _fit_to(model: Any, name: str, side: int | None) -> None:
    """Transformers have position tables for one image size, which timm interpolates."""
    if side is None or side == max(model.pretrained_cfg["input_size"][1:]):
        return
    if hasattr(model, "set_input_size"):
        try:
            model.set_input_size((side, side))
        except AssertionError as error:
            raise InputError(f"finetune.image_size = {side}: {name} cannot take it ({error or 'not a multiple of its patches'})"
                             ) from error
    elif model.pretrained_cfg.get("fixed_input_size"):
        raise InputError(f"finetune.image_size = {side}: {name} takes only {max(model.pretrained_cfg['input_size'][1:])}")


def _pool_by_gem(model: Any, name: str) -> None:
    for place, module in model.named_modules():
        if isinstance(module, timm().layers.SelectAdaptivePool2d) and not module.is_identity():
            parent, _, last = place.rpartition(".")
            fast = hasattr(module.pool, "dim")
            keep = not module.pool.flatten if fast else isinstance(module.flatten, nn.Identity)
            dims = tuple(module.pool.dim) if fast else (2, 3)
            setattr(model.get_submodule(parent), last, GeM(dims, keep))
            return
    raise InputError(f"finetune.pool = gem: {name} does not pool feature maps")


def _checkpoint_gradients(model: Any, name: str) -> None:
    try:
        model.set_grad_checkpointing(True)
    except (AttributeError, AssertionError) as error:
        raise InputError(f"finetune.gradient_checkpointing: {name} does not offer it") from error


def over(model: nn.Module, view: ImageView, answer: Callable[[Tensor], Tensor]) -> npt.NDArray[np.float32]:
    """`answer` (a bound method of the fine-tuned `model`) to all images of a view, (N, ...), on the device the model is on."""
    assert isinstance(model, FinetunedMember)
    model.eval()
    device = model.mean.device
    with torch.inference_mode():
        parts = [answer(model.normalized(images.to(device))).float().cpu().numpy() for images in view.batches()]
    return np.concatenate(parts)
