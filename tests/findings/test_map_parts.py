from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import tiny
import tiny_runs

from hai_core import backbones, catalog, findings, runs
from hai_core.findings import map_parts
from hai_core.workspace import InputError, Workspace


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("HAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(backbones, "load", lambda name: tiny.backbone())
    tiny_runs.write_photos(tmp_path / "photos")
    made = Workspace.create(tmp_path / "ws", tmp_path / "photos")
    catalog.index(made, workers=1)
    return made


def test_the_tree_that_is_kept_cuts_into_the_clusters_of_the_table(workspace):
    table = findings.find("clusters", workspace, clusters=5)
    parts = map_parts.load(workspace, findings.load("clusters", workspace))
    assert parts.tree.cut(count=5).tolist() == table["cluster"].tolist()
    assert len(set(parts.tree.cut(distance=float(parts.tree.heights[-1]) * 2))) == 1
    height = float(parts.tree.heights[-3])
    assert parts.tree.count(height) == len(set(parts.tree.cut(distance=height))) == 4
    assert parts.classes.names == sorted(tiny_runs.CLASSES)
    assert parts.classes.images.tolist() == [12, 12, 12]


def test_parts_of_another_table_are_not_taken_for_those_of_this(workspace):
    table = findings.find("clusters", workspace)
    assert map_parts.load(workspace, table) is not None
    assert map_parts.load(workspace, table.iloc[1:]) is None
    assert map_parts.load(workspace, table.assign(x=table["x"] + 1)) is None
    (workspace.findings / map_parts.FILE).unlink()
    assert map_parts.load(workspace, table) is None


@pytest.fixture
def run(workspace):
    images = catalog.load(workspace)[["path", "label", "sha256"]]
    return runs.train(tiny_runs.make_manifest(images), tiny_runs.make_config(), images=workspace.images, runs=workspace.runs)


def spread(table: pd.DataFrame) -> float:
    """Mean distance within a class over that between all images, on the map."""
    places = table[["x", "y"]].to_numpy()
    own = np.mean([np.linalg.norm(group - group.mean(axis=0), axis=1).mean() for group in
                   (places[(table["label"] == label).to_numpy()] for label in table["label"].unique())])
    return float(own / np.linalg.norm(places - places.mean(axis=0), axis=1).mean())


def test_a_map_by_a_runs_features_is_another_one_on_which_classes_lie_closer_together(workspace, run):
    plain = findings.find("clusters", workspace, projection="pca")
    seen = findings.find("clusters", workspace, projection="pca", run=run.id)
    assert plain["path"].tolist() == seen["path"].tolist()
    assert not np.allclose(plain[["x", "y"]], seen[["x", "y"]])
    assert spread(seen) < spread(plain)


def test_a_run_that_is_not_there_or_saw_other_features_is_refused(workspace, run):
    with pytest.raises(InputError, match="no finished run nobody"):
        findings.find("clusters", workspace, run="nobody")
    with pytest.raises(InputError, match="--backbone"):
        findings.find("clusters", workspace, run=run.id, backbone="tf_efficientnet_lite1")
    file = run.path / "run.json"
    info = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(info | {"backbones": {"tiny": "other"}}), encoding="utf-8")
    with pytest.raises(InputError, match="weights of tiny"):
        findings.find("clusters", workspace, run=run.id)
