"""Progress of long work: count, rate and time left, to standard error and to the job's file.

A function that takes long says `with progress.track("Embedding", total=n, unit="images") as bar: bar.advance(k)`.
Who hears it is chosen once per process by `report_to` (the command line does); a library user hears nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

_terminal = False
_file: Path | None = None


def report_to(*, terminal: bool = False, file: Path | None = None) -> None:
    """Send progress to standard error, to a JSON file (replaced atomically), to both, or nowhere."""
    global _terminal, _file
    _terminal, _file = terminal, file


def reporting() -> dict[str, Any]:
    """What `report_to` was told, for another process to be told the same."""
    return {"terminal": _terminal, "file": _file}


class Bar:
    """One running task; `advance` is cheap enough to call for every image."""

    def __init__(self, task: str, total: int, unit: str) -> None:
        self.task, self.total, self.unit, self.done = task, total, unit, 0
        self.info: dict[str, Any] = {}
        self._began, self._written = time.monotonic(), 0.0
        self._bar = tqdm(total=total, desc=task, unit=f" {unit}", disable=not _terminal or total == 0, file=sys.stderr,
                         dynamic_ncols=True, mininterval=0.2 if sys.stderr.isatty() else 5)
        self._write()

    def advance(self, n: int = 1, **info: Any) -> None:
        """Count `n` more as done; `info` (such as log_loss=1.2) is shown beside the bar."""
        self.done += n
        self.info.update(info)
        self._bar.update(n)
        if info:
            self._bar.set_postfix(info, refresh=False)
        if time.monotonic() - self._written > 0.3:
            self._write()

    def close(self) -> None:
        self._bar.close()
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        if _file is None:
            return
        seconds = self._written - self._began
        rate = self.done / seconds if seconds > 0 else 0.0
        left = (self.total - self.done) / rate if rate > 0 else None
        state = {"task": self.task, "done": self.done, "total": self.total, "unit": self.unit, "seconds": round(seconds, 1),
                 "rate": round(rate, 2), "seconds_left": None if left is None else round(left, 1), "info": self.info}
        part = _file.with_suffix(".part")
        part.write_text(json.dumps(state), encoding="utf-8")
        os.replace(part, _file)


@contextmanager
def track(task: str, total: int, unit: str = "images") -> Iterator[Bar]:
    """Report the progress of a task of `total` units for the length of the block."""
    bar = Bar(task, total, unit)
    try:
        yield bar
    finally:
        bar.close()


def count(number: int, noun: str) -> str:
    """'1 image', '2 images', '0 classes'."""
    return f"{number} {noun}{'' if number == 1 else 'es' if noun.endswith(('s', 'ch')) else 's'}"


def say(message: str) -> None:
    """A line for the person at the terminal or reading the job's log; standard output stays free for results."""
    if _terminal:
        tqdm.write(message, file=sys.stderr)
