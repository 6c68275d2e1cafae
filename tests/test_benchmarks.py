"""The benchmarks are run by hand; here it is seen that what they use is still there."""

import importlib
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks import finetune_speed
from tests.make_images import make_image

NAMES = sorted(file.stem for file in Path(benchmarks.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_finds_what_it_uses(name):
    if name == "plain_gallery":
        pytest.skip("a Streamlit page, which an import would run")
    try:
        importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith(("hai_core", "benchmarks", "pages", "tests")):
            raise  # else a rival of requirements-bench.txt


def test_the_speed_of_fine_tuning_is_measured(tmp_path, monkeypatch, capsys):  # it looks inside the trainer
    monkeypatch.setenv("HAI_CACHE", str(tmp_path / "cache"))
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for seed in range(4):
            make_image(seed).save(tmp_path / "images" / name / f"{seed}.jpg")
    monkeypatch.setattr(sys, "argv", ["finetune_speed", str(tmp_path / "images"), "--model", "test_resnet", "--size", "64",
                                      "--batch", "4", "--steps", "1"])
    finetune_speed.main()
    told = capsys.readouterr().out
    assert told.count("images a second") == 2
    assert "on the device" in told
