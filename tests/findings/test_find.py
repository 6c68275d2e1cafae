"""The registry: findings of a workspace, computed, stored, loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from make_images import image_bytes, make_image

from hai_core import __version__, backbones, catalog, findings
from hai_core.decisions import Journal
from hai_core.records import FINDING_KINDS, Decision
from hai_core.workspace import InputError, Workspace

CLASSES = ["소나타 2019", "소나타 2020", "<b>c,'\"d"]
COLUMNS = {  # DESIGN.md section 5
    "duplicates": ["group", "path", "label", "kind", "distance", "unit", "keep", "reason", "cross_class"],
    "quality": ["path", "label", "problem", "score", "reason"],
    "noise": ["path", "label", "suggested_label", "score", "self_confidence", "loss", "flagged"],
    "outliers": ["path", "label", "score"],
    "clusters": ["path", "label", "cluster", "x", "y"],
    "merges": ["class_a", "class_b", "score", "confusion_rate", "centroid_distance", "series_a", "series_b"],
}


@pytest.fixture
def model(monkeypatch):
    loaded = tiny.backbone()
    monkeypatch.setattr(backbones, "load", lambda name: loaded)
    return loaded.model


@pytest.fixture
def workspace(tmp_path, model):
    """Three classes of nine photos, a copy, a broken file, and an image without label."""
    images = tmp_path / "images"
    for number in range(27):
        file = images / CLASSES[number % 3] / f"{number:02}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image_bytes(make_image(number, (48, 36))))
    (images / CLASSES[1] / "copy.jpg").write_bytes((images / CLASSES[0] / "00.jpg").read_bytes())
    (images / CLASSES[1] / "broken.jpg").write_bytes(b"")
    (images / "alone.jpg").write_bytes(image_bytes(make_image(99, (48, 36))))
    return Workspace.create(tmp_path / "w", images)


def decide(workspace, *decisions):
    Journal(workspace).append(decisions, catalog.load(workspace), author="test")


def readable(workspace):
    table = catalog.load(workspace)
    return sorted(table.loc[table["status"] == "ok", "path"])


@pytest.mark.parametrize("kind", FINDING_KINDS)
def test_every_kind_is_computed_from_nothing_and_stored(workspace, kind):
    assert list(findings.KINDS) == list(FINDING_KINDS)
    assert findings.load(kind, workspace) is None
    assert findings.card(kind, workspace) is None
    table = findings.find(kind, workspace)
    assert list(table.columns)[:len(COLUMNS[kind])] == COLUMNS[kind]
    assert len(table)
    pd.testing.assert_frame_equal(findings.load(kind, workspace), table)
    card = findings.card(kind, workspace)
    assert (card["kind"], card["options"], card["rows"], card["version"]) == (kind, {}, len(table), __version__)
    assert card["seed"] == (0 if kind in ("noise", "clusters", "merges") else None)
    assert card["catalog"] == catalog.snapshot_digest(catalog.load(workspace))
    assert card["seconds"] >= 0
    if kind in ("noise", "outliers", "clusters"):
        assert sorted(table["path"]) == readable(workspace)
    pd.testing.assert_frame_equal(findings.find(kind, workspace), table)


def test_a_map_stays_where_it_is_when_images_come(workspace):
    first = findings.find("clusters", workspace).set_index("path")[["x", "y"]]
    (workspace.images / CLASSES[0] / "00.jpg").rename(workspace.images / CLASSES[0] / "renamed.jpg")
    (workspace.images / CLASSES[0] / "new.jpg").write_bytes(image_bytes(make_image(7, (50, 38))))
    catalog.index(workspace)
    second = findings.find("clusters", workspace).set_index("path")[["x", "y"]]
    kept = first.index.intersection(second.index)
    assert len(kept) == len(first) - 1
    pd.testing.assert_frame_equal(first.loc[kept], second.loc[kept])
    assert second.loc[f"{CLASSES[0]}/renamed.jpg"].tolist() == first.loc[f"{CLASSES[0]}/00.jpg"].tolist()
    assert np.isfinite(second.loc[f"{CLASSES[0]}/new.jpg"]).all()
    other = findings.find("clusters", workspace, seed=1).set_index("path")[["x", "y"]]
    assert not np.allclose(other, second)


def test_embeddings_are_computed_once_for_all_kinds(workspace, model):
    findings.find("outliers", workspace)
    batches = model.batches
    assert batches > 0
    for kind in FINDING_KINDS:
        findings.find(kind, workspace)
    assert model.batches == batches


def test_findings_are_current_until_the_images_change(workspace):
    assert not findings.is_current("quality", workspace)
    findings.find("quality", workspace)
    assert findings.is_current("quality", workspace)
    assert not findings.is_current("noise", workspace)
    (workspace.images / "new.jpg").write_bytes(image_bytes(make_image(123, (48, 36))))
    catalog.index(workspace)
    assert not findings.is_current("quality", workspace)


def test_findings_of_another_version_are_not_current(workspace):
    findings.find("quality", workspace)
    file = workspace.findings / "quality.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"version": "0"}))
    assert not findings.is_current("quality", workspace)


@pytest.mark.parametrize(("kind", "options", "said"), [
    ("dupes", {}, "no kind of finding 'dupes'; duplicates, quality, noise, outliers, clusters, merges are"),
    ("noise", {"no_embeddings": True}, "find noise has no option --no-embeddings"),
    ("clusters", {"cluster": 3}, "find clusters has no option --cluster; did you mean clusters"),
    ("clusters", {"clusters": 0}, "--clusters 0"),
    ("clusters", {"clusters": 3, "distance": 1.0}, "one of the two"),
    ("clusters", {"projection": "lda"}, "lda"),
    ("duplicates", {"against": "/no/such/folder"}, "there is no folder /no/such/folder"),
])
def test_a_wrong_request_gets_a_sentence(workspace, kind, options, said):
    with pytest.raises(InputError, match=said):
        findings.find(kind, workspace, **options)
    assert not list(workspace.findings.glob("*.parquet"))


def test_findings_show_labels_as_they_are_now(workspace):
    findings.find("outliers", workspace)
    moved = f"{CLASSES[0]}/00.jpg"
    decide(workspace, Decision("relabel", path=moved, value=CLASSES[2]), Decision("exclude", path=f"{CLASSES[0]}/03.jpg"))
    for kind in ("noise", "outliers", "clusters"):
        table = findings.find(kind, workspace)
        assert table.set_index("path").loc[moved, "label"] == CLASSES[2]
        assert sorted(table["path"]) == readable(workspace)


def test_series_stand_beside_the_classes_and_those_kept_apart_do_not_come_back(workspace):
    first = findings.find("merges", workspace)
    assert set(first["series_a"]) == {""}
    pair = first.loc[0, ["class_a", "class_b"]].tolist()
    decide(workspace, Decision("series", label=CLASSES[2], value="S"), Decision("keep_apart", label=pair[0], other=pair[1]))
    second = findings.find("merges", workspace)
    assert frozenset(pair) not in {frozenset(both) for both in second[["class_a", "class_b"]].itertuples(index=False)}
    named = pd.concat([second[["class_a", "series_a"]].set_axis(["c", "s"], axis=1),
                       second[["class_b", "series_b"]].set_axis(["c", "s"], axis=1)])
    assert set(named.loc[named["c"] == CLASSES[2], "s"]) == {"S"}
    assert set(named.loc[named["c"] != CLASSES[2], "s"]) <= {""}


def test_not_duplicates_are_remembered(workspace):
    pair = findings.find("duplicates", workspace)["path"].tolist()
    assert sorted(pair) == sorted([f"{CLASSES[0]}/00.jpg", f"{CLASSES[1]}/copy.jpg"])
    decide(workspace, Decision("not_duplicates", path=pair[0], other=pair[1]))
    assert findings.find("duplicates", workspace).empty


@pytest.mark.parametrize("no_embeddings", [True, False])
def test_copies_of_another_folder_are_kept_from_the_workspaces_own(workspace, model, tmp_path, no_embeddings):
    other = tmp_path / "시험 test"
    other.mkdir()
    (other / "t.jpg").write_bytes(image_bytes(make_image(5, (48, 36)), quality=60))
    own = findings.find("duplicates", workspace)
    table = findings.find("duplicates", workspace, against=other, no_embeddings=no_embeddings)
    assert table["path"].tolist() == [str(other / "t.jpg"), f"{CLASSES[2]}/05.jpg"]
    assert table["keep"].tolist() == [True, False]
    pd.testing.assert_frame_equal(findings.load("duplicates", workspace), own)
    assert findings.card("duplicates", workspace, {"against": other})["rows"] == 2


def test_its_own_images_are_no_other_folder(workspace):
    for place in (workspace.images, workspace.images / CLASSES[0], workspace.images.parent):
        with pytest.raises(InputError, match="own images"):
            findings.find("duplicates", workspace, against=place)


def test_without_embeddings_the_model_is_not_asked(workspace, model):
    assert len(findings.find("duplicates", workspace, no_embeddings=True)) == 2
    assert model.batches == 0


def test_duplicate_groups_are_made_again_as_they_were_made(workspace, model):
    findings.find("duplicates", workspace, no_embeddings=True)
    assert len(findings.duplicate_groups(workspace)) == 2
    (workspace.images / "again.jpg").write_bytes((workspace.images / CLASSES[2] / "02.jpg").read_bytes())
    catalog.index(workspace)
    groups = findings.duplicate_groups(workspace)
    assert list(groups.columns) == ["path", "group"]
    assert len(groups) == 4
    assert model.batches == 0
    assert findings.is_current("duplicates", workspace)


def test_an_image_changed_since_the_index_is_left_out_and_not_judged_by_old_bytes(workspace):
    catalog.index(workspace)
    changed = f"{CLASSES[0]}/00.jpg"
    (workspace.images / changed).write_bytes(image_bytes(make_image(500, (48, 36))))
    (workspace.images / CLASSES[1] / "copy.jpg").unlink()
    table = findings.find("outliers", workspace)
    assert set(readable(workspace)) - set(table["path"]) == {changed, f"{CLASSES[1]}/copy.jpg"}


def test_a_folder_without_a_readable_image_gets_a_sentence(tmp_path, model):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "broken.jpg").write_bytes(b"")
    workspace = Workspace.create(tmp_path / "w", tmp_path / "images")
    with pytest.raises(InputError, match=r"none of the 1 images of .* can be read"):
        findings.find("outliers", workspace)
    assert findings.find("quality", workspace)["problem"].tolist() == ["unreadable"]


def test_importing_findings_loads_nothing_heavy():
    code = "import sys, hai_core.findings; print({'torch', 'timm', 'sklearn', 'cleanlab', 'umap'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == "set()\n", done.stderr
