import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from hai_core import backbones, torchvision_shim
from hai_core.workspace import InputError

CATS = range(281, 286)  # ImageNet's domestic cats


@pytest.fixture(scope="module")
def lite0():
    return backbones.load("tf_efficientnet_lite0")


@pytest.fixture
def no_hub(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(backbones, "_cached_file", lambda config: None)


@pytest.mark.parametrize("name", backbones.PACKAGED)
def test_packaged_weights_see_a_cat(name):
    import skimage.data
    from timm.data import create_transform, resolve_data_config

    model = backbones.packaged_classifier(name).eval()
    photo = Image.fromarray(skimage.data.chelsea())
    with torch.inference_mode():
        batch = create_transform(**resolve_data_config({}, model=model))(photo)[None]
        probabilities = model(batch).softmax(1)[0]
    assert int(probabilities.argmax()) in CATS
    assert float(probabilities[CATS.start:CATS.stop].sum()) > 0.5


def test_backbone_gives_features_of_its_width(lite0):
    with torch.inference_mode():
        features = lite0.model(torch.zeros(2, 3, 224, 224))
    assert features.shape == (2, lite0.dim) == (2, 1280)
    assert not lite0.model.training
    assert lite0.weights_source == "packaged"
    assert lite0.data_config["input_size"] == (3, 224, 224)


def test_fingerprint_is_of_the_tensors(lite0):
    again = backbones.packaged_classifier("tf_efficientnet_lite0")
    again.reset_classifier(0)
    assert backbones.fingerprint(again) == lite0.fingerprint
    with torch.no_grad():
        next(again.parameters()).view(-1)[0] += 1e-6
    assert backbones.fingerprint(again) != lite0.fingerprint


def test_positions_are_checked_shape_by_shape():
    tensors = {"a": torch.zeros(2, 3), "b": torch.ones(3)}
    named = backbones.by_position(tensors, {"x": torch.zeros(2, 3), "y": torch.zeros(3)})
    assert list(named) == ["x", "y"]
    assert named["y"] is tensors["b"]
    with pytest.raises(ValueError, match=r"a has shape \(2, 3\), y needs \(3,\)"):
        backbones.by_position(tensors, {"y": torch.zeros(3), "x": torch.zeros(2, 3)})
    with pytest.raises(ValueError, match="2 tensors cannot stand for 1"):
        backbones.by_position(tensors, {"x": torch.zeros(2, 3)})


@pytest.mark.parametrize(("name", "said"), [
    ("tf_efficentnet_lite0", "no model 'tf_efficentnet_lite0'; did you mean tf_efficientnet_lite0"),
    ("convnext_tiny.fb_in", "no weights 'fb_in' for convnext_tiny; it has convnext_tiny.fb_in1k"),
    ("공룡", "no model '공룡'$"),
])
def test_an_unknown_name_gets_the_nearest_ones(name, said):
    with pytest.raises(InputError, match=said):
        backbones.load(name)


def test_without_weights_on_this_machine_both_ways_out_are_shown_at_once(no_hub):
    began = time.monotonic()
    with pytest.raises(InputError, match=r"weights of resnet10t are not on this machine") as error:
        backbones.load("resnet10t")
    assert time.monotonic() - began < 10
    assert "resnet10t=FILE.safetensors" in str(error.value)
    assert all(name in str(error.value) for name in backbones.PACKAGED)


def test_a_model_that_timm_has_no_weights_for(no_hub):
    with pytest.raises(InputError, match="timm has no pretrained weights for darknet17"):
        backbones.load("darknet17")


def test_downloaded_weights_are_used_without_a_network(tmp_path, monkeypatch):
    import timm
    from huggingface_hub import constants

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    file = Path(torch.hub.get_dir()) / "checkpoints" / timm.models.get_pretrained_cfg("resnet10t").url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.manual_seed(3)
    model = timm.create_model("resnet10t").eval()
    torch.save(model.state_dict(), file)
    loaded = backbones.load("resnet10t")
    batch = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(batch), model.forward_head(model.forward_features(batch), pre_logits=True))
    assert loaded.weights_source.startswith("hub: ")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_weights_file_with_a_classifier_of_any_size(tmp_path, lite0, suffix):
    tensors = {**lite0.model.state_dict(), "classifier.weight": torch.zeros(7, 1280), "classifier.bias": torch.zeros(7)}
    file = tmp_path / f"차량 weights.{suffix}"
    if suffix == "pth":
        torch.save({"state_dict": tensors}, file)
    else:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    loaded = backbones.load(f"tf_efficientnet_lite0={file}")
    assert loaded.fingerprint == lite0.fingerprint
    assert loaded.weights_source == f"file: {file}"
    assert backbones.load("tf_efficientnet_lite0", file).fingerprint == lite0.fingerprint


def test_a_weights_file_that_does_not_fit_says_what_is_wrong(tmp_path, lite0):
    tensors = dict(lite0.model.state_dict())
    first = next(iter(tensors))
    cases = {
        "less": ({name: tensor for name, tensor in tensors.items() if name != first}, f"has no {first}"),
        "shape": ({**tensors, first: torch.zeros(1)}, rf"has {first} of shape \(1,\) instead of \(32, 3, 3, 3\)"),
        "more": ({**tensors, "extra.weight": torch.zeros(1)}, "has an unknown extra.weight"),
    }
    for name, (held, said) in cases.items():
        file = tmp_path / f"{name}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in held.items()}, file)
        with pytest.raises(InputError, match=said):
            backbones.load("tf_efficientnet_lite0", file)


def test_code_in_a_weights_file_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    file = tmp_path / "trap.pth"
    file.write_bytes(pickle.dumps({"state_dict": Trap()}, protocol=2))
    with pytest.raises(InputError, match=r"trap.pth is not a file of weights"):
        backbones.load("tf_efficientnet_lite0", file)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("name", "content"), [
    ("none.pth", None), ("empty.pth", b""), ("a.safetensors", b"hello"), ("l.pth", b"x")])
def test_a_file_that_holds_no_weights(tmp_path, name, content):
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=name):
        backbones.load("tf_efficientnet_lite0", file)


def test_the_shim_lets_timm_be_imported():
    code = "import hai_core.torchvision_shim, timm, torchvision.transforms; print(timm.is_model('convnext_tiny'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.stdout == "True\n", done.stderr


def test_the_shim_does_nothing_where_the_compiled_library_loads(monkeypatch):
    tried = []
    monkeypatch.setattr(torch.ops, "load_library", tried.append)
    assert torchvision_shim._compiled_library_loads()
    assert len(tried) == 1

    def broken(library):
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr(torch.ops, "load_library", broken)
    assert not torchvision_shim._compiled_library_loads()
