"""Which decision forbids an undo: the same that the journal names when it refuses."""

from __future__ import annotations

import pytest
from handmade import catalog_of, classes_of, workspace_at

from hai_core.changes import COLUMNS, changes, first_prevented
from hai_core.decisions import Journal
from hai_core.fold import fold
from hai_core.records import Decision
from hai_core.workspace import InputError

CATALOG = catalog_of(classes_of("A", "B", "C", images=4))


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.delenv("HAI_DATABASE_URL", raising=False)
    return Journal(workspace_at(tmp_path))


def test_the_decision_that_the_journal_would_name_is_told_before(journal):
    renamed = journal.append([Decision("rename", label="A", value="N")], CATALOG, author="an").id
    journal.append([Decision("relabel", path="B/1.jpg", value="N")], CATALOG, author="bo")
    decision, why = first_prevented(CATALOG, journal.live(), renamed)
    assert (decision.seq, decision.author) == (2, "bo")
    with pytest.raises(InputError, match="would make decision 2 impossible") as refusal:
        journal.undo(renamed, catalog=CATALOG, author="an")
    assert why in str(refusal.value)


def test_what_no_later_decision_needs_can_be_undone(journal):
    merged = journal.append([Decision("merge", label="A", value="B")], CATALOG, author="an").id
    excluded = journal.append([Decision("exclude", path="B/1.jpg")], CATALOG, author="an").id
    for batch in (merged, excluded):
        assert first_prevented(CATALOG, journal.live(), batch) is None
        journal.undo(batch, catalog=CATALOG, author="an")


def test_no_difference_is_a_table_without_rows():
    same = fold(CATALOG, [])
    assert changes(CATALOG, same, same).columns.tolist() == COLUMNS
    assert changes(CATALOG, same, same).empty
