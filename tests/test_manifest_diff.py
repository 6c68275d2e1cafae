"""The diff of two manifests shows what was decided between them, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from handmade import catalog_of, classes_of

from hai_core.fold import fold
from hai_core.manifest import build, class_diff, diff
from hai_core.records import Decision

CATALOG = catalog_of(classes_of("A", "B", "C", "D"))


def manifest_of(*decisions, catalog=CATALOG, **options):
    hashes = dict(zip(CATALOG["path"], CATALOG["sha256"], strict=True))
    numbered = [replace(d, seq=n, sha256=hashes.get(d.path, "")) for n, d in enumerate(decisions, 1)]
    return build(catalog, fold(catalog, numbered), **options)


def rows(table):
    return [tuple(row) for row in table.itertuples(index=False)]


EXCLUDE, RELABEL = Decision("exclude", path="A/1.jpg"), Decision("relabel", path="A/2.jpg", value="B")
MERGE, DROP = Decision("merge", label="B", value="C"), Decision("drop_class", label="D")


def test_nothing_changed():
    a = manifest_of(EXCLUDE)
    assert diff(a, manifest_of(EXCLUDE, Decision("tag", path="A/2.jpg", value="t"))).empty
    assert class_diff(a, a).empty
    assert list(diff(a, a).columns) == ["path", "change", "before", "after"]


def test_every_decision_is_a_change():
    assert rows(diff(manifest_of(), manifest_of(EXCLUDE, RELABEL, MERGE, DROP))) == [
        ("A/1.jpg", "removed", "A", ""),
        ("A/2.jpg", "relabelled", "A", "C"),
        *((f"B/{n}.jpg", "merged", "B", "C") for n in (1, 2, 3)),
        *((f"D/{n}.jpg", "removed", "D", "") for n in (1, 2, 3)),
    ]
    assert rows(class_diff(manifest_of(), manifest_of(EXCLUDE, RELABEL, MERGE, DROP))) == [
        ("B", "merged", "B", "C"), ("D", "dropped", "D", "")]


def test_a_later_exclusion_is_the_only_change():
    before = manifest_of(RELABEL, MERGE)
    assert rows(diff(before, manifest_of(RELABEL, MERGE, EXCLUDE))) == [("A/1.jpg", "removed", "A", "")]
    assert rows(diff(manifest_of(RELABEL, MERGE, EXCLUDE), before)) == [("A/1.jpg", "added", "", "A")]


def test_an_image_relabelled_earlier_goes_with_its_new_class():
    table = diff(manifest_of(RELABEL), manifest_of(RELABEL, MERGE))
    assert set(rows(table)) == {(path, "merged", "B", "C") for path in ("A/2.jpg", "B/1.jpg", "B/2.jpg", "B/3.jpg")}


def test_rename_split_and_merge_into_a_new_name():
    renamed = manifest_of(Decision("rename", label="A", value="N"))
    assert set(diff(manifest_of(), renamed)["change"]) == {"renamed"}
    assert rows(class_diff(manifest_of(), renamed)) == [("A", "renamed", "A", "N")]
    joined = manifest_of(Decision("merge", label="A", value="N"), Decision("merge", label="B", value="N"))
    assert rows(class_diff(manifest_of(), joined)) == [("A", "merged", "A", "N"), ("B", "merged", "B", "N")]
    assert set(diff(manifest_of(), joined)["change"]) == {"merged"}
    assert rows(class_diff(joined, manifest_of())) == [("N", "split", "N", "A, B")]
    assert set(diff(joined, manifest_of())["change"]) == {"split"}
    assert rows(class_diff(manifest_of(MERGE), manifest_of())) == [("C", "split", "C", "B, C")]


def test_a_relabel_between_the_parts_of_a_split_class_is_a_relabel():
    joined = manifest_of(MERGE)
    table = diff(joined, manifest_of(Decision("relabel", path="C/1.jpg", value="B"))).set_index("path")["change"]
    assert table["C/1.jpg"] == "relabelled"
    assert set(table.drop("C/1.jpg")) == {"split"}


def test_series_of_a_class():
    assert rows(class_diff(manifest_of(), manifest_of(Decision("series", label="A", value="S")))) == [("A", "series", "", "S")]


def test_moved_changed_new_and_gone_files():
    contents = {path: path.replace("/", " ").replace(".jpg", "") for path in CATALOG["path"]}
    contents["A/moved.jpg"] = contents.pop("A/1.jpg")
    contents["A/2.jpg"] = "other bytes"
    del contents["B/1.jpg"]
    contents["E/1.jpg"] = "new"
    now = catalog_of(contents)
    table = diff(manifest_of(), manifest_of(catalog=now)).set_index("path")
    assert table["change"].to_dict() == {"A/moved.jpg": "moved", "A/2.jpg": "changed", "B/1.jpg": "removed", "E/1.jpg": "added"}
    assert tuple(table.loc["A/moved.jpg", ["before", "after"]]) == ("A/1.jpg", "A/moved.jpg")
    assert rows(class_diff(manifest_of(), manifest_of(catalog=now))) == [("E", "added", "", "E")]
    without_a = CATALOG[CATALOG["label"] != "A"].reset_index(drop=True)
    assert rows(class_diff(manifest_of(), manifest_of(catalog=without_a))) == [("A", "removed", "A", "")]


def test_images_that_joined_the_holdout():
    table = diff(manifest_of(), manifest_of(holdout=[CATALOG["sha256"][0]]))
    assert rows(table) == [("A/1.jpg", "holdout", "train", "holdout")]


@pytest.mark.parametrize("copies", [2, 3])
def test_of_several_copies_none_is_called_moved(copies):
    one = catalog_of(classes_of("A") | {f"A/copy {n}.jpg": "copy" for n in range(copies)})
    two = catalog_of(classes_of("A") | {f"A/new {n}.jpg": "copy" for n in range(copies)})
    table = diff(manifest_of(catalog=one), manifest_of(catalog=two))
    assert table["change"].value_counts().to_dict() == {"added": copies, "removed": copies}
    assert isinstance(table, pd.DataFrame)
