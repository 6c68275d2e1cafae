"""The evaluation transform in one pass, and features that are the same whatever computes them."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from make_images import image_bytes, make_image
from PIL import Image

from hai_core import backbones, embeddings, runtime
from hai_core.pixels import decode
from hai_core.workspace import InputError


@pytest.fixture(scope="module")
def lite0():
    return backbones.load("tf_efficientnet_lite0")


@pytest.fixture
def openvino(monkeypatch):
    monkeypatch.setenv("HAI_RUNTIME", "openvino")


def photo(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.blend(make_image(width % 7, (width, height)), Image.fromarray(noise), 0.3)


@pytest.mark.parametrize("size", [(320, 240), (500, 375), (620, 600), (260, 901), (1200, 256), (40, 30)],
                         ids=str)
@pytest.mark.parametrize("config", [{}, {"input_size": (3, 96, 128)}, {"crop_mode": "squash"}, {"interpolation": "bilinear"},
                                    {"crop_pct": 1.0}], ids=str)
def test_a_crop_normalised_is_timms_evaluation_transform(lite0, config, size):
    backbone = dataclasses.replace(lite0, data_config=lite0.data_config | config)
    crop = runtime.crop(backbone)(photo(*size))
    assert (crop.dtype, crop.flags.c_contiguous) == (np.uint8, True)
    found = runtime._normalization(backbone, "cpu")(torch.from_numpy(crop[None]))[0]
    levels = (found - backbone.transform()(photo(*size))).abs() * 127.5
    assert levels.max() < 2.01  # Pillow holds the fused crop's edges in single precision
    assert (levels > 0.01).float().mean() < 0.005


def test_openvino_gives_the_features_of_timms_transform_and_pytorch(lite0, openvino):
    images = [photo(*size) for size in [(320, 240), (240, 320), (500, 375)]]
    with torch.inference_mode():
        wanted = lite0.model(torch.stack([lite0.transform()(image) for image in images])).numpy()
    assert runtime.name(lite0) == "openvino"
    found = runtime.runner(lite0)([runtime.crop(lite0)(image) for image in images])
    assert found.dtype == np.float32
    assert cosine(found, wanted).min() > 0.9999
    assert cosine(found, wanted[[1, 2, 0]]).max() < 0.999


def test_features_do_not_depend_on_the_batch(lite0, openvino):
    crops = [runtime.crop(lite0)(photo(320 + 10 * i, 240)) for i in range(5)]
    run = runtime.runner(lite0)
    np.testing.assert_array_equal(run(crops)[3], run(crops[3:4])[0])


def test_a_scaled_decode_leaves_the_features_as_they_are(lite0, openvino):
    data = image_bytes(photo(1600, 1200), quality=90)
    scaled = decode(data, least_side=runtime.least_side(lite0))
    assert scaled.decoded == "scaled 1/2"
    cut = runtime.crop(lite0)
    both = runtime.runner(lite0)([cut(scaled.image), cut(decode(data).image)])
    assert cosine(both[:1], both[1:]).min() > 0.999


def cosine(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class Untraceable(torch.nn.Module):
    def forward(self, images):
        return torch.from_numpy(images.numpy().mean((2, 3))) if images.isfinite().all() else images


@pytest.fixture
def odd(monkeypatch):
    """A backbone that OpenVINO gets wrong."""
    return dataclasses.replace(tiny.backbone(fingerprint="e" * 16), model=Untraceable(), dim=3)


@pytest.mark.filterwarnings("ignore:.*:torch.jit.TracerWarning")
def test_a_model_that_openvino_gets_wrong_runs_by_pytorch_and_its_features_are_found(odd, tmp_path, monkeypatch):
    monkeypatch.delenv("HAI_RUNTIME")
    monkeypatch.setattr(backbones, "load", lambda name: odd)
    files = tiny.write_images(tmp_path / "images", 3)
    assert runtime.name(odd) == "openvino"
    assert embeddings.embed(tmp_path / "images", files, "tiny").computed == 3
    assert runtime.name(odd) == "torch"
    crops = [runtime.crop(odd)(Image.open(tmp_path / "images" / file).convert("RGB")) for file in files["file"]]
    np.testing.assert_allclose(embeddings.load(files["sha256"], "tiny"), [crop.mean((0, 1)) / 127.5 - 1 for crop in crops],
                               atol=1e-5)
    assert embeddings.embed(tmp_path / "images", files, "tiny").computed == 0


@pytest.mark.filterwarnings("ignore:.*:torch.jit.TracerWarning")
def test_who_insists_on_openvino_is_told_that_it_cannot_take_the_model(odd, openvino):
    with pytest.raises(InputError, match="HAI_RUNTIME is openvino, which cannot take tiny: its features differ"):
        runtime.runner(odd)
    assert runtime.name(odd) == "openvino"


def test_an_unknown_runtime_is_a_sentence(lite0, monkeypatch):
    monkeypatch.setenv("HAI_RUNTIME", "tpu")
    with pytest.raises(InputError, match="HAI_RUNTIME is 'tpu'"):
        runtime.name(lite0)


def test_openvinos_telemetry_is_never_imported(tmp_path):
    code = "import sys; from hai_core import runtime; runtime._import_openvino(); print(sys.modules['openvino_telemetry'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1],
                          env={"HOME": str(tmp_path)})
    assert done.stdout.strip() == "None", done.stderr
    assert not list(tmp_path.iterdir())
