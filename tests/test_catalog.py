import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from make_images import image_bytes, make_image
from pandas.testing import assert_frame_equal
from PIL import Image

from hai_core import catalog, pixels, workspace
from hai_core.records import ImageRecord, columns
from hai_core.workspace import InputError, Workspace

MakeTree = Callable[..., Path]
Patch = pytest.MonkeyPatch
Refreshed = tuple[pd.DataFrame, catalog.IndexReport]
NFD = unicodedata.normalize("NFD", "그랜저")

_opened: list[str] | None = None


def _note_open(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str):
        _opened.append(arguments[0])


sys.addaudithook(_note_open)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Names of all files that this process opens, by whatever means, while the test runs."""
    global _opened
    _opened = []
    yield _opened
    _opened = None


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def refresh(images: Path, store: Path, labels: Path | None = None, verify: bool = False) -> Refreshed:
    return catalog._refresh(images, store, labels, verify, workers=0)


def by_path(table: pd.DataFrame, column: str) -> dict[str, object]:
    return dict(zip(table["path"], table[column], strict=True))


def test_one_row_a_file_with_the_columns_of_a_record(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("b/2.jpg", "b/deep/er/1.jpg", f"a/{NFD}.jpg", "loose.jpg")
    table = catalog.scan(images, store, workers=0)
    assert list(table.columns) == columns(ImageRecord)
    assert list(table["path"]) == ["a/그랜저.jpg", "b/2.jpg", "b/deep/er/1.jpg", "loose.jpg"]
    assert list(table["label"]) == ["a", "b", "b", ""]
    assert table.index.equals(pd.RangeIndex(4))
    row = table.iloc[0]
    assert row["file"] == f"a/{NFD}.jpg"
    assert row["sha256"] == workspace.digest((images / row["file"]).read_bytes())
    assert (row["width"], row["height"], row["format"], row["mode"], row["status"]) == (48, 36, "JPEG", "RGB", "ok")
    assert row["size"] == (images / row["file"]).stat().st_size


def test_index_and_load(make_tree: MakeTree, tmp_path: Path) -> None:
    opened = Workspace.create(tmp_path / "w", make_tree("a/1.jpg", "a/2.jpg"))
    with pytest.raises(InputError, match="index -w"):
        catalog.load(opened)
    report = catalog.index(opened, workers=0)
    assert (report.images, report.decoded, report.unreadable, report.unchanged) == (2, 2, 0, 0)
    assert_frame_equal(catalog.load(opened), catalog.scan(opened.images, opened.catalog))


def test_processes_find_the_same_as_this_process(make_tree: MakeTree, tmp_path: Path) -> None:
    images = make_tree(*(f"c{i % 3}/{i}.jpg" for i in range(40)))
    (images / "c0/bad.jpg").write_bytes(b"bad")
    assert_frame_equal(catalog.scan(images, tmp_path / "one", workers=0), catalog.scan(images, tmp_path / "two", workers=2))


def test_unchanged_files_are_not_opened_again(make_tree: MakeTree, store: Path, opened: list[str]) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg", "b/3.jpg")
    (images / "b/bad.jpg").write_bytes(b"bad")

    def refresh_noting(verify: bool = False) -> tuple[list[str], catalog.IndexReport]:
        opened.clear()
        report = refresh(images, store, verify=verify)[1]
        return sorted(Path(name).name for name in opened if name.startswith(str(images))), report

    names, report = refresh_noting()
    assert names == ["1.jpg", "2.jpg", "3.jpg", "bad.jpg"]
    assert (report.unchanged, report.decoded) == (0, 3)
    names, report = refresh_noting()
    assert names == []
    assert (report.unchanged, report.decoded) == (4, 0)
    names, report = refresh_noting(verify=True)
    assert names == ["1.jpg", "2.jpg", "3.jpg", "bad.jpg"]
    assert (report.unchanged, report.decoded) == (0, 3)
    os.utime(images / "a/1.jpg", ns=(1, 1))
    (images / "a/2.jpg").write_bytes(image_bytes(make_image(77)))
    make_tree("a/new.jpg")
    names, report = refresh_noting()
    assert names == ["1.jpg", "2.jpg", "new.jpg"]
    assert (report.unchanged, report.decoded) == (2, 3)


def test_a_file_swapped_for_one_of_the_same_size_and_time_is_read_again(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg")
    before, _ = refresh(images, store)
    found = os.stat(images / "a/1.jpg")
    data = bytearray((images / "a/1.jpg").read_bytes())
    data[20] ^= 1
    (images / "a/other").write_bytes(data)
    os.utime(images / "a/other", ns=(found.st_atime_ns, found.st_mtime_ns))
    os.replace(images / "a/other", images / "a/1.jpg")
    after, report = refresh(images, store)
    assert report.unchanged == 0
    assert (before["sha256"] != after["sha256"]).all()


def test_a_nanosecond_is_a_change_even_beside_new_files(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg")
    os.utime(images / "a/1.jpg", ns=(0, 1_700_000_000_000_000_000))
    refresh(images, store)
    os.utime(images / "a/1.jpg", ns=(0, 1_700_000_000_000_000_001))
    make_tree("a/0.jpg")
    assert refresh(images, store)[1].unchanged == 0


def test_verify_finds_bytes_that_changed_behind_the_file_system(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg")
    before, _ = refresh(images, store)
    found = os.stat(images / "a/1.jpg")
    with open(images / "a/1.jpg", "r+b") as handle:
        handle.seek(20)
        handle.write(b"\x07")
    os.utime(images / "a/1.jpg", ns=(found.st_atime_ns, found.st_mtime_ns))
    assert refresh(images, store)[0]["sha256"].equals(before["sha256"])
    assert not refresh(images, store, verify=True)[0]["sha256"].equals(before["sha256"])


def test_removed_and_moved_files(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg", "a/3.jpg", "b/4.jpg")
    shutil.copy(images / "a/3.jpg", images / "b/copy.jpg")
    table, _ = refresh(images, store)
    (images / "a/1.jpg").rename(images / "b/one.jpg")  # moved: one new path has its hash
    (images / "a/2.jpg").unlink()  # gone
    (images / "a/3.jpg").unlink()  # its copy is no new path
    shutil.copy(images / "b/4.jpg", images / "b/x.jpg")
    (images / "b/4.jpg").rename(images / "b/y.jpg")  # two new paths have its hash
    after, report = refresh(images, store)
    assert (report.removed, report.moved, report.images) == (4, 1, 4)
    assert list(after["path"]) == ["b/copy.jpg", "b/one.jpg", "b/x.jpg", "b/y.jpg"]
    assert by_path(after, "sha256")["b/one.jpg"] == by_path(table, "sha256")["a/1.jpg"]
    assert set(catalog.thumbnails(store, table["sha256"].tolist())) == set(after["sha256"])


def test_a_renamed_folder_is_all_moved(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg", "b/3.jpg")
    refresh(images, store)
    (images / "a").rename(images / "c")
    table, report = refresh(images, store)
    assert (report.removed, report.moved) == (2, 2)
    assert list(table["label"]) == ["b", "c", "c"]


def write_hostile(images: Path) -> None:
    good = image_bytes(make_image(1))
    (images / "h").mkdir()
    for name, data in {"empty": b"", "text": b"not an image\n", "cut": good[:len(good) // 2],
                       "zeros": bytes(5000), "html": b"<html>404</html>"}.items():
        (images / "h" / f"{name}.jpg").write_bytes(data)
    (images / "h/broken.jpg").symlink_to("nowhere")
    os.mkfifo(images / "h/pipe.png")
    (images / "h/folder.jpg").mkdir()
    with open(os.fsencode(images / "h") + b"/caf\xe9.jpg", "wb") as handle:
        handle.write(good)


@pytest.mark.parametrize("count", [0, 2])
def test_hostile_files_are_listed_counted_and_stop_nothing(make_tree: MakeTree, store: Path, count: int) -> None:
    images = make_tree("a/1.jpg", "z/2.jpg")
    write_hostile(images)
    table = catalog.scan(images, store, workers=count)
    bad = table[table["status"] == "unreadable"]
    names = ("empty.jpg", "text.jpg", "cut.jpg", "zeros.jpg", "html.jpg", "broken.jpg", "pipe.png", "caf\\xe9.jpg")
    assert set(bad["path"]) == {f"h/{name}" for name in names}
    assert (bad["reason"] != "").all()
    assert "cut short" in by_path(bad, "reason")["h/cut.jpg"]
    assert by_path(bad, "sha256")["h/cut.jpg"] != "" == by_path(bad, "sha256")["h/broken.jpg"]
    assert bad["brightness"].isna().all()
    assert (bad["label"] == "h").all()
    assert list(table.loc[table["status"] == "ok", "path"]) == ["a/1.jpg", "z/2.jpg"]
    again, report = refresh(images, store)
    assert_frame_equal(table, again)
    assert (report.unreadable, report.decoded) == (8, 0)


def test_a_file_that_could_not_be_read_is_tried_again(make_tree: MakeTree, store: Path, monkeypatch: Patch) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(pixels, "open", _denied, raising=False)
        table, report = refresh(images, store)
        assert list(table["reason"]) == ["cannot be opened: permission denied"] * 2
    table, report = refresh(images, store)
    assert (report.unreadable, report.decoded) == (0, 2)


def _denied(*arguments: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_file_that_vanishes_during_the_run_has_its_row(make_tree: MakeTree, store: Path, monkeypatch: Patch) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg")
    real = pixels.examine

    def examine(place: str) -> pixels.Outcome:
        (images / "a/2.jpg").unlink(missing_ok=True)
        return real(place)

    monkeypatch.setattr(pixels, "examine", examine)
    table, _ = refresh(images, store)
    assert list(table["reason"]) == ["", "file not found"]
    table, report = refresh(images, store)
    assert (list(table["path"]), report.removed) == (["a/1.jpg"], 1)


@pytest.mark.parametrize("count", [0, 2])
def test_a_bug_propagates(make_tree: MakeTree, store: Path, monkeypatch: Patch, count: int) -> None:
    monkeypatch.setattr(pixels, "examine", int)  # a function that workers can import and that fails on any path
    with pytest.raises(ValueError, match="invalid literal"):
        catalog.scan(make_tree("a/1.jpg"), store, workers=count)


def test_labels_from_a_table(make_tree: MakeTree, store: Path, tmp_path: Path) -> None:
    images = make_tree("x/1.jpg", f"x/{NFD}.jpg", "x/back\\slash.jpg", "x/unlisted.jpg", "x/strange.suffix", 'x/q"uote,.jpg')
    labels = tmp_path / "labels.csv"
    pd.DataFrame({"path": ["x/1.jpg", f"x/{NFD}.jpg", "x/back\\slash.jpg", "x/none.jpg", "x/strange.suffix", 'x/q"uote,.jpg'],
                  "label": ["현대", unicodedata.normalize("NFD", "현대"), "=1+1", "기아", "기아", " "]}
                 ).to_csv(labels, index=False)
    table = catalog.scan(images, store, labels, workers=0)
    assert by_path(table, "label") == {
        "x/1.jpg": "현대", "x/그랜저.jpg": "현대", "x/back\\slash.jpg": "=1+1", "x/none.jpg": "기아",
        "x/strange.suffix": "기아", "x/unlisted.jpg": "", 'x/q"uote,.jpg': ""}
    assert by_path(table, "reason")["x/none.jpg"] == "file not found"
    assert (table["status"] == "unreadable").sum() == 1


def test_new_labels_need_no_file_to_be_read(make_tree: MakeTree, store: Path, tmp_path: Path) -> None:
    images = make_tree("x/1.jpg")
    labels = tmp_path / "labels.csv"
    for label in ("old", "new"):
        labels.write_text(f"path,label\nx/1.jpg,{label}\n")
        table, report = refresh(images, store, labels)
        assert list(table["label"]) == [label]
        assert list(pd.read_parquet(store / "catalog.parquet")["label"]) == [label]
    assert report.unchanged == 1


@pytest.mark.parametrize(("content", "complaint"), [
    ("path,label\na/1.jpg,x\na/1.jpg,y\n", "two labels: 'x' and 'y'"),
    ("path,label\n,x\n", "row 1: the path is empty"),
    ("file,label\na/1.jpg,x\n", "no column path"),
    ('path,label\na/1.jpg,"x\ny"\n', "control character"),
])
def test_wrong_labels_are_named(make_tree: MakeTree, store: Path, tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(InputError, match=complaint):
        catalog.scan(make_tree("a/1.jpg"), store, tmp_path / "labels.csv", workers=0)


def test_no_images(tmp_path: Path, store: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="no image in"):
        catalog.scan(tmp_path / "images", store)
    with pytest.raises(InputError, match="no folder"):
        catalog.scan(tmp_path / "none", store)


def test_only_unreadable_files(tmp_path: Path, store: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.jpg").write_bytes(b"")
    assert list(catalog.scan(tmp_path / "images", store, workers=0)["reason"]) == ["the file is empty"]
    assert list(catalog.scan(tmp_path / "images", store, workers=0)["reason"]) == ["the file is empty"]


@pytest.mark.parametrize("change", ["version", "damage"])
def test_a_store_of_another_version_is_made_again(make_tree: MakeTree, store: Path, monkeypatch: Patch, change: str) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg")
    table = catalog.scan(images, store, workers=0)
    assert refresh(images, store)[1].unchanged == 2
    if change == "version":
        monkeypatch.setattr(pixels, "VERSION", "another Pillow")
    else:
        (store / "catalog.sqlite").write_bytes(b"not a database, and long enough to be one" * 100)
    after, report = refresh(images, store)
    assert (report.unchanged, report.decoded, report.removed) == (0, 2, 0)
    assert_frame_equal(after, table)


def test_two_at_once_get_a_sentence(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg")
    with workspace.lock(store / "lock", ""), pytest.raises(InputError, match="being indexed by another process"):
        catalog.scan(images, store, workers=0)
    assert len(catalog.scan(images, store, workers=0)) == 1


def stored(store: Path) -> int:
    if not (store / "catalog.sqlite").exists():
        return 0
    with closing(sqlite3.connect(store / "catalog.sqlite")) as db:
        try:
            return int(db.execute("SELECT count(*) FROM images").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet
            return 0


def test_a_killed_run_is_taken_up_again(tmp_path: Path, store: Path) -> None:
    images = tmp_path / "images"
    (images / "a").mkdir(parents=True)
    for i in range(200):
        (images / f"a/{i}.png").write_bytes(image_bytes(Image.new("RGB", (256, 256), (i, 0, 0)), "PNG"))
    program = "import sys; from pathlib import Path; from hai_core import catalog; catalog.BATCH = 10\n" \
              "catalog.scan(Path(sys.argv[1]), Path(sys.argv[2]), workers=2)"
    environment = os.environ | {"PYTHONPATH": str(Path(catalog.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", program, str(images), str(store)], env=environment)
    limit = time.monotonic() + 60
    while stored(store) < 30 and time.monotonic() < limit:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = stored(store)
    assert 30 <= kept < 200
    assert not (store / "catalog.parquet").exists()
    table, report = refresh(images, store)
    assert (report.images, report.unchanged, report.decoded) == (200, kept, 200 - kept)
    assert_frame_equal(table, catalog.scan(images, tmp_path / "fresh", workers=0))
    assert len(catalog.thumbnails(store, table["sha256"].tolist())) == 200


def test_killed_between_the_last_batch_and_the_snapshot(make_tree: MakeTree, store: Path, monkeypatch: Patch) -> None:
    images = make_tree("a/1.jpg")
    refresh(images, store)
    make_tree("a/2.jpg")
    with monkeypatch.context() as patch:
        patch.setattr("hai_core.catalog_store.write_table", _denied)
        with pytest.raises(PermissionError):
            refresh(images, store)
    assert len(pd.read_parquet(store / "catalog.parquet")) == 1
    table, report = refresh(images, store)
    assert (report.unchanged, report.decoded) == (2, 0)
    assert_frame_equal(pd.read_parquet(store / "catalog.parquet"), table)


def test_images_are_never_written(make_tree: MakeTree, store: Path) -> None:
    images = make_tree("a/1.jpg", "a/2.jpg")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in images.rglob("*.jpg")}
    catalog.scan(images, store)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in images.rglob("*") if file.is_file()} == before


def test_snapshot_digest_is_of_path_label_and_content(make_tree: MakeTree, store: Path) -> None:
    table = catalog.scan(make_tree("a/1.jpg", "a/2.jpg"), store, workers=0)
    digest = catalog.snapshot_digest(table)
    assert digest == catalog.snapshot_digest(table.assign(mtime_ns=0, inode=0))
    for column in ("path", "label", "sha256"):
        assert digest != catalog.snapshot_digest(table.assign(**{column: ["x", *table[column][1:]]}))


def test_a_folder_has_its_own_store(tmp_path: Path) -> None:
    assert catalog.folder_store(tmp_path) == catalog.folder_store(tmp_path / "x" / "..")
    assert catalog.folder_store(tmp_path) != catalog.folder_store(tmp_path.parent)
    assert workspace.cache_root() in catalog.folder_store(tmp_path).parents
