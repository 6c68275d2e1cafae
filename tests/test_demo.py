"""The demo dataset and the scores against its truth."""

from __future__ import annotations

import io
import unicodedata
from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from hai_core import demo
from hai_core.demo import check_decisions, check_findings, files, plan, truth_for
from hai_core.demo.picture import picture
from hai_core.demo.plan import TRUTH, File
from hai_core.demo.vehicles import VEHICLES
from hai_core.workspace import InputError, lock, read_table, write_table

PLANNED, PLANNED_TRUTH = plan.make(0)


# ---- the plan

def test_plan_is_a_function_of_the_seed():
    again, truth = plan.make(0)
    assert again == PLANNED
    assert truth.equals(PLANNED_TRUTH)
    assert plan.make(1)[0] != PLANNED


def test_plan_has_about_700_files_in_24_classes_and_a_twin():
    paths = [file.path for drawing in PLANNED for file in drawing.files]
    folders = {path.split("/")[0] for path in paths}
    assert 680 <= len(paths) <= 720
    assert len(set(paths)) == len(paths)
    assert folders == {v.name for v in VEHICLES} | {plan.TWIN[1]}
    assert len(VEHICLES) == 24
    assert 6 <= len({v.series for v in VEHICLES}) <= 8
    sizes = pd.Series(path.split("/")[0] for path in paths).value_counts()
    assert sizes.min() >= 14


def test_names_are_hard_ones_and_tell_nothing():
    names = [v.name for v in VEHICLES]
    assert any("," in n for n in names)
    assert any("'" in n for n in names)
    assert any("가" <= c <= "힣" for n in names for c in n)
    assert all(unicodedata.is_normalized("NFC", n) for n in names)
    stems = [Path(file.path).stem.removeprefix("차량_") for drawing in PLANNED for file in drawing.files]
    assert all(stem.isdigit() for stem in stems)


def test_every_kind_of_fault_is_planted():
    details = PLANNED_TRUTH.groupby("fault").detail.agg(set).to_dict()
    assert details == {"exact_duplicate": {"same_class", "cross_class"}, "near_duplicate": set(plan.NEAR),
                       "wrong_label": {"near", "random"},
                       "junk": set(plan.JUNK), "unreadable": set(plan.UNREADABLE), "format": set(plan.FORMATS), "dark": {""},
                       "blurry": {""},
                       "twin_class": {""}}
    share = (PLANNED_TRUTH.fault != "format").sum() / sum(len(d.files) for d in PLANNED)
    assert 0.12 <= share <= 0.15


def test_truth_fits_the_plan():
    kind = {file.path: (drawing, file) for drawing in PLANNED for file in drawing.files}
    twins = {plan.TWIN[0], plan.TWIN[1]}
    for row in PLANNED_TRUTH.itertuples():
        if row.fault == "twin_class":
            assert (row.path, row.source) == plan.TWIN[::-1]
            continue
        drawing, file = kind[row.path]
        folder, name = row.path.split("/")[0], VEHICLES[drawing.vehicle].name if drawing.vehicle >= 0 else ""
        in_own = folder == name or {folder, name} <= twins
        assert row.true_label == ("" if row.fault in ("junk", "unreadable") else name)
        assert in_own == (row.fault != "wrong_label" and row.detail != "cross_class") or not row.true_label
        assert row.source == (drawing.files[0].path if len(drawing.files) > 1 else "")
        assert file.kind == ("" if row.fault == "wrong_label" else row.fault)


# ---- pictures

@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [picture(vehicle, (3, i)) for i, vehicle in enumerate(VEHICLES)]


def test_pictures_repeat_and_depend_on_seed_and_vehicle():
    same = [np.asarray(picture(VEHICLES[k], (0, 5))) for k in (8, 8, 9)]
    assert np.array_equal(same[0], same[1])
    changed = (np.abs(same[0].astype(int) - same[2]).max(axis=2) > 24).mean()
    assert 0.005 < changed < 0.4  # the same place and pose, another model year
    assert not np.array_equal(same[0][:200, :200], np.asarray(picture(VEHICLES[8], (0, 6)))[:200, :200])


def test_pictures_are_colourful_and_not_dark(pictures):
    for image in pictures:
        assert min(image.size) >= 200
        luma = np.asarray(image.convert("L"), float)
        assert luma.mean() > 40
        assert luma.std() > 20


def test_pictures_are_not_near_duplicates_by_chance(pictures):
    hashes = [imagehash.phash(image) for image in pictures]
    distances = np.array([a - b for a, b in combinations(hashes, 2)])
    assert (distances > 10).mean() > 0.99
    assert imagehash.phash(pictures[0]) - imagehash.phash(pictures[0].resize((200, 150))) <= 10


# ---- files

def first(kind: str, detail: str = "") -> tuple[plan.Drawing, File]:
    return next((d, f) for d in PLANNED for f in d.files if f.kind == kind and detail in ("", f.detail))


def made(folder: Path, drawing: plan.Drawing) -> dict[str, Path]:
    """The files of a drawing, by planned path, written below `folder`."""
    for file in drawing.files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
    assert files.write((drawing, str(folder))) == len(drawing.files)
    return {unicodedata.normalize("NFC", p.relative_to(folder).as_posix()): p for p in folder.rglob("*") if p.is_file()}


def test_exact_duplicates_are_equal_bytes(tmp_path):
    drawing, file = first("exact_duplicate", "")
    written = made(tmp_path, drawing)
    assert written[file.path].read_bytes() == written[drawing.files[0].path].read_bytes()


@pytest.mark.parametrize("detail", plan.NEAR)
def test_near_duplicates_are_other_bytes_but_near(tmp_path, detail):
    drawing, file = first("near_duplicate", detail)
    written = made(tmp_path, drawing)
    original, copy = Image.open(written[drawing.files[0].path]), Image.open(written[file.path])
    assert written[drawing.files[0].path].read_bytes() != written[file.path].read_bytes()
    if detail == "border":
        edge = round((copy.height - original.height) / 2)
        assert edge > 5
        copy = copy.crop((edge, edge, copy.width - edge, copy.height - edge))
    turned = ImageOps.mirror(copy) if detail == "flip" else copy
    assert imagehash.phash(original) - imagehash.phash(turned) <= (16 if detail == "crop" else 8)


@pytest.mark.parametrize("detail", plan.FORMATS)
def test_unusual_formats_are_what_they_claim_and_readable(tmp_path, detail):
    drawing, file = first("format", detail)
    path = made(tmp_path, drawing)[file.path]
    with Image.open(path) as image:
        image.load()
        expected = {"cmyk": ("JPEG", "CMYK"), "exif": ("JPEG", "RGB"), "png16": ("PNG", "I;16"), "palette": ("PNG", "P"),
                    "gif": ("GIF", "P"),
                    "webp": ("WEBP", "RGB"), "tiff": ("TIFF", "RGB"), "bmp": ("BMP", "RGB"), "nfd": ("JPEG", "RGB")}
        assert (image.format, image.mode) == expected[detail]
        upright = ImageOps.exif_transpose(image)
    assert upright.width > upright.height
    assert (path.name != unicodedata.normalize("NFC", path.name)) == (detail == "nfd")


@pytest.mark.parametrize("detail", plan.UNREADABLE)
def test_unreadable_files_cannot_be_read(detail):
    drawing, file = first("unreadable", detail)
    content = files.encode(drawing, file, b"", np.random.default_rng(0))
    with pytest.raises((OSError, UnidentifiedImageError)), Image.open(io.BytesIO(content)) as image:
        image.load()


def test_dark_blurry_and_junk_are_what_they_claim(tmp_path):
    def edges(image: Image.Image) -> float:
        return float(np.asarray(image.convert("L").resize((160, 120)).filter(ImageFilter.FIND_EDGES), float).std())

    with Image.open(*made(tmp_path / "1", first("dark")[0]).values()) as image:
        assert np.asarray(image).mean() < 15
    blurry = first("blurry")[0]
    with Image.open(*made(tmp_path / "2", blurry).values()) as image:
        assert edges(image) < 0.6 * edges(picture(VEHICLES[blurry.vehicle], blurry.seed))
    with Image.open(*made(tmp_path / "3", first("junk", "uniform")[0]).values()) as image:
        assert np.asarray(image, float).std(axis=(0, 1)).max() < 2


# ---- write

@pytest.fixture
def few(monkeypatch) -> list[plan.Drawing]:
    """Only eleven of the drawings, of every sort."""
    chosen = [next(d for d in PLANNED if d.vehicle >= 0 and d.files[0].kind == "")]
    chosen += [first(*kind)[0] for kind in (("exact_duplicate",), ("near_duplicate", "grey"), ("format", "nfd"),
                                            ("format", "gif"),
                                            ("dark",), ("junk", "text"), ("unreadable", "truncated"), ("unreadable", "empty"))]
    paths = {f.path for d in chosen for f in d.files}
    truth = PLANNED_TRUTH[PLANNED_TRUTH.path.isin(paths)]
    monkeypatch.setattr(plan, "make", lambda seed: (chosen, truth))
    return chosen


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_write_gives_the_same_bytes_in_this_process_and_in_others(tmp_path, few):
    report = demo.write(tmp_path / "a", processes=0)
    demo.write(tmp_path / "b", processes=2)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert report.count == sum(len(d.files) for d in few) == len(tree(tmp_path / "a")) - 1
    assert report.images == tmp_path / "a" / "images"
    assert list(read_table(report.truth).columns) == TRUTH
    assert {p.name for p in (tmp_path / "a").iterdir()} == {"images", "truth.csv"}
    assert sum(report.faults.values()) == len(read_table(report.truth)) - 2  # two unusual formats are no faults


@pytest.mark.parametrize("content", ["images/a/1.jpg", "notes.txt"])
def test_write_leaves_a_folder_alone_that_holds_something(tmp_path, content):
    (tmp_path / content).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / content).write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        demo.write(tmp_path)
    assert list(tree(tmp_path)) == [content]


def test_an_interrupted_run_is_no_demo_and_the_next_one_begins_anew(tmp_path, few, monkeypatch):
    real, calls = files.write, []

    def write(job):
        calls.append(job)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(files, "write", write)
    with pytest.raises(KeyboardInterrupt):
        demo.write(tmp_path, processes=0)
    assert tree(tmp_path) == {}
    (tmp_path / demo.SCRATCH / "images" / "left by a killed run").mkdir(parents=True)
    demo.write(tmp_path, processes=0)
    assert not (tmp_path / "images" / "left by a killed run").exists()
    assert (tmp_path / "truth.csv").is_file()


def test_two_runs_do_not_write_to_one_folder(tmp_path, few):
    with lock(tmp_path / demo.SCRATCH / "lock", "busy"), pytest.raises(InputError, match="another process"):
        demo.write(tmp_path, processes=0)


# ---- truth

def test_truth_for_reads_nfc_or_nothing(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    assert truth_for(images) is None
    write_table(pd.DataFrame({"path": ["x"], "other": ["y"]}), tmp_path / "truth.csv")
    assert truth_for(images) is None
    write_table(pd.DataFrame([[unicodedata.normalize("NFD", "한빛/1.jpg"), "dark", "", "", ""]], columns=TRUTH),
                tmp_path / "truth.csv")
    assert truth_for(images).path.tolist() == ["한빛/1.jpg"]


# ---- scores

@pytest.fixture
def truth() -> pd.DataFrame:
    return pd.DataFrame([
        ("a/copy.jpg", "exact_duplicate", "same_class", "a/1.jpg", "a"),
        ("b/copy.jpg", "exact_duplicate", "cross_class", "a/2.jpg", "a"),
        ("a/near.jpg", "near_duplicate", "flip", "a/3.jpg", "a"), ("b/wrong.jpg", "wrong_label", "near", "", "a"),
        ("c/wrong.jpg", "wrong_label", "random", "", "b"), ("a/junk.jpg", "junk", "noise", "", ""),
        ("a/dark.jpg", "dark", "", "", "a"),
        ("b/blurry.jpg", "blurry", "", "", "b"), ("b/broken.jpg", "unreadable", "empty", "", ""),
        ("c/cmyk.jpg", "format", "cmyk", "", "c"),
        ("c twin", "twin_class", "", "c", "c")], columns=TRUTH)


def counts(score: demo.Score) -> dict[str, tuple[int, int]]:
    return {row.fault: (row.found, row.planted) for row in score.by_fault.itertuples()}


def test_duplicates_are_found_by_group(truth):
    table = pd.DataFrame([(0, "a/1.jpg", True), (0, "a/copy.jpg", False), (1, "a/3.jpg", "False"), (1, "a/near.jpg", "True"),
                          (2, "b/copy.jpg", True), (3, "c/7.jpg", True), (3, "c/8.jpg", False)],
                          columns=["group", "path", "keep"])
    score = check_findings("duplicates", table, truth)
    assert counts(score) == {"exact_duplicate": (1, 2), "near_duplicate": (1, 1)}
    assert score.false_alarms == ["c/8.jpg"]
    assert str(score) == "2 of 3 planted faults found, 1 false alarm"


def test_quality_needs_the_right_problem(truth):
    table = pd.DataFrame([("a/dark.jpg", "dark"), ("b/blurry.jpg", "grayscale"), ("b/broken.jpg", "unreadable"),
                          ("a/junk.jpg", "low_information"),
                          ("c/cmyk.jpg", "light"), ("c/1.jpg", "odd_size"), ("a/near.jpg", "grayscale")],
                          columns=["path", "problem"])
    score = check_findings("quality", table, truth)
    assert counts(score) == {"junk": (1, 1), "dark": (1, 1), "blurry": (0, 1), "unreadable": (1, 1)}
    assert score.false_alarms == ["c/cmyk.jpg"]


def test_noise_counts_flagged_images_only(truth):
    table = pd.DataFrame([("b/wrong.jpg", "b", "a", True), ("c/wrong.jpg", "c", "b", False), ("c/1.jpg", "c", "c twin", True),
                          ("b/copy.jpg", "b", "a", True), ("b/1.jpg", "b", "c", True)],
                          columns=["path", "label", "suggested_label", "flagged"])
    score = check_findings("noise", table, truth)
    assert counts(score) == {"wrong_label": (1, 2)}
    assert score.false_alarms == ["b/1.jpg"]


def test_ranked_findings_count_when_a_person_would_see_them(truth):
    paths = ["a/junk.jpg", *(f"c/{i}.jpg" for i in range(60)), "a/dark.jpg"]
    outliers = check_findings("outliers", pd.DataFrame({"path": paths, "score": np.linspace(0, 1, len(paths)).astype(str)}),
                              truth)
    assert counts(outliers) == {"junk": (1, 1), "dark": (0, 1), "blurry": (0, 1)}
    assert outliers.false_alarms == []
    merges = pd.DataFrame({"class_a": ["a"] * 10 + ["c"], "class_b": [f"b{i}" for i in range(10)] + ["c twin"], "score": 0.2})
    assert counts(check_findings("merges", merges, truth)) == {"twin_class": (0, 1)}
    merges.loc[10, "score"] = 0.9
    assert counts(check_findings("merges", merges, truth)) == {"twin_class": (1, 1)}


def test_findings_that_report_nothing_cannot_be_checked(truth):
    with pytest.raises(InputError, match="clusters"):
        check_findings("clusters", pd.DataFrame(), truth)


def decided(*rows: tuple[str, ...]) -> pd.DataFrame:
    """Rows of (action, path or class, value)."""
    classes = ("merge", "rename", "drop_class", "keep_apart")
    return pd.DataFrame([(a, "" if a in classes else key, key if a in classes else "", "", v) for a, key, v in rows],
                        columns=["action", "path", "label", "other", "value"])


CLASSES = ["a", "b", "c", "c twin"]


def test_no_decisions_find_nothing(truth):
    score = check_decisions(decided(), truth, CLASSES)
    assert not score.planted.found.any()
    assert len(score.planted) == len(truth) - 1  # an unusual format is no fault
    assert score.false_alarms == []


def test_right_decisions_find_everything(truth):
    score = check_decisions(decided(("exclude", "a/1.jpg", ""), ("exclude", "b/copy.jpg", ""), ("exclude", "a/near.jpg", ""),
                                    ("relabel", "b/wrong.jpg", "a"), ("exclude", "c/wrong.jpg", ""),
                                    ("exclude", "a/junk.jpg", ""),
                                    ("exclude", "a/dark.jpg", ""), ("exclude", "b/blurry.jpg", ""),
                                    ("exclude", "b/broken.jpg", ""),
                                    ("merge", "c twin", "c"), ("rename", "c", "C")), truth, CLASSES)
    assert score.planted.found.all()
    assert score.false_alarms == []


def test_wrong_decisions_are_false_alarms(truth):
    score = check_decisions(decided(("exclude", "a/1.jpg", ""), ("exclude", "a/copy.jpg", ""), ("exclude", "c/cmyk.jpg", ""),
                                    ("exclude", "a/2.jpg", ""), ("relabel", "b/wrong.jpg", "c"), ("relabel", "a/9.jpg", "b"),
                                    ("exclude", "a/junk.jpg", ""), ("restore", "a/junk.jpg", ""), ("merge", "a", "b")), truth,
                                    CLASSES)
    # a/2.jpg was excluded, but its copy stays under the wrong label; b/wrong.jpg got another wrong label
    assert counts(score) == {"exact_duplicate": (1, 2), "near_duplicate": (0, 1), "wrong_label": (0, 2), "junk": (0, 1),
                             "dark": (0, 1),
                             "blurry": (0, 1), "unreadable": (0, 1), "twin_class": (0, 1)}
    assert score.false_alarms == ["a/1.jpg", "b/wrong.jpg", "c/cmyk.jpg", "a = b"]


def test_a_label_set_to_the_twin_is_right_and_dropping_a_class_is_not(truth):
    moved = truth.assign(true_label=truth.true_label.where(truth.path != "b/wrong.jpg", "c"))
    score = check_decisions(decided(("relabel", "b/wrong.jpg", "c twin"), ("drop_class", "a", "")), moved, CLASSES)
    assert counts(score)["wrong_label"] == (1, 2)
    assert score.false_alarms == ["a"]
