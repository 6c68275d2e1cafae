"""Runs of fine-tuned members: the same records as those of features, and the same promises."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from tiny_runs import CLASSES, FINETUNE, make_config, make_manifest, write_photos

from hai_core import backbones, runs
from hai_core.ensemble.features import of_recipe
from hai_core.ensemble.predict import logits
from hai_core.members import store
from hai_core.probabilities import softmax


@pytest.fixture
def photos(tmp_path, monkeypatch):
    backbone = tiny.small()
    for loader in ("load", "untrained"):
        monkeypatch.setattr(backbones, loader, lambda name: backbone)
    return write_photos(tmp_path / "images")


def train_in(place, photos, *overrides, runs_in="runs"):
    return runs.train(make_manifest(photos), make_config(*FINETUNE, *overrides), images=place / "images", runs=place / runs_in)


def test_a_run_has_the_records_of_any_run_and_predicts_as_its_members_do(photos, tmp_path):
    trained = train_in(tmp_path, photos, "mirror=true", "epochs=6")
    assert trained.state == "finished"
    assert trained.metrics["holdout_n"] == 6
    assert trained.metrics["accuracy"] > 1 / len(CLASSES)
    assert trained.history.groupby("member").size().tolist() == [6, 6, 6]
    assert np.allclose(trained.probabilities.sum(1), 1)
    expected = np.zeros((len(photos), 3))
    views = of_recipe(trained.config, photos["sha256"].tolist(), ["tiny"], ("center", "mirror"))
    for card in trained.cards:
        member = store.load(trained.path / "members", card.name, trained.config, 3)
        expected += card.weight * softmax(logits(member, views), card.temperature)
    table = runs.predict(trained, tmp_path / "images").set_index("file").loc[photos["path"]]
    assert np.allclose(table[CLASSES[0]], expected[:, 0])
    assert trained.holdout_answers is not None
    served = runs.predictor(trained)
    answers = served([served.crops((tmp_path / "images" / path).read_bytes()) for path in photos["path"]])
    assert np.allclose(table[served.names].to_numpy(), answers, atol=1e-6)


def test_prediction_needs_no_weights_but_the_members_own(photos, tmp_path, monkeypatch):
    trained = train_in(tmp_path, photos)
    before = runs.predict(trained, tmp_path / "images")
    monkeypatch.setattr(backbones, "load", lambda name: pytest.fail("the backbone's pretrained weights were asked for"))
    assert runs.predict(trained, tmp_path / "images").equals(before)


def test_an_image_that_cannot_be_used_is_named_before_anything_is_trained(photos, tmp_path):
    (tmp_path / "images" / photos["path"][3]).unlink()
    with pytest.raises(runs.InputError, match="1 images of the manifest cannot be used: "):
        train_in(tmp_path, photos)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("*/members"))


@pytest.mark.timeout(240)
def test_after_kill_9_the_run_ends_with_the_figures_of_an_uninterrupted_one(photos, tmp_path):
    whole = train_in(tmp_path, photos, runs_in="whole")
    places = tmp_path / "killed"
    program = [sys.executable, str(Path(__file__).parent / "tiny_runs.py"), str(tmp_path / "images"), str(places), "0.3",
               "finetune"]
    alike = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": f"{torch.get_num_threads()}"}  # sums depend on it
    child = subprocess.Popen(program, env=os.environ | alike)
    try:
        deadline = time.monotonic() + 120
        while not list(places.glob("*/members/*.checkpoint")):
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.7)
    finally:
        child.kill()
        child.wait()
    resumed = train_in(tmp_path, photos, runs_in="killed")
    assert len(list(places.glob("*/run.json"))) == 1
    np.testing.assert_allclose(resumed.probabilities, whole.probabilities, atol=1e-6)
    assert resumed.history.drop(columns="member").to_numpy() == pytest.approx(whole.history.drop(columns="member").to_numpy(),
                                                                             abs=1e-6)
