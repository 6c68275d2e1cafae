"""The journal as JSON Lines: a header, then one line an entry, so that it outlives this program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hai_core.records import Decision
from hai_core.rules import NEEDS
from hai_core.workspace import InputError, canonical_json

SCHEMA = 1
_ENTRY = ("id", "kind", "target", "author", "time", "note")
_DECISION = ("action", "path", "label", "other", "value", "reason", "sha256")


@dataclass(frozen=True)
class Entry:
    """A batch of decisions, or the undo or redo of one."""

    id: str
    kind: str  # decide, undo, redo
    target: str  # of undo and redo: the batch
    author: str
    time: str
    note: str
    decisions: list[Decision]


def write_lines(workspace: str, entries: Sequence[Entry]) -> Iterator[str]:
    """The lines of a journal file. The header counts the entries, so that a file cut short between two lines is noticed."""
    yield canonical_json({"journal": workspace, "schema": SCHEMA, "entries": len(entries)})
    for entry in entries:
        fields: dict[str, Any] = {name: getattr(entry, name) for name in _ENTRY}
        if entry.kind == "decide":
            fields["decisions"] = [{name: value for name in (*_DECISION, "evidence") if (value := getattr(decision, name))}
                                   for decision in entry.decisions]
        yield canonical_json(fields)


def read_lines(path: Path) -> list[Entry]:
    """The entries of a journal file, in order. Raises InputError naming the first damaged line; nothing is guessed."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no journal: it is not in UTF-8") from error
    if lines[-1] == "":
        lines.pop()
    header = _object(path, 1, lines[0] if lines else "")
    if not isinstance(header.get("entries"), int) or header.get("schema") != SCHEMA:
        raise InputError(f"{path} is no journal that this version can read: line 1 has no \"schema\": {SCHEMA} and \"entries\"")
    entries = [_entry(path, number, line) for number, line in enumerate(lines[1:], 2)]
    if len(entries) != header["entries"]:
        raise InputError(f"{path} is not complete: it has {len(entries)} of {header['entries']} entries")
    seen: dict[str, str] = {}
    for number, entry in enumerate(entries, 2):
        if entry.id in seen:
            raise _damaged(path, number, f"the id {entry.id!r} is used twice")
        if entry.kind != "decide" and seen.get(entry.target) != "decide":
            raise _damaged(path, number, f"it is about the batch {entry.target!r}, which no line before it holds")
        seen[entry.id] = entry.kind
    return entries


def _entry(path: Path, number: int, line: str) -> Entry:
    fields = _object(path, number, line)
    kind = fields.get("kind")
    if kind not in ("decide", "undo", "redo"):
        raise _damaged(path, number, f"its kind is {kind!r}, not decide, undo or redo")
    expected = {*_ENTRY, *(("decisions",) if kind == "decide" else ())}
    if fields.keys() != expected:
        raise _damaged(path, number, f"its keys differ: {', '.join(sorted(fields.keys() ^ expected))}")
    made = fields.pop("decisions", [])
    if not all(isinstance(text, str) for text in fields.values()) or not fields["id"]:
        raise _damaged(path, number, "a value is not a text, or its id is empty")
    if not isinstance(made, list) or bool(made) != (kind == "decide"):
        raise _damaged(path, number, "its decisions are missing")
    return Entry(**fields, decisions=[_decision(path, number, decision) for decision in made])


def _decision(path: Path, number: int, fields: Any) -> Decision:
    if not isinstance(fields, dict) or not fields.keys() <= {*_DECISION, "evidence"}:
        raise _damaged(path, number, f"{fields!r} is not a decision")
    evidence = fields.get("evidence", {})
    texts = {name: fields.get(name, "") for name in _DECISION}
    sound = isinstance(evidence, dict) and all(isinstance(text, str) for text in texts.values())
    if not sound or texts["action"] not in NEEDS:
        raise _damaged(path, number, f"{fields!r} is not a decision")
    return Decision(**texts, evidence=evidence)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise _damaged(path, number, f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _damaged(path, number, "it is not a JSON object")
    return value


def _damaged(path: Path, number: int, why: str) -> InputError:
    return InputError(f"{path}, line {number} is damaged: {why}; nothing was restored")
