"""A trained member on disk: `NAME.safetensors` (its weights) and `NAME.json` (how it was trained and how it did).

The JSON is written last and holds the digest of the weights, so that a member killed while being written is no member.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import nn

from hai_core import backbones
from hai_core.members.config import Config
from hai_core.members.fit import Fitted
from hai_core.members.frozen import FrozenMember
from hai_core.members.network import FinetunedMember
from hai_core.workspace import InputError, digest, write_atomic

Fields = dict[str, Any]


def save(folder: Path, name: str, model: nn.Module, fitted: Fitted, **fields: Any) -> Fields:
    """Write a member; returns what `fields_of` will."""
    weights = safetensors.torch.save({key: tensor.contiguous() for key, tensor in model.state_dict().items()})
    fields |= {"name": name, "log_loss": fitted.log_loss, "accuracy": fitted.accuracy, "seconds": fitted.seconds,
               "weights": digest(weights), "history": fitted.history.to_dict("list")}
    write_atomic(folder / f"{name}.safetensors", weights)
    write_atomic(folder / f"{name}.json", json.dumps(fields, ensure_ascii=False, indent=1) + "\n")
    return fields


def fields_of(folder: Path, name: str) -> Fields | None:
    """A finished member's fields; None when it was not finished. Raises InputError when it was damaged since."""
    file = folder / f"{name}.json"
    if not file.is_file():
        return None
    fields: Fields = json.loads(file.read_text(encoding="utf-8"))
    _weights(folder, fields)
    return fields


def load(folder: Path, name: str, config: Config, n_classes: int) -> nn.Module:
    """A finished member, ready to predict: of features, or of images when it was fine-tuned (then on a GPU where there is one).

    Raises InputError when it is missing or damaged.
    """
    fields = fields_of(folder, name)
    if fields is None:
        raise InputError(f"{folder} has no trained member {name}")
    member: nn.Module
    if config.mode == "finetune":
        member = FinetunedMember(config, backbones.untrained(fields["recipe"]), n_classes)
    else:
        member = FrozenMember(config, fields["in_features"], n_classes)
    member.load_state_dict(safetensors.torch.load(_weights(folder, fields)))
    if config.mode == "finetune" and torch.cuda.is_available():
        member.cuda()
    return member.eval()


def _weights(folder: Path, fields: Fields) -> bytes:
    file = folder / f"{fields['name']}.safetensors"
    content = file.read_bytes() if file.is_file() else b""
    if digest(content) != fields["weights"]:
        raise InputError(f"{file} is missing or was changed since it was trained")
    return content
