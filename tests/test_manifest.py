"""Manifest: the same inputs give the same bytes; what cannot be trained on is refused; what is on disk is what was built."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import replace

import pandas as pd
import pytest
from handmade import catalog_of, classes_of, workspace_at
from hypothesis import given, settings
from hypothesis import strategies as st

from hai_core import catalog as catalogs
from hai_core import manifest as manifests
from hai_core.decisions import Journal, fold
from hai_core.manifest import build, build_for, load, save
from hai_core.records import Decision, ManifestRow, columns
from hai_core.workspace import InputError, Workspace, canonical_json, digest

CATALOG = catalog_of(classes_of("A", "B", "C", images=4) | {"A/copy.jpg": "A 1", "loose.jpg": "loose"}, unreadable=("C/4.jpg",))
NO_GROUPS = pd.DataFrame({"path": [], "group": []})


def curation_of(*decisions, catalog=CATALOG):
    hashes = dict(zip(catalog["path"], catalog["sha256"], strict=True))
    return fold(catalog, [replace(d, seq=n, sha256=hashes.get(d.path, "")) for n, d in enumerate(decisions, 1)])


def manifest_of(*decisions, catalog=CATALOG, **options):
    return build(catalog, curation_of(*decisions, catalog=catalog), **options)


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogs, "load", lambda workspace: CATALOG)
    return workspace_at(tmp_path)


def decide(workspace, *decisions):
    return Journal(workspace).append(decisions, CATALOG, author="Ann")


# -- rows

def test_the_rows_are_the_readable_labelled_images_that_were_kept():
    manifest = manifest_of(Decision("exclude", path="A/2.jpg"), Decision("relabel", path="A/3.jpg", value="B"),
                           Decision("merge", label="B", value="N"), Decision("series", label="N", value="S"),
                           Decision("drop_class", label="C"), Decision("relabel", path="loose.jpg", value="A"))
    table = manifest.table
    assert list(table.columns) == columns(ManifestRow)
    assert table["path"].tolist() == ["A/1.jpg", "A/3.jpg", "A/4.jpg", "A/copy.jpg", "B/1.jpg", "B/2.jpg", "B/3.jpg", "B/4.jpg",
                                      "loose.jpg"]
    assert table["label"].tolist() == ["A", "N", "A", "A", "N", "N", "N", "N", "A"]
    assert table["original_label"].tolist() == ["A", "A", "A", "A", "B", "B", "B", "B", ""]
    assert table["series"].tolist() == ["", "S", "", "", "S", "S", "S", "S", ""]
    assert table["group"].tolist() == [0, -1, -1, 0, -1, -1, -1, -1, -1]  # the same bytes are a group, whatever was found
    assert (manifest.classes, manifest.mapping, manifest.series) == (["A", "N"], {"A": "A", "B": "N", "C": ""}, {"N": "S"})


def test_groups_are_numbered_by_their_first_path_and_need_two():
    groups = pd.Series({"C/1.jpg": 0, "A/1.jpg": 7, "B/2.jpg": 7, "C/2.jpg": 0, "A/4.jpg": -1,
                        "B/3.jpg": 5, "C/4.jpg": 5, "gone.jpg": 5})  # of these three only one is in the manifest
    table = manifest_of(groups=groups).table.set_index("path")["group"]
    assert table[table >= 0].to_dict() == {"A/1.jpg": 0, "A/copy.jpg": 0, "B/2.jpg": 0, "C/1.jpg": 1, "C/2.jpg": 1}


def test_what_belongs_to_a_holdout_image_joins_it():
    held = CATALOG.set_index("path")["sha256"]
    groups = pd.Series({"A/1.jpg": 3, "B/1.jpg": 3, "C/1.jpg": 4, "C/2.jpg": 4})
    table = manifest_of(groups=groups, holdout=[held["A/copy.jpg"], held["B/4.jpg"]]).table.set_index("path")["split"]
    assert table[table == "holdout"].index.tolist() == ["A/1.jpg", "A/copy.jpg", "B/1.jpg", "B/4.jpg"]
    without = manifest_of(Decision("exclude", path="C/1.jpg"), groups=groups, holdout=[held["C/1.jpg"]]).table
    assert without.set_index("path")["split"]["C/2.jpg"] == "holdout"  # it is a copy of an image never to be trained on


@pytest.mark.parametrize(("decisions", "options", "sentence"), [
    ([Decision("exclude", path=f"B/{n}.jpg") for n in range(1, 5)], {}, "in the class 'B': drop the class, merge"),
    ([Decision("relabel", path=f"B/{n}.jpg", value="A") for n in range(1, 5)], {}, "in the class 'B'"),
    ([], {"holdout": [digest(f"B {n}") for n in range(1, 5)]}, r"in the class 'B' \(4 in the holdout\)"),
    ([Decision("drop_class", label=name) for name in "ABC"], {}, "no image is left to train on: every image is"),
])
def test_impossible_states_get_a_sentence(decisions, options, sentence):
    with pytest.raises(InputError, match=sentence):
        manifest_of(*decisions, **options)


def test_an_emptied_class_may_be_dropped_or_merged():
    emptied = [Decision("exclude", path=f"B/{n}.jpg") for n in range(1, 5)]
    assert manifest_of(*emptied, Decision("drop_class", label="B")).classes == ["A", "C"]
    assert manifest_of(*emptied, Decision("merge", label="B", value="C")).mapping == {"A": "A", "B": "C", "C": "C"}


def test_a_class_that_only_relabels_lead_to_is_its_own_original():
    manifest = manifest_of(Decision("merge", label="A", value="N"), Decision("relabel", path="B/1.jpg", value="N"),
                           Decision("merge", label="A", value="A"))
    assert manifest.mapping == {"A": "A", "B": "B", "C": "C", "N": "N"}
    assert manifest.table.set_index("path")["label"]["B/1.jpg"] == "N"


# -- bytes

def test_the_bytes_and_the_digest_are_as_written_down():
    manifest = manifest_of(catalog=catalog_of({"=A/1,\".jpg": "x", "쏘나타/1.jpg": "y"}))
    content = ("\ufeffpath,label,original_label,series,group,split,sha256\n"
               f'"=A/1,"".jpg",=A,=A,,-1,train,{digest("x")}\n'
               f"쏘나타/1.jpg,쏘나타,쏘나타,,-1,train,{digest('y')}\n").encode()
    assert manifest.csv() == content
    names = '{"classes":["=A","쏘나타"],"mapping":{"=A":"=A","쏘나타":"쏘나타"}}'.encode()
    assert manifest.digest == hashlib.sha256(content + names).hexdigest()


def test_the_digest_knows_the_mapping_and_not_the_way_there():
    assert manifest_of(Decision("tag", path="A/1.jpg", value="t")).digest == manifest_of().digest
    dropped = [Decision("drop_class", label="B"), Decision("exclude", path="C/1.jpg")]
    emptied = [Decision("exclude", path=f"B/{n}.jpg") for n in range(1, 5)]
    emptied += [Decision("merge", label="B", value="A"), Decision("exclude", path="C/1.jpg")]
    a, b = manifest_of(*dropped), manifest_of(*emptied)
    assert a.csv() == b.csv()
    assert a.digest != b.digest
    shuffled = CATALOG.sample(frac=1, random_state=1).reset_index(drop=True)
    assert manifest_of(catalog=shuffled).digest == manifest_of().digest


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=8).map(
    lambda name: unicodedata.normalize("NFC", name).strip()).filter(lambda name: name not in ("", ".", ".."))
FILES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8).map(
    lambda name: unicodedata.normalize("NFC", name))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.tuples(NAMES, FILES), st.text(max_size=3), min_size=1, max_size=8))
def test_any_names_come_back_from_disk_as_they_were(tmp_path_factory, contents):
    catalog = catalog_of({f"{label}/{file}": content for (label, file), content in contents.items()})
    manifest = manifest_of(catalog=catalog)
    folder = save(manifest, tmp_path_factory.mktemp("any") / "m")
    back = load(folder)
    pd.testing.assert_frame_equal(back.table, manifest.table)
    assert (back.classes, back.mapping, back.series, back.digest) == (manifest.classes, manifest.mapping, {}, manifest.digest)


# -- on disk

def test_saving_twice_writes_once(tmp_path):
    manifest, folder = manifest_of(), tmp_path / "deep" / "m"
    save(manifest, folder)
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}
    save(manifest, folder)
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()} == before
    assert set(before) == {"manifest.csv", "manifest.json"}
    assert [file.name for file in folder.parent.iterdir()] == ["m"]
    assert load(folder / "manifest.csv").digest == load(folder / "manifest.json").digest == manifest.digest


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    save(manifest_of(), tmp_path / "m")
    with pytest.raises(InputError, match="holds another manifest"):
        save(manifest_of(Decision("exclude", path="A/1.jpg")), tmp_path / "m")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something else than a manifest"):
        save(manifest_of(), tmp_path / "full")
    (tmp_path / "empty").mkdir()
    save(manifest_of(), tmp_path / "empty")


def test_what_is_read_back_must_be_what_was_written(tmp_path, monkeypatch):
    def flip(path, content, write=manifests.write_atomic):
        write(path, content.replace(b"A/1.jpg", b"A/l.jpg") if path.name == "manifest.csv" else content)

    monkeypatch.setattr(manifests, "write_atomic", flip)
    with pytest.raises(InputError, match="does not fit the digest"):
        save(manifest_of(), tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "change", "sentence"), [
    ("manifest.csv", lambda text: text.replace("train", "holdout", 1), r"manifest\.csv was changed or damaged"),
    ("manifest.json", lambda text: text.replace('"B": "B"', '"B": "A"'), r"manifest\.csv was changed or damaged"),
    ("manifest.json", lambda text: text[:-9], r"manifest\.json is damaged"),
    ("manifest.json", lambda text: "[]", r"manifest\.json is damaged"),
    ("manifest.json", lambda text: '{"schema": 1}', r"manifest\.json is damaged: it has no classes, digest, mapping, series"),
    ("manifest.json", lambda text: text.replace('"schema": 1', '"schema": 9'), "newer version"),
])
def test_damage_is_named(tmp_path, name, change, sentence):
    file = save(manifest_of(), tmp_path / "m") / name
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        load(tmp_path / "m")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"m is not a manifest \(it has no manifest\.json\)"):
        load(tmp_path / "m")
    (save(manifest_of(), tmp_path / "m") / "manifest.csv").unlink()
    with pytest.raises(InputError, match=r"there is no file .*manifest\.csv"):
        load(tmp_path / "m")


# -- of a workspace

def test_building_twice_gives_the_same_bytes_and_writes_nothing_new(workspace):
    manifest, folder = build_for(workspace, NO_GROUPS)
    assert folder == workspace.manifests / manifest.digest[:12]
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}
    again, same = build_for(workspace, NO_GROUPS)
    assert (again.digest, same) == (manifest.digest, folder)
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()} == before
    assert [place.name for place in workspace.manifests.iterdir()] == [folder.name]


def test_what_a_manifest_was_made_from(workspace):
    first, _ = build_for(workspace, NO_GROUPS)
    decide(workspace, Decision("exclude", path="A/2.jpg"), Decision("relabel", path="A/3.jpg", value="B"))
    decide(workspace, Decision("tag", path="A/3.jpg", value="t"))
    Journal(workspace).undo(catalog=CATALOG, author="Ann")
    second, folder = build_for(workspace, NO_GROUPS)
    info = json.loads((folder / "manifest.json").read_text())
    assert (info["parent"], first.info["parent"]) == (first.digest, None)
    assert info["decisions"] == {"live": 2, "first": 1, "last": 2, "journal_version": 3}
    assert info["counts"] == {"images": 11, "classes": 3, "train": 11, "holdout": 0, "excluded": 1, "unreadable": 1,
                              "unlabelled": 1, "relabelled": 1, "merged_classes": 0, "dropped_classes": 0, "stale_decisions": 0}
    assert info["images"] == str(workspace.images)
    assert second.info["counts"] == info["counts"]


def test_the_holdout_is_chosen_once(tmp_path, workspace, monkeypatch):
    workspace = Workspace.create(tmp_path / "w", workspace.images, holdout=0.3)
    first, _ = build_for(workspace, NO_GROUPS)
    held = first.table[first.table["split"] == "holdout"]
    assert len(held) == 4  # 0.3 of 12
    stored = workspace.holdout_file.read_bytes()
    decide(workspace, Decision("exclude", path=held["path"].iloc[0]), Decision("merge", label="B", value="C"))
    second, _ = build_for(replace(workspace, holdout=0.5), NO_GROUPS)
    assert set(second.table[second.table["split"] == "holdout"]["path"]) == set(held["path"][1:])
    assert workspace.holdout_file.read_bytes() == stored
    new = CATALOG[CATALOG["path"] == held["path"].iloc[1]]  # a copy of a holdout image comes, and an image that is all new
    grown = pd.concat([CATALOG, new.assign(path="B/new copy.jpg", label="B"),
                       new.assign(path="B/new.jpg", label="B", sha256=digest("new"))]).sort_values("path", ignore_index=True)
    monkeypatch.setattr(catalogs, "load", lambda workspace: grown)
    third, _ = build_for(workspace, NO_GROUPS)
    split = third.table.set_index("path")["split"]
    assert (split["B/new copy.jpg"], split["B/new.jpg"]) == ("holdout", "train")


def test_to_a_folder_of_ones_own(workspace, tmp_path):
    manifest, folder = build_for(workspace, NO_GROUPS, tmp_path / "out")
    assert folder == tmp_path / "out"
    assert load(folder).digest == manifest.digest
    assert not workspace.manifests.exists()
    names = canonical_json({"classes": manifest.classes, "mapping": manifest.mapping}).encode()
    assert manifest.digest == hashlib.sha256((folder / "manifest.csv").read_bytes() + names).hexdigest()


def test_two_builds_at_once_are_told_apart(workspace):
    from hai_core.workspace import lock

    with lock(workspace.root / "manifests.lock", ""), pytest.raises(InputError, match="another process is building"):
        build_for(workspace, NO_GROUPS)
