"""Spreadsheets and finding tables -> decisions."""

from __future__ import annotations

import pandas as pd
import pytest
from handmade import catalog_of, classes_of, workspace_at

from hai_core.decisions import Journal, Rejected, fold, kind_of, read_decisions, suggestions, undecided
from hai_core.records import Decision
from hai_core.workspace import InputError, read_table, write_table

DUPLICATES = pd.DataFrame({
    "group": [0, 0, 0, 1, 1], "path": ["A/1.jpg", "A/2.jpg", "B/1.jpg", "C/1.jpg", "C/2.jpg"],
    "label": ["A", "A", "B", "C", "C"], "kind": ["exact", "exact", "perceptual", "exact", "embedding"],
    "distance": [0, 0, 6, 0, 0.05], "unit": ["bits", "bits", "bits", "bits", "cosine"],
    "keep": [True, False, False, True, False], "reason": ["largest", "same bytes", "resized", "largest", "cropped"],
    "cross_class": [True] * 3 + [False] * 2,
})
QUALITY = pd.DataFrame({"path": ["A/1.jpg", "A/1.jpg", "B/1.jpg", "C/1.jpg"], "label": ["A", "A", "B", "C"],
                        "problem": ["dark", "blurry", "dark", "dark"], "score": [0.1, 0.3, 0.45, 0.8],
                        "reason": ["very dark", "not sharp", "dark", "fine"]})
NOISE = pd.DataFrame({"path": ["A/1.jpg", "A/2.jpg", "A/3.jpg", "B/1.jpg"], "label": ["A", "A", "A", "B"],
                      "suggested_label": ["B", "C", "B", "B"], "score": [0.02, 0.3, 0.4, 0.1], "self_confidence": 0.1,
                      "loss": 2.0, "flagged": [True, True, False, True]})
MERGES = pd.DataFrame({"class_a": ["A", "B", "A", "D"], "class_b": ["B", "C", "C", "E"], "score": [0.9, 0.8, 0.7, 0.2],
                       "confusion_rate": 0.4, "centroid_distance": 0.1, "series_a": "", "series_b": ""})


def saved(tmp_path, table):
    """The same table after a round through a CSV file, where every value is text."""
    write_table(table, tmp_path / "table.csv")
    return read_table(tmp_path / "table.csv")


# -- spreadsheets

def test_a_spreadsheet_with_bom_missing_columns_and_hostile_names(tmp_path):
    file = tmp_path / "d.csv"
    file.write_text('action,path,value\nrelabel,"=A/1 ""x"".jpg",쏘나타\n exclude ,"B/1,2.jpg",\n', encoding="utf-8-sig")
    assert read_decisions(read_table(file)) == [Decision("relabel", path='=A/1 "x".jpg', value="쏘나타"),
                                                Decision("exclude", path="B/1,2.jpg")]


def test_missing_cells_are_empty():
    table = pd.DataFrame({"action": ["exclude", "drop_class"], "path": ["A/1.jpg", None], "class": [float("nan"), "A"]})
    assert read_decisions(table) == [Decision("exclude", path="A/1.jpg"), Decision("drop_class", label="A")]


@pytest.mark.parametrize(("columns", "sentence"), [
    (["action", "path", "klass"], "unknown column 'klass'; the columns of decisions are action, path, class"),
    (["path", "value"], "no column 'action'"),
])
def test_wrong_columns_are_named(columns, sentence):
    with pytest.raises(InputError, match=sentence):
        read_decisions(pd.DataFrame(columns=columns, dtype="str"))


def test_what_is_wrong_with_single_rows_is_told_by_the_journal(tmp_path):
    table = pd.DataFrame({"action": ["exclude", "exclude", "merge", ""], "path": ["A/1.jpg", "A/1.jpg", "", ""],
                          "class": ["", "A", "A", ""], "value": ["", "", "N", ""]})
    journal = Journal(workspace_at(tmp_path))
    with pytest.raises(Rejected, match="row 2: exclude takes no class, and it is 'A'\nrow 4: there is no action ''"):
        journal.append(read_decisions(table), catalog_of(classes_of("A")), author="Ann")


# -- findings

def test_duplicates_exclude_the_copies(tmp_path):
    for table in (DUPLICATES, saved(tmp_path, DUPLICATES)):
        assert kind_of(table) == "duplicates"
        made = suggestions("duplicates", table)
        assert [(d.action, d.path) for d in made] == [("exclude", "A/2.jpg"), ("exclude", "B/1.jpg"), ("exclude", "C/2.jpg")]
        assert made[1].evidence == {"finding": "duplicates", "kind": "perceptual", "distance": 6.0, "unit": "bits",
                                    "reason": "resized", "kept": "A/1.jpg"}
        assert [d.path for d in suggestions("duplicates", table, above=0.92)] == ["A/2.jpg", "C/2.jpg"]  # 1 - 6 / 64 = 0.906
        assert [d.path for d in suggestions("duplicates", table, above=1.0)] == ["A/2.jpg"]


def test_a_group_without_a_kept_image_suggests_nothing():
    assert [d.path for d in suggestions("duplicates", DUPLICATES[DUPLICATES["path"] != "A/1.jpg"])] == ["C/2.jpg"]


def test_copies_of_an_image_in_another_folder_are_suggested():
    table = DUPLICATES.replace({"path": {"A/1.jpg": "/test/1.jpg"}})
    catalog = catalog_of(classes_of(*"ABC"))
    made = undecided(suggestions("duplicates", table), catalog, fold(catalog, []))
    assert [d.path for d in made] == ["A/2.jpg", "B/1.jpg", "C/2.jpg"]


def test_quality_excludes_an_image_once_and_only_for_findings(tmp_path):
    for table in (QUALITY, saved(tmp_path, QUALITY)):
        assert kind_of(table) == "quality"
        made = [(d.action, d.path, d.reason) for d in suggestions("quality", table)]
        assert made == [("exclude", "A/1.jpg", "very dark; not sharp"), ("exclude", "B/1.jpg", "dark")]
        assert [d.path for d in suggestions("quality", table, above=0.6)] == ["A/1.jpg"]


def test_noise_relabels_what_is_flagged(tmp_path):
    for table in (NOISE, saved(tmp_path, NOISE)):
        assert kind_of(table) == "noise"
        assert [(d.action, d.path, d.value) for d in suggestions("noise", table)] == [
            ("relabel", "A/1.jpg", "B"), ("relabel", "A/2.jpg", "C")]
        assert [d.path for d in suggestions("noise", table, above=0.9)] == ["A/1.jpg"]


def test_merges_of_a_chain_all_go_into_one(tmp_path):
    for table in (MERGES, saved(tmp_path, MERGES)):
        assert kind_of(table) == "merges"
        assert [(d.label, d.value) for d in suggestions("merges", table, above=0.5)] == [("B", "A"), ("C", "A")]


def test_suggested_merges_can_always_be_written(tmp_path):
    pairs = [("A", "B"), ("C", "D"), ("B", "C"), ("D", "A"), ("E", "A")]
    table = pd.DataFrame(pairs, columns=["class_a", "class_b"]).assign(score=[0.9, 0.8, 0.7, 0.6, 0.5])
    catalog, journal = catalog_of(classes_of(*"ABCDE")), Journal(workspace_at(tmp_path))
    journal.append(suggestions("merges", table, above=0), catalog, author="Ann")
    assert len(set(journal.curation(catalog).mapping.values())) == 1


def test_outliers_are_excluded_from_a_strength_on():
    table = pd.DataFrame({"path": ["A/1.jpg", "A/2.jpg"], "label": "A", "score": [0.05, 0.9]})
    assert kind_of(table) == "outliers"
    assert [d.path for d in suggestions("outliers", table, above=0.9)] == ["A/1.jpg"]


@pytest.mark.parametrize(("kind", "table", "made", "left"), [
    ("noise", NOISE, [Decision("label_ok", path="A/1.jpg"), Decision("exclude", path="A/2.jpg")], []),
    ("noise", NOISE, [Decision("quality_ok", path="A/1.jpg"), Decision("unsure", path="A/2.jpg")], ["A/1.jpg"]),
    ("quality", QUALITY, [Decision("quality_ok", path="A/1.jpg")], ["B/1.jpg"]),
    ("quality", QUALITY, [Decision("label_ok", path="A/1.jpg"), Decision("exclude", path="B/1.jpg")], ["A/1.jpg"]),
    ("quality", QUALITY, [Decision("exclude", path="B/1.jpg"), Decision("restore", path="B/1.jpg")], ["A/1.jpg"]),
    ("duplicates", DUPLICATES, [Decision("not_duplicates", path="A/1.jpg", other="B/1.jpg")], ["A/2.jpg", "C/2.jpg"]),
    ("duplicates", DUPLICATES, [Decision("not_duplicates", path="A/2.jpg", other="B/1.jpg")],
     ["A/2.jpg", "B/1.jpg", "C/2.jpg"]),
    ("duplicates", DUPLICATES, [Decision("exclude", path="A/1.jpg")], ["C/2.jpg"]),
    ("noise", NOISE, [Decision("merge", label="A", value="B")], ["A/2.jpg"]),
    ("merges", MERGES, [Decision("keep_apart", label="C", other="A")], ["B", "E"]),
    ("merges", MERGES, [Decision("keep_apart", label="C", other="B")], ["B", "E"]),
    ("merges", MERGES, [Decision("merge", label="F", value="B"), Decision("keep_apart", label="B", other="C")], ["B", "E"]),
    ("merges", MERGES, [Decision("merge", label="A", value="B"), Decision("drop_class", label="D")], ["C"]),
])
def test_what_a_person_has_decided_is_not_suggested_again(tmp_path, kind, table, made, left):
    catalog, journal = catalog_of(classes_of(*"ABCDEF")), Journal(workspace_at(tmp_path))
    suggested = suggestions(kind, table, above=0)
    assert undecided(suggested, catalog, journal.curation(catalog)) == suggested
    for decision in made:
        journal.append([decision], catalog, author="Ann")
    assert [d.path or d.label for d in undecided(suggested, catalog, journal.curation(catalog))] == left


@pytest.mark.parametrize("above", [-0.1, 7, float("nan")])
def test_a_strength_outside_0_to_1_is_a_sentence(above):
    with pytest.raises(InputError, match="is not between 0 and 1"):
        suggestions("noise", NOISE, above=above)


@pytest.mark.parametrize(("kind", "table", "sentence"), [
    ("outliers", NOISE, "say from which strength on"),
    ("merges", MERGES, "say from which strength on"),
    ("clusters", NOISE, "suggest no decisions"),
    ("noise", NOISE.drop(columns=["flagged"]), "noise table has no column flagged"),
    ("noise", NOISE.assign(score="x"), "row 1: the score 'x' is not a number"),
    ("noise", NOISE.assign(flagged=["True", "perhaps", "", "0"]), "row 2: flagged is 'perhaps', not True or False"),
])
def test_what_cannot_be_accepted_is_a_sentence(kind, table, sentence):
    with pytest.raises(InputError, match=sentence):
        suggestions(kind, table)


def test_a_table_that_is_no_finding_is_a_sentence():
    with pytest.raises(InputError, match="no table of findings"):
        kind_of(pd.DataFrame({"path": ["A/1.jpg"], "cluster": [0]}))
