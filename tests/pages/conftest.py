"""A small indexed workspace with hostile names, and a way to open one page of the app on it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import yaml
from PIL import Image
from streamlit.testing.v1 import AppTest

from hai_core import __version__, backbones, catalog, manifest, runs
from hai_core.manifest import Manifest
from hai_core.members import config
from hai_core.workspace import Workspace, repository_root

CLASSES = ["K5_2019", "K5_2021", "<img src=x onerror=alert(1)>", "라브4, 5세대"]
EACH = 5  # images a class


@pytest.fixture(autouse=True)
def program(monkeypatch):
    """AppTest takes the place of `__main__`, which processes that a later test starts would run first."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def indexed(tmp_path_factory):
    """Folder holding `photos`, an indexed workspace `cars` and its `cache`; copied for every test."""
    folder = tmp_path_factory.mktemp("indexed")
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(EACH):
            pixels = rng.integers(0, 255, (72, 96, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"a\"b<c>,d' {i}.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAI_CACHE", str(folder / "cache"))
        workspace = Workspace.create(folder / "cars", folder / "photos", holdout=0.2)
        catalog.index(workspace, workers=1)
    return folder


@pytest.fixture
def workspace(indexed, tmp_path, monkeypatch):
    for part in ("photos", "cars", "cache"):
        shutil.copytree(indexed / part, tmp_path / part)
    monkeypatch.setenv("HAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HAI_WORKSPACES", str(tmp_path))
    monkeypatch.setenv("HAI_AUTHOR", "tester")
    monkeypatch.delenv("HAI_WORKSPACE", raising=False)
    monkeypatch.delenv("HAI_DATABASE_URL", raising=False)
    return catalog.relink(Workspace.open(tmp_path / "cars"), tmp_path / "photos")


@pytest.fixture
def images(workspace):
    return catalog.load(workspace)


@pytest.fixture
def store_findings(workspace, images):
    """Function (kind, table): puts a finding table where `findings.load` finds it, as computed from the present catalog."""

    def store(kind: str, table: pd.DataFrame) -> None:
        workspace.findings.mkdir(parents=True, exist_ok=True)
        table.to_parquet(workspace.findings / f"{kind}.parquet", index=False)
        about = {"kind": kind, "options": {}, "rows": len(table), "catalog": catalog.snapshot_digest(images),
                 "version": __version__, "seconds": 1.0}
        (workspace.findings / f"{kind}.json").write_text(json.dumps(about), encoding="utf-8")

    return store


@pytest.fixture
def open_page(workspace):
    """Function (page name, **session state): the page after its first run, inside the app."""

    def open_(name: str, **session: object) -> AppTest:
        app = AppTest.from_file(str(repository_root() / "app.py"), default_timeout=20)
        app.session_state["workspace"] = str(workspace.root)
        for key, value in session.items():
            app.session_state[key] = value
        return app.run().switch_page(str(Path("pages") / f"{name}.py")).run()

    return open_


@pytest.fixture
def build(workspace):
    """Function: freezes what is decided now, as the job does."""
    no_copies = pd.DataFrame({"path": pd.Series(dtype=str), "group": pd.Series(dtype=int)})
    return lambda: manifest.build_for(workspace, no_copies)


@pytest.fixture
def trained(workspace, build, monkeypatch):
    """A run on the workspace's images, with a backbone that takes no time."""
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone())
    frozen, _ = build()
    options = {"name": "tiny", "recipes": [["tiny"]], "folds": 3, "epochs": 4, "batch_size": 8}
    return runs.train(frozen, config.from_values(options), images=workspace.images, runs=workspace.runs, command="test")


@pytest.fixture
def more_runs(trained, workspace):
    """Function (*overrides) -> another run, on the same manifest where no other is given."""

    def train(*overrides: str, manifest: Manifest = trained.manifest) -> runs.Run:
        values = yaml.safe_load((trained.path / "config.yaml").read_text("utf-8"))
        return runs.train(manifest, config.from_values(values, overrides), images=workspace.images, runs=workspace.runs,
                          command="test")

    return train
