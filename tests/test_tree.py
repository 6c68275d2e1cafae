import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from hai_core.tree import COLUMNS, list_images, locate, located
from hai_core.workspace import InputError

NFC = "현대 그랜저.jpg"
NFD = unicodedata.normalize("NFD", NFC)


def touch(root: Path, *names: str | bytes) -> Path:
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as handle:
            handle.write(b"x")
    return root


def paths(root: Path) -> list[str]:
    return list(list_images(root).files["path"])


def reasons(root: Path) -> dict[str, str]:
    files = list_images(root).files
    return dict(zip(files["path"], files["reason"], strict=True))


def test_all_depths_in_path_order_and_only_images(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPG", "b/10.jpeg", "a/x/y/1.Png", "root.webp", "a/t.tif", "b/n.tiff", "a/g.gif", "a/b.bmp",
          "b/notes.txt", "a/.DS_Store", "jpg", ".jpg", "a b/c,d'\"<script>.jpg", "=1+1.jpg", "b!/z.jpg")
    tree = list_images(tmp_path)
    found = list(tree.files["path"])
    assert list(tree.files.columns) == COLUMNS
    assert found == sorted(found)
    assert set(found) == {"b/2.JPG", "b/10.jpeg", "a/x/y/1.Png", "root.webp", "a/t.tif", "b/n.tiff", "a/g.gif", "a/b.bmp",
                          "a b/c,d'\"<script>.jpg", "=1+1.jpg", "b!/z.jpg"}
    assert tree.ignored == 4  # notes.txt, .DS_Store, jpg, .jpg
    assert (tree.files["reason"] == "").all()


def test_hidden_files_and_folders_are_left_out_unless_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/._1.jpg", ".ipynb_checkpoints/1.jpg", "a/.thumbs/1.jpg", ".x/2.jpg")
    tree = list_images(tmp_path)
    assert list(tree.files["path"]) == ["a/1.jpg"]
    assert tree.ignored == 4  # a hidden folder counts once
    assert list(list_images(tmp_path, {".x/2.jpg", "a/._1.jpg"}).files["path"]) == [".x/2.jpg", "a/._1.jpg", "a/1.jpg"]


def test_size_time_and_inode_are_the_file_s(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    row, found = list_images(tmp_path).files.iloc[0], os.stat(tmp_path / "a.jpg")
    assert (row["size"], row["mtime_ns"], row["inode"]) == (1, found.st_mtime_ns, found.st_ino)


def test_decomposed_names_are_one_path(tmp_path: Path) -> None:
    touch(tmp_path, f"{unicodedata.normalize('NFD', '기아')}/{NFD}")
    row = list_images(tmp_path).files.iloc[0]
    assert row["path"] == f"기아/{NFC}"
    assert row["file"] != row["path"]
    assert (tmp_path / row["file"]).exists()
    assert locate(tmp_path, [row["path"], "기아/none.jpg", "../a.jpg", ""]) == [tmp_path / row["file"], None, None, None]


def test_the_second_of_two_spellings_is_listed_as_unreadable(tmp_path: Path) -> None:
    touch(tmp_path, f"a/{NFC}", f"a/{NFD}")
    files = list_images(tmp_path).files
    assert list(files["file"]) == [f"a/{NFC}", f"a/{NFD}"]
    assert files["path"].is_unique
    assert files["path"][0] == f"a/{NFC}"
    assert [bool(reason) for reason in files["reason"]] == [False, True]
    assert "Unicode" in files["reason"][1]
    assert locate(tmp_path, [f"a/{NFC}"]) == [tmp_path / "a" / NFC]


def test_names_that_are_not_utf8_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, b"a/caf\xe9.jpg", b"b\xff/ok.jpg", "a/ok.jpg")
    found = reasons(tmp_path)
    assert set(found) == {"a/caf\\xe9.jpg", "b\\xff/ok.jpg", "a/ok.jpg"}
    assert [path for path, reason in found.items() if not reason] == ["a/ok.jpg"]
    assert "not valid UTF-8" in found["a/caf\\xe9.jpg"]
    assert all(text.encode() for text in found)


def test_broken_links_pipes_and_looping_links_have_rows(tmp_path: Path) -> None:
    touch(tmp_path, "a/ok.jpg")
    (tmp_path / "a/gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "a/self.jpg").symlink_to("self.jpg")
    (tmp_path / "a/link.jpg").symlink_to("ok.jpg")
    os.mkfifo(tmp_path / "a/pipe.jpg")
    found = reasons(tmp_path)
    assert found == {"a/ok.jpg": "", "a/link.jpg": "", "a/gone.jpg": "broken link", "a/self.jpg": "broken link",
                     "a/pipe.jpg": "not a regular file"}


def test_linked_folders_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root, "a/1.jpg")
    touch(outside, "deep/2.jpg")
    (root / "b").symlink_to(outside)
    (root / "again").symlink_to(outside / "deep" / "..")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "here").symlink_to(".")
    (root / "inside").symlink_to("a")
    (root / "above").symlink_to(tmp_path)
    (outside / "deep" / "back").symlink_to(outside)
    tree = list_images(root)
    assert list(tree.files["path"]) == ["a/1.jpg", "again/deep/2.jpg"]
    assert set(tree.skipped_links) == {"a/up", "a/here", "inside", "above", "b", "again/deep/back"}


def test_a_folder_that_may_not_be_listed_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.jpg", "locked/2.jpg")
    real = os.scandir

    def scandir(place: str) -> object:
        if place.rstrip("/").endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    assert reasons(tmp_path) == {"a/1.jpg": "", "locked": "the folder cannot be listed: permission denied"}


def test_listed_files_count_whatever_their_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a/photo.jfif", "a/other.jfif")
    assert list(list_images(tmp_path, {"a/photo.jfif"}).files["path"]) == ["a/photo.jfif"]


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        list_images(tmp_path / "none")


def test_of_files_with_the_same_content_the_first_that_is_there_is_taken(tmp_path):
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / "c.jpg").write_bytes(b"")
    table = pd.DataFrame({"path": ["gone.jpg", "b.jpg", "c.jpg", "lost.jpg"], "sha256": ["1", "1", "1", "2"]})
    found = located(tmp_path, table).set_index("sha256")["place"]
    assert found.to_dict() == {"1": tmp_path / "b.jpg", "2": None}
    assert located(tmp_path, table[:0]).empty
