"""The journal: one writer at a time, whole batches, undo and redo, through real processes and real kills."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import catalog_of, classes_of, workspace_at
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hai_core.changes import changes
from hai_core.decisions import Journal, Rejected, fold
from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace

CATALOG = catalog_of(classes_of("A", "B", "C", images=4))
EXCLUDE = [Decision("exclude", path="A/1.jpg"), Decision("exclude", path="A/2.jpg")]
PROGRAM = Path(__file__).with_name("journal_writer.py")


@pytest.fixture
def journal(tmp_path):
    return Journal(workspace_at(tmp_path))


def write(journal, *decisions, **options):
    return journal.append(decisions, CATALOG, author="Ann", **options)


# -- a batch

def test_a_batch_is_written_with_author_time_note_and_evidence(journal):
    assert (journal.version(), journal.live(), len(journal.entries()), len(journal.batches())) == (0, [], 0, 0)
    batch = write(journal, replace(EXCLUDE[0], reason="blurred", evidence={"score": 0.25, "쪽": 1}), EXCLUDE[1], note="a note")
    assert (batch.applied, batch.rejected) == (2, [])
    [first, second] = journal.live()
    assert (first.seq, second.seq, first.author, first.reason, first.batch) == (1, 2, "Ann", "blurred", batch.id)
    assert first.evidence == {"score": 0.25, "쪽": 1}
    assert first.sha256 == CATALOG["sha256"][0]
    assert first.time.endswith("+00:00")
    entry = journal.batches().iloc[0]
    assert (entry["number"], entry["kind"], entry["note"], entry["count"], entry["live"]) == (1, "decide", "a note", 2, True)
    assert journal.version() == 1


def test_entries_tell_live_undone_and_stale(journal):
    write(journal, *EXCLUDE)
    write(journal, Decision("tag", path="B/1.jpg", value="night"))
    journal.undo(catalog=CATALOG, author="Bob")
    changed = catalog_of(classes_of("A", "B", "C", images=4) | {"A/1.jpg": "other bytes"})
    entries = journal.entries(changed)
    assert list(entries.columns) == ["seq", "batch", "action", "path", "label", "other", "value", "reason", "author", "time",
                                     "evidence", "live", "stale"]
    assert entries["live"].tolist() == [True, True, False]
    assert entries["stale"].tolist() == ["the bytes of 'A/1.jpg' changed since", "", ""]
    assert set(journal.entries()["stale"]) == {""}


def test_a_rejected_batch_writes_nothing_and_names_the_rows(journal):
    bad = [Decision("exclude", path="A/9.jpg"), *EXCLUDE, Decision("relabel", path="A/1.jpg", value="X"),
           Decision("merge", label="A")]
    with pytest.raises(Rejected) as refusal:
        write(journal, *bad)
    assert refusal.value.rows == [(1, "there is no image 'A/9.jpg'"), (4, "there is no class 'X'"),
                                  (5, "merge needs a value, and it is empty")]
    assert "3 of 5 decisions" in str(refusal.value)
    assert "row 4: there is no class 'X'" in str(refusal.value)
    assert journal.version() == 0
    batch = write(journal, *bad, skip_invalid=True)
    assert (batch.applied, [row for row, _ in batch.rejected]) == (2, [1, 4, 5])
    assert [d.path for d in journal.live()] == ["A/1.jpg", "A/2.jpg"]


def test_when_no_row_is_left_nothing_is_written(journal):
    batch = write(journal, Decision("exclude", path="X"), skip_invalid=True)
    assert (batch.id, batch.applied) == ("", 0)
    assert len(journal.batches()) == journal.version() == 0
    with pytest.raises(InputError, match="no decisions"):
        write(journal)


def test_rows_of_a_batch_build_on_the_rows_before(journal):
    write(journal, Decision("merge", label="A", value="N"), Decision("relabel", path="B/1.jpg", value="N"),
          Decision("rename", label="N", value="M"))
    assert journal.curation(CATALOG).mapping == {"A": "M", "B": "B", "C": "C"}
    with pytest.raises(Rejected, match="row 1: there is no class 'Z'"):
        write(journal, Decision("relabel", path="B/1.jpg", value="Z"), Decision("merge", label="A", value="Z"))


def test_a_new_decision_is_checked_against_the_live_journal(journal):
    write(journal, Decision("merge", label="A", value="B"))
    with pytest.raises(Rejected, match="closes a circle: B -> A -> B"):
        write(journal, Decision("merge", label="B", value="A"))
    journal.undo(catalog=CATALOG, author="Ann")
    write(journal, Decision("merge", label="B", value="A"))
    with pytest.raises(InputError, match=r"redo of batch \w+ would make decision 2 impossible, merge 'B' into 'A' by Ann"):
        journal.redo(catalog=CATALOG, author="Ann")


def test_two_workspaces_in_one_database_know_nothing_of_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("HAI_DATABASE_URL", f"sqlite:///{tmp_path}/team.sqlite")
    one, two = Journal(workspace_at(tmp_path / "1")), Journal(workspace_at(tmp_path / "2"))
    write(one, *EXCLUDE)
    assert (two.version(), two.live()) == (0, [])
    assert write(two, EXCLUDE[0]).applied == 1
    with pytest.raises(InputError, match="no batch of decisions"):
        two.undo(one.batches()["id"][0], catalog=CATALOG, author="Ann")
    two.undo(catalog=CATALOG, author="Ann")
    assert len(one.live()) == 2


@pytest.mark.parametrize("url", ["nonsense", "postgresql+nosuchdriver://host/db", "mysql://"])
def test_a_wrong_database_url_is_a_sentence(tmp_path, monkeypatch, url):
    monkeypatch.setenv("HAI_DATABASE_URL", url)
    with pytest.raises(InputError, match="HAI_DATABASE_URL cannot be used as a journal"):
        Journal(workspace_at(tmp_path))


def test_a_file_that_is_no_database_is_a_sentence(tmp_path):
    workspace = workspace_at(tmp_path)
    workspace.journal.write_bytes(b"this was a journal once" * 100)
    with pytest.raises(InputError, match=r"journal\.sqlite cannot be used as a journal"):
        Journal(workspace)


def test_a_folder_with_an_odd_name(tmp_path):
    workspace = workspace_at(tmp_path / "100% a?b#c 쏘나타")
    write(Journal(workspace), *EXCLUDE)
    assert workspace.journal.is_file()
    assert len(Journal(Workspace.open(workspace.root)).live()) == 2


# -- undo and redo

def test_undo_walks_back_and_redo_forward(journal):
    batches = [write(journal, Decision("tag", path="A/1.jpg", value=str(n))).id for n in range(3)]
    tags = [d.value for d in journal.live()]
    undone = [journal.undo(catalog=CATALOG, author="Bob").target for _ in range(2)]
    assert undone == [batches[2], batches[1]]
    assert [d.value for d in journal.live()] == tags[:1]
    assert [journal.redo(catalog=CATALOG, author="Bob").target for _ in range(2)] == [batches[1], batches[2]]
    assert [d.value for d in journal.live()] == tags
    assert journal.batches()["kind"].tolist() == ["decide"] * 3 + ["undo"] * 2 + ["redo"] * 2
    assert len(journal.entries()) == 3


def test_redo_takes_the_batch_that_was_undone_last(journal):
    first, second = (write(journal, Decision("tag", path="A/1.jpg", value=str(n))).id for n in range(2))
    for act, batch in ((journal.undo, first), (journal.redo, first), (journal.undo, second), (journal.undo, first)):
        act(batch, catalog=CATALOG, author="Ann")
    assert [journal.redo(catalog=CATALOG, author="Ann").target for _ in range(2)] == [first, second]


def test_a_new_decision_after_an_undo_keeps_redo(journal):
    first = write(journal, *EXCLUDE).id
    journal.undo(catalog=CATALOG, author="Ann")
    write(journal, Decision("restore", path="A/1.jpg"))
    assert journal.redo(catalog=CATALOG, author="Ann").target == first
    assert journal.curation(CATALOG).excluded.tolist()[:2] == [False, True]  # put back at its old place: the restore is later


def test_what_cannot_be_undone_or_redone(journal):
    for act, sentence in ((journal.undo, "nothing to undo"), (journal.redo, "nothing to redo")):
        with pytest.raises(InputError, match=sentence):
            act(catalog=CATALOG, author="Ann")
    batch = write(journal, *EXCLUDE).id
    with pytest.raises(InputError, match="is not undone"):
        journal.redo(batch, catalog=CATALOG, author="Ann")
    undo = journal.undo(batch, catalog=CATALOG, author="Ann").id
    with pytest.raises(InputError, match="is undone already"):
        journal.undo(batch, catalog=CATALOG, author="Ann")
    for unknown in (undo, "nosuchbatch"):
        with pytest.raises(InputError, match=f"no batch of decisions '{unknown}'"):
            journal.undo(unknown, catalog=CATALOG, author="Ann")
    assert journal.version() == 2


@pytest.mark.parametrize("later", [
    Decision("relabel", path="B/1.jpg", value="N"), Decision("series", label="N", value="S"),
    Decision("rename", label="N", value="M"), Decision("keep_apart", label="N", other="B"),
])
def test_an_undo_that_makes_a_later_decision_impossible_names_it(journal, later):
    batch = write(journal, Decision("merge", label="A", value="N")).id
    write(journal, later)
    with pytest.raises(InputError, match=f"would make decision 2 impossible, {later.action} .* by Ann: there is no class 'N'"):
        journal.undo(batch, catalog=CATALOG, author="Bob")
    journal.undo(catalog=CATALOG, author="Bob")
    journal.undo(batch, catalog=CATALOG, author="Bob")
    with pytest.raises(InputError, match=r"redo of batch .* would make decision 2 impossible"):
        journal.redo(journal.batches()["id"][1], catalog=CATALOG, author="Bob")


def test_what_the_disk_made_stale_blocks_no_undo(journal):
    write(journal, Decision("merge", label="C", value="B"))
    batch = write(journal, Decision("merge", label="A", value="N")).id
    without_c = CATALOG[CATALOG["label"] != "C"].reset_index(drop=True)
    journal.undo(batch, catalog=without_c, author="Bob")
    assert len(journal.live()) == 1


SHA256 = dict(zip(CATALOG["path"], CATALOG["sha256"], strict=True))
NEW = 10**6  # numbers decisions that the journal does not have yet
NAMES = st.sampled_from("ABCNM")
DECISIONS = st.one_of(
    st.builds(Decision, st.just("drop_class"), label=NAMES),
    st.builds(Decision, st.sampled_from(["merge", "rename"]), label=NAMES, value=NAMES),
    st.builds(Decision, st.just("relabel"), path=st.sampled_from(["A/1.jpg", "B/1.jpg"]), value=NAMES),
    st.builds(Decision, st.sampled_from(["exclude", "restore"]), path=st.sampled_from(["A/1.jpg", "B/1.jpg"])),
)


class JournalAgainstModel(RuleBasedStateMachine):
    """Any sequence of batches, undo and redo: the journal is a list of batches with a flag each, and refuses what breaks it."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.workspace = workspace_at(Path(self.folder.name))
        self.journal = Journal(self.workspace)
        self.made: list[list] = []  # [id, live] of every batch, in order
        self.undone: list[str] = []  # in the order of undoing
        self.decisions: dict[str, list[Decision]] = {}

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def expected(self, live):
        return [d for batch, is_live in live for d in self.decisions[batch] if is_live]

    @rule(batch=st.lists(DECISIONS, min_size=1, max_size=3))
    def decide(self, batch):
        before = self.journal.version()
        told = [replace(d, seq=NEW + n, sha256=SHA256.get(d.path, "")) for n, d in enumerate(batch)]
        folded = fold(CATALOG, self.journal.live() + told)
        possible = not [d for d, _ in folded.impossible + folded.stale if d.seq >= NEW]
        try:
            made = self.journal.append(batch, CATALOG, author="Ann")
        except Rejected:
            assert not possible
            assert self.journal.version() == before
            return
        assert possible
        self.made.append([made.id, True])
        self.decisions[made.id] = [d for d in self.journal.live() if d.batch == made.id]

    @rule(pick=st.integers(0, 5), kind=st.sampled_from(["undo", "redo"]), named=st.booleans())
    def switch(self, pick, kind, named):
        candidates = [batch for batch, live in self.made if live] if kind == "undo" else self.undone
        if not candidates:
            return
        target = candidates[pick % len(candidates)] if named else candidates[-1]
        then = [[batch, live != (batch == target)] for batch, live in self.made]
        folded = fold(CATALOG, self.expected(then))
        possible = not folded.impossible and not folded.stale
        try:
            made = getattr(self.journal, kind)(target if named else None, catalog=CATALOG, author="Bob")
        except InputError:
            assert not possible
            return
        assert possible
        assert made.target == target
        self.made = then
        self.undone = [b for b in self.undone if b != target] + ([target] if kind == "undo" else [])

    @rule()
    def same_fold_everywhere(self):
        live = self.journal.live()
        assert live == self.expected(self.made)
        file = Path(self.folder.name) / "journal.jsonl"
        self.journal.export(file)
        elsewhere = Journal(workspace_at(Path(tempfile.mkdtemp(dir=self.folder.name))))
        elsewhere.restore(file)
        assert elsewhere.live() == live
        assert changes(CATALOG, fold(CATALOG, live), elsewhere.curation(CATALOG)).empty


TestJournalAgainstModel = JournalAgainstModel.TestCase
TestJournalAgainstModel.settings = settings(max_examples=15, stateful_step_count=12, deadline=None, derandomize=True,
                                            suppress_health_check=[HealthCheck.too_slow])


# -- several processes

def run(workspace, *words):
    """The tests' own program, which forks the writers after its imports, so that they really start at once."""
    path = os.pathsep.join([str(PROGRAM.parent.parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(PROGRAM), str(workspace.root), *map(str, words)], capture_output=True, text=True,
                          env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_many_processes_at_once_lose_nothing(tmp_path):
    workspace = workspace_at(tmp_path)
    assert run(workspace, "singles", 5, 20) == [0] * 5  # they also make the tables, all at once
    journal = Journal(workspace)
    entries = journal.entries()
    assert entries["seq"].tolist() == list(range(1, 101))
    assert journal.version() == len(journal.batches()) == 100
    for n in range(5):
        own = entries[entries["author"] == f"writer {n}"]["value"].tolist()
        assert own == [str(k) for k in range(20)]


def test_threads_of_one_journal_lose_nothing(journal):
    def work(n):
        for _ in range(10):
            write(journal, Decision("tag", path="A/1.jpg", value=str(n)))
            journal.live()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [d.seq for d in journal.live()] == list(range(1, 41))


def test_what_a_batch_is_checked_against_cannot_change_before_it_is_written(tmp_path):
    workspace = workspace_at(tmp_path)
    assert sorted(run(workspace, "circle")) == [0, 2]  # A into B and B into A at once: one is refused
    assert len(Journal(workspace).live()) == 1


def test_a_kill_just_before_the_commit_leaves_nothing(tmp_path):
    workspace = workspace_at(tmp_path)
    assert run(workspace, "killed-at-commit") == [-signal.SIGKILL]
    assert (Journal(workspace).version(), len(Journal(workspace).entries())) == (0, 0)
    assert write(Journal(workspace), EXCLUDE[0]).applied == 1


def test_a_kill_at_any_moment_leaves_whole_batches_and_all_that_were_reported(tmp_path):
    workspace = workspace_at(tmp_path)
    trials = run(workspace, "killed-any-time", 20)
    before = 0
    for reported, sizes in trials:
        assert set(sizes) <= {500}
        assert len(sizes) - before in (reported, reported + 1)  # the last may have been killed between commit and report
        before = len(sizes)
    assert before > 0
    with closing(sqlite3.connect(workspace.journal)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert write(Journal(workspace), EXCLUDE[0]).applied == 1


def test_a_batch_is_on_disk_when_it_is_reported(journal):
    with journal._engine.connect() as connection:
        for name, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == value


# -- speed
