"""The journal as a file: complete, restored once, and refused whole when a line is damaged."""

from __future__ import annotations

import json

import pytest
from handmade import catalog_of, classes_of, workspace_at

from hai_core.changes import changes
from hai_core.decisions import Journal
from hai_core.records import Decision
from hai_core.workspace import InputError

CATALOG = catalog_of(classes_of("쏘나타", "=B", "<script>"))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(workspace_at(tmp_path / "here"))
    odd = "a\u2028b \"'"
    journal.append([Decision("merge", label="=B", value=odd), Decision("relabel", path="쏘나타/1.jpg", value=odd)],
                   CATALOG, author="Ann", note="first")
    journal.append([Decision("exclude", path="<script>/1.jpg", reason="tab\tline\nend", evidence={"score": 0.1})],
                   CATALOG, author="Bob")
    journal.undo(catalog=CATALOG, author="Ann", note="no")
    journal.redo(catalog=CATALOG, author="Bob")
    journal.append([Decision("tag", path="쏘나타/2.jpg", value="t")], CATALOG, author="Ann")
    journal.undo(catalog=CATALOG, author="Ann")
    return journal


def test_export_and_restore_is_complete(journal, tmp_path):
    file, other = tmp_path / "j.jsonl", Journal(workspace_at(tmp_path / "there"))
    assert journal.export(file) == 6
    assert other.restore(file) == 6
    assert other.live() == journal.live()
    assert other.entries(CATALOG).equals(journal.entries(CATALOG))
    assert other.batches().equals(journal.batches())
    assert changes(CATALOG, other.curation(CATALOG), journal.curation(CATALOG)).empty
    other.export(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text().splitlines()[1:] == file.read_text().splitlines()[1:]


def test_restore_adds_only_what_is_missing(journal, tmp_path):
    file, old, other = tmp_path / "j.jsonl", tmp_path / "old.jsonl", Journal(workspace_at(tmp_path / "there"))
    journal.export(old)
    journal.append([Decision("tag", path="쏘나타/1.jpg", value="u")], CATALOG, author="Ann")
    journal.export(file)
    assert [other.restore(old), other.restore(old), other.restore(file), other.restore(file)] == [6, 0, 1, 0]
    assert other.live() == journal.live()
    other.append([Decision("exclude", path="쏘나타/1.jpg")], CATALOG, author="Cem")
    assert journal.restore(file) == 0
    assert other.restore(file) == 0
    assert [d.seq for d in other.live()] == [1, 2, 3, 5, 6]


def test_a_restored_journal_that_contradicts_is_listed_not_applied(tmp_path):
    journals = [Journal(workspace_at(tmp_path / name)) for name in "ab"]
    journals[0].append([Decision("merge", label="쏘나타", value="=B")], CATALOG, author="Ann")
    journals[1].append([Decision("merge", label="=B", value="쏘나타")], CATALOG, author="Bob")
    journals[0].export(tmp_path / "a.jsonl")
    assert journals[1].restore(tmp_path / "a.jsonl") == 1
    assert [d.author for d, _ in journals[1].curation(CATALOG).impossible] == ["Ann"]


def damaged(lines, number, change):
    entry = json.loads(lines[number - 1])
    change(entry)
    return [*lines[:number - 1], json.dumps(entry), *lines[number:]]


@pytest.mark.parametrize(("damage", "sentence"), [
    (lambda lines: [*lines[:2], lines[2][:-20], *lines[3:]], "line 3 is damaged: it is not JSON"),
    (lambda lines: [*lines[:2], "[1]", *lines[3:]], "line 3 is damaged: it is not a JSON object"),
    (lambda lines: lines[:-1], "is not complete: it has 5 of 6 entries"),
    (lambda lines: lines[1:], "is no journal that this version can read"),
    (lambda lines: [], "line 1 is damaged"),
    (lambda lines: [lines[0], "", *lines[1:]], "line 2 is damaged"),
    (lambda lines: damaged(lines, 2, lambda e: e.update(kind="explode")), "line 2 is damaged: its kind is 'explode'"),
    (lambda lines: damaged(lines, 2, lambda e: e.pop("author")), "line 2 is damaged: its keys differ: author"),
    (lambda lines: damaged(lines, 2, lambda e: e.update(note=3)), "line 2 is damaged: a value is not a text"),
    (lambda lines: damaged(lines, 2, lambda e: e.update(decisions=[])), "line 2 is damaged: its decisions are missing"),
    (lambda lines: damaged(lines, 2, lambda e: e["decisions"][0].update(action="x")), "line 2 .* is not a decision"),
    (lambda lines: damaged(lines, 2, lambda e: e["decisions"][0].update(more="x")), "line 2 .* is not a decision"),
    (lambda lines: damaged(lines, 4, lambda e: e.update(target="x")), "line 4 is damaged: it is about the batch 'x'"),
    (lambda lines: [*lines[:6], lines[1]], "line 7 is damaged: the id .* is used twice"),
])
def test_a_damaged_file_is_refused_whole(journal, tmp_path, damage, sentence):
    file, other = tmp_path / "j.jsonl", Journal(workspace_at(tmp_path / "there"))
    journal.export(file)
    file.write_text("".join(line + "\n" for line in damage(file.read_text().split("\n")[:-1])))
    with pytest.raises(InputError, match=sentence):
        other.restore(file)
    assert (other.version(), len(other.entries())) == (0, 0)


def test_a_file_that_is_not_there_or_no_text(journal, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("nothing", "binary"):
        with pytest.raises(InputError, match=f"{name} cannot be read: no such file|{name} is no journal: it is not in UTF-8"):
            journal.restore(tmp_path / name)
