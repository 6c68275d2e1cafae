import io

import pandas as pd
import pytest

from hai_core.fold import fold
from hai_core.records import Decision
from hai_core.workspace import InputError
from pages.ui.class_table import class_table, edits, read_series_csv, series_csv, series_edits, series_proposal

LABELS = ["A", "A", "B", "라브4, 5세대", "=C"]


@pytest.fixture
def catalog():
    return pd.DataFrame({"path": [f"{label}/{i}.jpg" for i, label in enumerate(LABELS)], "label": LABELS,
                         "status": ["ok", "ok", "ok", "ok", "unreadable"], "sha256": [str(i) * 64 for i in range(5)]})


def curated(catalog, *decisions):
    return fold(catalog, decisions)


def test_the_table_counts_usable_images_and_lists_merged_classes(catalog):
    curation = curated(catalog, Decision("merge", label="B", value="A"), Decision("exclude", path="A/0.jpg", sha256="0" * 64),
                       Decision("series", label="라브4, 5세대", value="라브4"))
    table = class_table(catalog, curation).set_index("class")
    assert list(table.index) == ["=C", "A", "라브4, 5세대"]
    assert table["images"].to_dict() == {"=C": 0, "A": 2, "라브4, 5세대": 1}
    assert table.loc["A", "holds"] == "B"
    assert table.loc["라브4, 5세대", "series"] == "라브4"


def test_edits_become_decisions(catalog):
    table = class_table(catalog, curated(catalog))  # =C, A, B, 라브4
    made = edits(table, {1: {"series": " S ", "rename": "A2"}, 2: {"merge": "A"}, 0: {"drop": True},
                         3: {"series": "", "rename": ""}})
    assert [(d.action, d.label, d.value) for d in made] == [
        ("drop_class", "=C", ""), ("series", "A", "S"), ("rename", "A", "A2"), ("merge", "B", "A")]


def test_one_class_cannot_be_dropped_and_merged(catalog):
    table = class_table(catalog, curated(catalog))
    with pytest.raises(InputError, match="=C is to be merge and drop"):
        edits(table, {0: {"merge": "A", "drop": True}})


def test_series_survive_export_and_import(catalog):
    told = [Decision("series", label="라브4, 5세대", value="라브4"), Decision("series", label="=C", value="C")]
    content = series_csv(curated(catalog, *told))
    assert content.startswith(b"\xef\xbb\xbf")
    before = curated(catalog, Decision("series", label="A", value="gone"))
    made = read_series_csv(content, before)
    assert curated(catalog, *made).series == {"라브4, 5세대": "라브4", "=C": "C"}
    assert curated(catalog, Decision("series", label="A", value="gone"), *made).series == {"라브4, 5세대": "라브4", "=C": "C"}
    assert read_series_csv(content, curated(catalog, *told)) == []


@pytest.mark.parametrize(("content", "says"), [
    (b"class;series\n", "no column"), (b"class,series\nA,x\nA,y\n", "A twice"), (b"", "not a readable table"),
    ("class,series\n가".encode("cp949"), "not a readable table"), (b"class,series\n ,x\n", "class name is empty")])
def test_bad_series_files_are_refused_with_a_sentence(catalog, content, says):
    with pytest.raises(InputError, match=says):
        read_series_csv(content, curated(catalog))


def test_the_exported_file_is_a_plain_csv(catalog):
    table = pd.read_csv(io.BytesIO(series_csv(curated(catalog))), encoding="utf-8-sig", keep_default_na=False)
    assert list(table.columns) == ["class", "series"]


def test_a_proposal_of_series_stands_beside_how_it_is_and_can_be_edited(catalog):
    curation = curated(catalog, Decision("series", label="A", value="S"), Decision("series", label="B", value="T"))
    shown = series_proposal(class_table(catalog, curation), {"A": "S", "라브4, 5세대": "U", "=C": "U"})
    assert shown.to_dict("records") == [
        {"class": "=C", "images": 0, "now": "", "series": "U"},
        {"class": "라브4, 5세대", "images": 1, "now": "", "series": "U"},
        {"class": "A", "images": 2, "now": "S", "series": "S"}, {"class": "B", "images": 1, "now": "T", "series": ""}]
    now = dict(zip(shown["class"], shown["now"], strict=True))
    made = series_edits(shown, {0: {"series": None}, 1: {"series": " V "}, 2: {"series": "S"}}, now)
    assert [(d.action, d.label, d.value) for d in made] == [("series", "라브4, 5세대", "V"), ("series", "B", "B")]
    assert curated(catalog, Decision("series", label="B", value="T"), *made).series == {"라브4, 5세대": "V"}
    with pytest.raises(InputError, match="control character"):
        series_edits(shown, {0: {"series": "a\x00b"}}, now)


def test_series_that_others_have_changed_meanwhile_are_theirs_unless_they_were_edited_here(catalog):
    curation = curated(catalog, Decision("series", label="A", value="S"), Decision("series", label="B", value="S"))
    shown = series_proposal(class_table(catalog, curation), dict.fromkeys(["A", "B", "=C"], "mine"))
    by_now = {"A": "theirs", "B": "theirs", "=C": ""}  # 라브4, 5세대 was merged away
    gone, edited = (shown["class"].tolist().index(name) for name in ("라브4, 5세대", "B"))
    made = series_edits(shown, {gone: {"series": "x"}, edited: {"series": "mine"}}, by_now)
    assert {d.label: d.value for d in made} == {"B": "mine", "=C": "mine"}
