"""The benchmarks are run by hand; here it is seen that what they use is still there."""

import importlib
from pathlib import Path

import pytest

import benchmarks

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
