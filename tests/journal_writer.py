"""A program whose forked children write into a journal at once, or are killed while they write. Prints a JSON list."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from handmade import catalog_of, classes_of
from sqlalchemy import Connection, Engine, event, text

from hai_core.decisions import Journal
from hai_core.records import Decision
from hai_core.workspace import InputError, Workspace

CATALOG = catalog_of(classes_of("A", "B", images=4))
BIG = catalog_of(classes_of("A", images=500))
BATCH = [Decision("exclude", path=path) for path in BIG["path"]]


def together(*works: Callable[[], object]) -> list[int]:
    """Run each work in a process of its own, all at once: exit codes, 2 for a refusal, negative for a signal."""
    start = time.monotonic() + (0.1 if len(works) > 1 else 0.0)
    children = [_fork(work, start) for work in works]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _fork(work: Callable[[], object], start: float) -> int:
    child = os.fork()
    if child:
        return child
    try:
        time.sleep(max(0.0, start - time.monotonic()))
        work()
    except InputError as refusal:
        print(refusal, file=sys.stderr)
        os._exit(2)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def singles(workspace: Workspace, name: str, count: int) -> None:
    journal = Journal(workspace)
    for number in range(count):
        journal.append([Decision("tag", path="A/1.jpg", value=str(number))], CATALOG, author=name)


def merge(workspace: Workspace, name: str, into: str) -> None:
    Journal(workspace).append([Decision("merge", label=name, value=into)], CATALOG, author="Ann")


def die_at_commit(workspace: Workspace) -> None:
    def kill(connection: Connection) -> None:
        if connection.scalar(text("SELECT count(*) FROM decisions WHERE workspace = :id"), {"id": workspace.id}) == 500:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", kill)
    Journal(workspace).append(BATCH, BIG, author="Ann")


def write_for_ever(workspace: Workspace, report: int) -> None:
    journal = Journal(workspace)
    while True:
        journal.append(BATCH, BIG, author="Ann")
        os.write(report, b".")


def trial(workspace: Workspace, wait: float, after_one: bool) -> tuple[int, list[int]]:
    """Kill a writer `wait` seconds after its start, or after its first batch.

    Returns the batches that it reported, and the sizes of all batches that are there then.
    """
    reader, writer = os.pipe()
    child = _fork(lambda: write_for_ever(workspace, writer), 0.0)
    os.close(writer)
    reported = len(os.read(reader, 1)) if after_one else 0
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as pipe:
        reported += len(pipe.read())
    file = workspace.root / "told.json"
    assert together(lambda: look(workspace, file)) == [0]  # in a process of its own, because this one forks
    return reported, json.loads(file.read_text())


def look(workspace: Workspace, file: Path) -> None:
    journal = Journal(workspace)
    made = journal.entries()["batch"].value_counts()
    file.write_text(json.dumps([int(made.get(batch, 0)) for batch in journal.batches()["id"]]))


def main(root: str, way: str, *words: str) -> list[object]:
    workspace = Workspace.open(Path(root))
    match way:
        case "singles":
            count = int(words[1])
            return [*together(*(lambda n=n: singles(workspace, f"writer {n}", count) for n in range(int(words[0]))))]
        case "circle":
            return [*together(lambda: merge(workspace, "A", "B"), lambda: merge(workspace, "B", "A"))]
        case "killed-at-commit":
            return [*together(lambda: die_at_commit(workspace))]
        case _:
            waits = random.Random(7)
            return [trial(workspace, waits.uniform(0.0, 0.3), after_one=bool(n % 2)) for n in range(int(words[0]))]


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
