"""Exports: every image once, under a name that every file system takes, as copies whose bytes are the manifest's."""

from __future__ import annotations

import json
import os
from collections import Counter

import pandas as pd
import pytest
from handmade import catalog_of

from hai_core.fold import fold
from hai_core.manifest import build, export, spreadsheet_safe
from hai_core.manifest_export import safe_name
from hai_core.records import Decision
from hai_core.workspace import InputError, digest, read_table

HOSTILE = ["쏘나타", "..", ".", "a/b", "a%2Fb", "Audi", "audi", "=1+1", "x" * 300, "x" * 299 + "y", "end.", "<script>",
           "가" * 120]


@pytest.fixture
def images(tmp_path):
    """An image root: the same file names in two folders, nested ones, and names that differ only in case or suffix."""
    contents = {"A/1.jpg": "a1", "A/deep/1.jpg": "a2", "A/1.JPG": "a3", "A/1.png": "a4", "A/2.jpg": "a5",
                "B/1.jpg": "b1", "B/" + "긴" * 80 + ".jpeg": "b2", "B/=x.jpg": "b3"}
    for path, content in contents.items():
        (tmp_path / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / path).write_text(content)
    return tmp_path / "images", catalog_of(contents)


def manifest_of(catalog, *decisions, **options):
    return build(catalog, fold(catalog, list(decisions)), **options)


def written(folder):
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_image_folders(images, tmp_path):
    root, catalog = images
    manifest = manifest_of(catalog, holdout=[digest("a5"), digest("b3")])
    assert export(manifest, root, tmp_path / "out", "imagefolder") == 8
    files = written(tmp_path / "out")
    classes = files.pop("classes.csv")
    assert classes == "\ufefffolder,class\nA,A\nB,B\n"
    expected = {(row.split, row.label, (root / row.path).read_text()) for row in manifest.table.itertuples()}
    assert {(*name.split("/")[:2], content) for name, content in files.items()} == expected
    assert len({name.casefold() for name in files}) == 8
    assert "train/B/1.jpg" in files  # names that do not clash stay
    assert "holdout/A/2.jpg" in files


def test_classes_with_hostile_names_each_get_a_folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_text("x")
    names = pd.DataFrame({"path": ["1.jpg"] * len(HOSTILE), "label": HOSTILE})
    catalog = catalog_of({f"{n}/1.jpg": f"{n}" for n in range(len(HOSTILE))})
    catalog["label"] = names["label"].astype("str").array
    for n in range(len(HOSTILE)):
        (tmp_path / "images" / str(n)).mkdir()
        (tmp_path / "images" / str(n) / "1.jpg").write_text(str(n))
    export(manifest_of(catalog), tmp_path / "images", tmp_path / "out", "imagefolder")
    table = read_table(tmp_path / "out" / "classes.csv")
    assert sorted(table["class"]) == sorted(HOSTILE)
    folders = sorted(file.name for file in (tmp_path / "out" / "train").iterdir())
    assert folders == sorted(table["folder"])
    assert len({name.casefold() for name in folders}) == len(HOSTILE)
    where = dict(zip(table["class"], table["folder"], strict=True))
    for row in catalog.itertuples():
        assert (tmp_path / "out" / "train" / where[row.label] / "1.jpg").read_text() == row.path.split("/")[0]


@pytest.mark.parametrize(("name", "safe"), [
    ("쏘나타 2019", "쏘나타 2019"), ("a/b", "a%2Fb"), ("a\\b", "a%5Cb"), (".", "%2E"), ("..", ".%2E"), ("100%", "100%25"),
    ("end.", "end%2E"), (".hidden", ".hidden"), ("a\nb", "a%0Ab"),
])
def test_safe_names(name, safe):
    assert safe_name(name) == safe


def test_long_names_are_cut_between_letters():
    assert len(safe_name("가" * 200).encode()) <= 255
    assert safe_name("가" * 200) != safe_name("가" * 201)


def test_fiftyone(images, tmp_path):
    root, catalog = images
    manifest = manifest_of(catalog, Decision("merge", label="B", value="N"), holdout=[digest("a5")])
    export(manifest, root, tmp_path / "out", "fiftyone")
    for split in ("train", "holdout"):
        fields = json.loads((tmp_path / "out" / split / "labels.json").read_text())
        assert fields["classes"] == ["A", "N"]
        files = {file.stem: file.read_text() for file in (tmp_path / "out" / split / "data").iterdir()}
        assert set(files) == set(fields["labels"])  # FiftyOne tells images by their name without suffix
        labelled = Counter((files[name], fields["classes"][number]) for name, number in fields["labels"].items())
        rows = manifest.table[manifest.table["split"] == split].itertuples()
        assert labelled == Counter(((root / row.path).read_text(), row.label) for row in rows)


def test_csv_is_verbatim_and_spreadsheet_escaping_only_when_asked_for(images, tmp_path):
    root, catalog = images
    manifest = manifest_of(catalog.assign(label="=cmd"))
    export(manifest, root, tmp_path / "plain", "csv")
    assert (tmp_path / "plain" / "manifest.csv").read_bytes() == manifest.csv()
    export(manifest, root, tmp_path / "sheet", "csv", spreadsheet=True)
    assert set(read_table(tmp_path / "sheet" / "manifest.csv")["label"]) == {"'=cmd"}
    with pytest.raises(InputError, match="not for imagefolder"):
        export(manifest, root, tmp_path / "x", "imagefolder", spreadsheet=True)


def test_spreadsheet_safe():
    table = pd.DataFrame({"a": ["=1", "+1", "-1", "@x", "\tx", "ok", ""], "n": [-1] * 7})
    safe = spreadsheet_safe(table)
    assert safe["a"].tolist() == ["'=1", "'+1", "'-1", "'@x", "'\tx", "ok", ""]
    assert safe["n"].tolist() == [-1] * 7


def test_an_export_can_be_changed_without_reaching_the_images(images, tmp_path):
    root, catalog = images
    os.chmod(root / "A/2.jpg", 0o444)
    export(manifest_of(catalog), root, tmp_path / "out", "imagefolder")
    copy = tmp_path / "out" / "train" / "A" / "2.jpg"
    assert copy.stat().st_nlink == 1
    assert not copy.is_symlink()
    copy.write_text("changed")
    assert (root / "A/2.jpg").read_text() == "a5"


@pytest.mark.parametrize(("prepare", "format", "sentence"), [
    (lambda root, out: (root / "A/2.jpg").write_text("changed"), "imagefolder", "'A/2.jpg' .* changed since"),
    (lambda root, out: (root / "A/2.jpg").unlink(), "fiftyone", "'A/2.jpg' is not under"),
    (lambda root, out: (out.mkdir(), (out / "mine").write_text("x")), "csv", "exists and is not empty"),
    (lambda root, out: None, "zip", "no export format 'zip'; choose one of imagefolder, csv, fiftyone"),
])
def test_what_goes_wrong_leaves_nothing_behind(images, tmp_path, prepare, format, sentence):
    root, catalog = images
    out = tmp_path / "out"
    prepare(root, out)
    with pytest.raises(InputError, match=sentence):
        export(manifest_of(catalog), root, out, format)
    assert {file.name for file in tmp_path.iterdir()} <= {"images", "out"}
    assert not out.exists() or written(out) == {"mine": "x"}
