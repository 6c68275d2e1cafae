"""A backbone made ready to run on this machine: crops of images -> features.

On a CPU by OpenVINO in float32, ten times as fast as PyTorch there for the packaged backbones (benchmarks/embed); on a GPU,
and where OpenVINO cannot take a model, by PyTorch. `HAI_RUNTIME` (openvino, torch) overrides the choice.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hai_core import progress
from hai_core.backbones import Backbone
from hai_core.workspace import InputError, embeddings_root, write_atomic

if TYPE_CHECKING:
    import torch
    from PIL import Image

Crop = npt.NDArray[np.uint8]  # (H, W, 3)
Features = npt.NDArray[np.float32]  # (B, D)

AGREEMENT = 0.9999  # cosine to PyTorch's features below which another runtime is not trusted


def least_side(backbone: Backbone) -> int:
    """Short side in pixels that a scaled decode must leave: twice what the image is resized to, so that features stay as they
    are (benchmarks/embed measures it)."""
    config = backbone.data_config
    return 2 * math.floor(float(max(config["input_size"][1:])) / float(config["crop_pct"]))


def crop(backbone: Backbone) -> Callable[[Image.Image], Crop]:
    """timm's evaluation transform up to, not including, the normalisation: an RGB image -> (H, W, 3)."""
    transform = backbone.transform(use_prefetcher=True)  # timm's word for leaving uint8 (3, H, W)

    def cut(image: Image.Image) -> Crop:
        fused = _resized_and_cropped(image, transform)
        return np.ascontiguousarray(np.asarray(transform(image)).transpose(1, 2, 0)) if fused is None else fused

    return cut


def _resized_and_cropped(image: Image.Image, transform: Any) -> Crop | None:
    """What torchvision's Resize of the short side and CenterCrop come to, resizing only what the crop shows.

    The same pixels but for one level in a thousand, where sides are rounded as torchvision rounds them. None for other
    transforms, and for images that are tall or enlarged, of which more pixels differ by a level: Pillow seems to take the axes
    in another order then, and rounds in between.
    """
    from PIL import Image
    from torchvision.transforms import CenterCrop, Resize

    resize, center, *_ = transform.transforms
    if not isinstance(resize, Resize) or not isinstance(center, CenterCrop) or not isinstance(resize.size, int):
        return None
    short = min(image.size)
    width, height = (int(resize.size * side / short) for side in image.size)
    crop_height, crop_width = center.size
    if image.width < image.height or short < resize.size or width < crop_width or height < crop_height:
        return None
    left, top = round((width - crop_width) / 2), round((height - crop_height) / 2)
    across, down = image.width / width, image.height / height
    box = (left * across, top * down, (left + crop_width) * across, (top + crop_height) * down)
    method = Image.Resampling[resize.interpolation.name]
    return np.array(image.resize((crop_width, crop_height), method, box=box))


def name(backbone: Backbone) -> str:
    """The runtime that `runner` takes for this backbone on this machine: openvino, torch or cuda. Part of the features' key."""
    import torch

    wanted = os.environ.get("HAI_RUNTIME", "")
    if wanted not in ("", "openvino", "torch"):
        raise InputError(f"HAI_RUNTIME is {wanted!r}; it can be openvino or torch")
    if wanted != "openvino" and torch.cuda.is_available():
        return "cuda"
    return wanted or ("torch" if _refused(backbone).exists() else "openvino")


def runner(backbone: Backbone) -> Callable[[Sequence[Crop]], Features]:
    """A function from crops (B of them) to features (B, D). Features do not depend on what else is in the batch, but for
    rounding on a GPU. Where OpenVINO turns out not to take the model, `name` says so from then on. Raises InputError when
    HAI_RUNTIME insists on it."""
    chosen = name(backbone)
    if chosen == "openvino":
        try:
            return _openvino(backbone)
        except MemoryError:
            raise
        except Exception as error:  # tracing and converting a model of any architecture raises nearly anything
            why = (str(error).splitlines() or [type(error).__name__])[0]
            if os.environ.get("HAI_RUNTIME"):
                raise InputError(f"HAI_RUNTIME is openvino, which cannot take {backbone.name}: {why}") from error
            write_atomic(_refused(backbone), why + "\n")
            progress.say(f"OpenVINO cannot take {backbone.name} ({why}); it runs by PyTorch, which is slower")
            chosen = "torch"
    return _torch(backbone, "cuda" if chosen == "cuda" else "cpu")


def _refused(backbone: Backbone) -> Path:
    """A note that this version of OpenVINO could not take the model."""
    return embeddings_root() / "torch-only" / f"{backbone.name}-{backbone.fingerprint}-openvino-{version('openvino')}.txt"


def _torch(backbone: Backbone, device: str) -> Callable[[Sequence[Crop]], Features]:
    import torch

    model, normalized = backbone.model.to(device), _normalization(backbone, device)

    def run(crops: Sequence[Crop]) -> Features:
        exact = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.stack(crops)).to(device)
                features: Features = model(normalized(batch)).float().cpu().numpy()
        finally:
            torch.backends.cudnn.allow_tf32 = exact
        return features

    return run


def _normalization(backbone: Backbone, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    mean, std = (torch.tensor(backbone.data_config[key], device=device)[:, None, None] for key in ("mean", "std"))
    return lambda batch: (batch.permute(0, 3, 1, 2).float() / 255 - mean) / std


@lru_cache(maxsize=4)
def _openvino(backbone: Backbone) -> Callable[[Sequence[Crop]], Features]:
    ov = _import_openvino()
    core = ov.Core()
    compiled = core.compile_model(_converted(ov, backbone), "CPU", {
        "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32",  # it would take bfloat16 where there is some
        "ENABLE_CPU_PINNING": False})

    at_once = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

    def run(crops: Sequence[Crop]) -> Features:
        features = np.empty((len(crops), backbone.dim), np.float32)
        # Not AsyncInferQueue: a thread that still waits to leave its Python callback when the model is destroyed waits for
        # ever, and the destroyer for it.
        requests = [compiled.create_infer_request() for _ in range(at_once)]

        def keep(row: int) -> None:
            request = requests[row % len(requests)]
            request.wait()
            features[row] = request.get_output_tensor(0).data.reshape(-1)

        for row, pixels in enumerate(crops):  # one image a request: features do not depend on the batch
            if row >= len(requests):
                keep(row - len(requests))
            requests[row % len(requests)].start_async({0: pixels[None]})
        for row in range(max(0, len(crops) - len(requests)), len(crops)):
            keep(row)
        return features

    _check(backbone, run)
    return run


def _import_openvino() -> Any:
    """OpenVINO without its telemetry package, which would report uses; it does without where that cannot be imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _converted(ov: Any, backbone: Backbone) -> Any:
    """The model with normalisation inside: uint8 pixels (1, H, W, 3) in."""
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.preprocess import PrePostProcessor

    shape = [1, *backbone.data_config["input_size"]]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.trace is said to be old; OpenVINO asks for it
        traced = TorchScriptPythonDecoder(backbone.model, example_input=torch.zeros(shape))
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(traced))
    model.reshape({0: shape})
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean([255 * m for m in backbone.data_config["mean"]]).scale(
        [255 * s for s in backbone.data_config["std"]])
    return steps.build()


def _check(backbone: Backbone, run: Callable[[Sequence[Crop]], Features]) -> None:
    """Raises RuntimeError unless the features of a few random crops agree with PyTorch's."""
    _, height, width = backbone.data_config["input_size"]
    crops = list(np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8))
    ours, theirs = run(crops), _torch(backbone, "cpu")(crops)
    cosine = (ours * theirs).sum(1) / np.maximum(np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1), 1e-12)
    if not cosine.min() >= AGREEMENT:
        raise RuntimeError(f"its features differ from PyTorch's: cosine {cosine.min():.5f}")
