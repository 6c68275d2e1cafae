"""The registered model, loaded as MLflow loads it and asked over HTTP as its scoring server is."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import uvicorn
from PIL import Image
from tiny_runs import make_config, make_manifest, write_photos

from hai_core import backbones, runs, serving, tracking
from hai_core.ensemble import direct
from hai_core.workspace import InputError, Workspace

NAME = "wörk: 일 'x'"
LOAD = backbones.load
ALONE = """
import importlib.metadata, json, sys
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
answer = model.predict(json.load(sys.stdin)).to_numpy().tolist()
import hai_core
modules, names = {name.split(".")[0] for name in sys.modules}, importlib.metadata.packages_distributions()
used = {name.lower() for module in modules for name in names.get(module, ())}
print(json.dumps({"answer": answer, "code": hai_core.__file__, "used": sorted(used)}))
"""
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("serving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAI_CACHE", str(place / "cache"))
        patch.setenv("HAI_RUNTIME", "torch")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(backbones, "load", lambda name, weights=None: tiny.backbone())
        yield place


@pytest.fixture(scope="module")
def run(place):
    photos = write_photos(place / "images")
    workspace = Workspace.create(place / NAME, place / "images")
    return runs.train(make_manifest(photos), make_config("mirror=true", "recipes=[[tiny],[tiny, other]]"),
                      images=place / "images", runs=workspace.runs)


@pytest.fixture(scope="module")
def registered(run, place):
    return tracking.register(run, Workspace.open(place / NAME))


@pytest.fixture(scope="module")
def model(registered):
    import mlflow

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", registered.store)
        yield mlflow.pyfunc.load_model(registered.uri)


@pytest.fixture(scope="module")
def asked(place):
    """Image files of several kinds that the model is asked about."""
    folder = place / "asked"
    folder.mkdir()
    rng = np.random.default_rng(1)
    photo = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)).resize((400, 300))
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.save(folder / "turned.jpg", exif=turned)
    photo.save(folder / "upright.jpg")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    photo.convert("L").resize((30, 200)).save(folder / "grey.png")
    photo.convert("RGBA").rotate(30).save(folder / "see-through.webp", lossless=True)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def server(model):
    """The address of MLflow's scoring server for the model, with its own threads, in this process."""
    from mlflow.pyfunc import scoring_server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")  # restored afterwards; the server sets it
        server = uvicorn.Server(uvicorn.Config(scoring_server.init(model), port=0, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/invocations"
        server.should_exit = True
        thread.join()


def ask(server, body):
    """(status, answer) of a request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server, content, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def image(content):
    return {"image": base64.b64encode(content).decode()}


def test_what_is_served_is_what_predict_says(run, model, asked, place, server):
    expected = runs.predict(run, place / "asked").set_index("file")
    assert np.abs(expected.loc["turned.jpg"] - expected.loc["upright.jpg"]).max() > 1e-3
    table = model.predict([image(content) for content in asked.values()])
    assert table.columns.tolist() == expected.columns.tolist()
    assert np.allclose(table.to_numpy(), expected.loc[list(asked)].to_numpy(), rtol=0, atol=1e-7)
    status, answer = ask(server, {"inputs": [image(content) for content in asked.values()]})
    assert status == 200
    pd.testing.assert_frame_equal(pd.DataFrame(answer["predictions"]), table)
    pd.testing.assert_frame_equal(model.predict(pd.DataFrame([image(content) for content in asked.values()])), table)


def test_a_hundred_requests_at_once_are_answered_rightly(run, place, server):
    photos = sorted((place / "images").rglob("*.png"))
    chosen = [photos[number % len(photos)] for number in range(100)]
    expected = runs.predict(run, place / "images").set_index("file")
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda file: ask(server, {"inputs": [image(file.read_bytes())]}), chosen))
    assert {status for status, _ in answers} == {200}
    table = pd.DataFrame([answer["predictions"][0] for _, answer in answers])
    wanted = expected.loc[[file.relative_to(place / "images").as_posix() for file in chosen]]
    assert np.allclose(table.to_numpy(), wanted.to_numpy(), rtol=0, atol=1e-7)
    assert table.round(6).drop_duplicates().shape[0] > 20


TEXT = image(b"not an image")


@pytest.mark.parametrize(("inputs", "sentence"), [
    ([], '"inputs" must be a list of at least one {"image": "<base64>"}'),
    ("x", '"inputs" must be a list of at least one {"image": "<base64>"}'),
    ([{}], 'inputs[0] must be {"image": "<base64>"} and nothing else'),
    ([{"picture": "x"}], 'inputs[0] must be {"image": "<base64>"} and nothing else'),
    ([{"image": "x", "top": 5}], 'inputs[0] must be {"image": "<base64>"} and nothing else'),
    (["x"], 'inputs[0] must be {"image": "<base64>"} and nothing else'),
    ([{"image": 5}], "inputs[0]: the image is not a text of base64"),
    ([{"image": "!"}], "inputs[0] is not base64: only base64 data is allowed"),
    ([{"image": "가"}], "inputs[0] is not base64: string argument should contain only ascii characters"),
    ([{"image": ""}], "inputs[0] cannot be read as an image: the file is empty"),
    ([TEXT], "inputs[0] cannot be read as an image: not an image in a known format"),
    ([TEXT] * 257, "inputs holds 257 images; at most 256 fit in one request"),
    ([{"image": "A" * (serving.MAX_BYTES * 4 // 3 + 8)}], "inputs[0] is too large: an image file may have 32 MiB"),
])
def test_a_wrong_request_is_status_400_and_one_sentence(server, inputs, sentence):
    status, answer = ask(server, {"inputs": inputs})
    assert (status, answer["message"]) == (400, sentence)


def test_the_position_of_the_wrong_image_is_named(server, asked):
    good = image(asked["upright.jpg"])
    for wrong in ({"image": "!"}, image(b"text"), image(asked["upright.jpg"][:500]), None):
        status, answer = ask(server, {"inputs": [good, good, wrong, good]})
        assert status == 400
        assert answer["message"].startswith("inputs[2] ")
        assert "\n" not in answer["message"]
        assert len(answer["message"]) < 200


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"images": []}', b'{"dataframe_records": [{"image": "x"}]}'])
def test_what_is_no_request_at_all_is_status_400_too(server, body):
    assert ask(server, body)[0] == 400


@pytest.mark.parametrize("part", ["__call__", "crops"])
def test_a_fault_of_the_server_is_status_500_and_in_its_log(server, asked, monkeypatch, caplog, part):
    def broken(*arguments):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(direct.Predictor, part, broken)
    status, answer = ask(server, {"inputs": [image(asked["upright.jpg"])]})
    assert status == 500
    assert answer["message"] == "the server failed, and not because of the request; its log says how"
    assert "ZeroDivisionError: a bug" in caplog.text


def test_too_little_memory_is_no_fault_of_the_image(server, asked, monkeypatch):
    def full(*arguments, **named):
        raise MemoryError

    assert ask(server, {"inputs": [image(asked["grey.png"])]})[0] == 200
    monkeypatch.setattr(Image, "open", full)
    assert ask(server, {"inputs": [image(asked["grey.png"])]})[0] == 500


def test_the_model_has_a_signature_an_example_and_its_run(registered, run):
    from mlflow import MlflowClient
    from mlflow.models import get_model_info

    client = MlflowClient(registered.store)
    version = client.get_model_version(registered.name, registered.version)
    assert registered.name == "wörk- 일 'x'"
    assert client.get_run(version.run_id).data.tags["hai.run"] == version.tags["hai.run"] == run.id
    assert version.tags["hai.manifest"] == run.info["manifest"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", registered.store)
        signature = get_model_info(registered.uri).signature
    assert signature.inputs.to_dict() == [{"type": "string", "name": "image", "required": True}]
    assert signature.outputs.input_names() == sorted(run.manifest.mapping)


def test_the_example_is_a_request_that_works(model, server):
    example = model.input_example
    assert ask(server, {"inputs": example.to_dict("records") if isinstance(example, pd.DataFrame) else example})[0] == 200


def test_registering_again_is_the_same_version_and_another_name_another_model(registered, run, place):
    workspace = Workspace.open(place / NAME)
    assert tracking.register(run, workspace) == registered
    other = tracking.register(run, workspace, "other")
    assert (other.uri, other.store) == ("models:/other/1", registered.store)
    models = []
    for _ in range(2):
        with tracking._mlflow(workspace, run.path.parent) as (client, experiment):
            models.append(len(client.search_logged_models([experiment])))
        with pytest.raises(InputError, match="MLflow is not available: Invalid model name 'a/b'"):
            tracking.register(run, workspace, "a/b")
    assert models[0] == models[1]  # what is refused leaves nothing


def test_other_weights_than_those_trained_with_are_refused(run, monkeypatch):
    monkeypatch.setattr(backbones, "load", lambda name, weights=None: tiny.backbone(fingerprint="fedcba9876543210"))
    with pytest.raises(InputError, match="weights of tiny on this machine are not those"):
        runs.predictor(run)


def test_the_model_needs_nothing_but_its_own_files_and_the_packages_it_names(place, asked, tmp_path, monkeypatch):
    """Asked by a process that knows neither the run, nor the program's folder, nor the file of weights."""
    import mlflow
    from safetensors.torch import save_file

    monkeypatch.setattr(backbones, "load", LOAD)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    save_file(backbones.timm().create_model("test_vit", num_classes=0).state_dict(), "w.safetensors")
    photos = write_photos(tmp_path / "images")
    run = runs.train(make_manifest(photos), make_config("recipes=[[tf_efficientnet_lite0],[test_vit=w.safetensors]]"),
                     images=tmp_path / "images", runs=tmp_path / "runs")
    expected = runs.predict(run, place / "asked").set_index("file").loc[list(asked)]
    registered = tracking.register(run)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registered.store)
    folder = mlflow.artifacts.download_artifacts(registered.uri, dst_path=str(tmp_path / "model"))
    for gone in ("runs", "w.safetensors", "images"):
        (tmp_path / gone).rename(tmp_path / f"gone-{gone}")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "HAI_CACHE": str(tmp_path / "cache")}
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run([sys.executable, "-c", ALONE, folder], cwd=tmp_path / "elsewhere", env=environment, text=True,
                          input=json.dumps([image(content) for content in asked.values()]), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert Path(told["code"]).is_relative_to(folder)
    assert np.allclose(told["answer"], expected.to_numpy(), rtol=0, atol=1e-6)
    pinned = set((ROOT / "requirements.txt").read_text().splitlines())
    named = set((Path(folder) / "requirements.txt").read_text().split())
    assert named <= pinned
    ours = {line.partition("==")[0].partition("[")[0] for line in pinned}
    assert {name for name in ours if name.lower() in told["used"]} <= {line.partition("==")[0] for line in named}
