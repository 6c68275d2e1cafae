"""The demo dataset: drawn vehicles with planted faults, and how well a person or a detector found them.

`write` makes the dataset, `truth_for` finds the truth beside an image root, `check_findings` and `check_decisions` compare.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from hai_core import progress, workers
from hai_core.demo import files, plan
from hai_core.demo.score import Score, check_decisions, check_findings, truth_for
from hai_core.workspace import InputError, lock, write_table

__all__ = ["DemoReport", "Score", "check_decisions", "check_findings", "truth_for", "write"]

SCRATCH = ".unfinished"  # folder below OUT where a run draws; what a killed run left there is removed by the next


@dataclass(frozen=True)
class DemoReport:
    """What `write` made. `images` is the image root; `faults` counts the planted faults by kind."""

    images: Path
    truth: Path
    count: int  # files below the image root
    classes: int  # folders; one class has two
    faults: dict[str, int]
    seconds: float


def write(out: Path, seed: int = 0, *, processes: int | None = None) -> DemoReport:
    """Write the demo dataset: `out/images/<class>/*` and, when all images are there, `out/truth.csv`.

    The same seed gives the same bytes. `processes` draw it (default: the cores; 0 draws in this process).

    Raises InputError when `out` holds anything but a killed run's scratch folder, or another process is writing there.
    """
    began, scratch = time.monotonic(), out / SCRATCH
    _refuse(out)
    with lock(scratch / "lock", f"another process is writing a demo to {out}"):
        _refuse(out)
        drawings, truth = plan.make(seed)
        try:
            images = scratch / "images"
            shutil.rmtree(images, ignore_errors=True)
            _draw(drawings, images, workers.cores() if processes is None else processes)
            images.rename(out / "images")
            write_table(truth, out / "truth.csv")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    paths = [file.path for drawing in drawings for file in drawing.files]
    faults = {str(fault): int(n) for fault, n in truth.fault.value_counts(sort=False).items() if fault != "format"}
    return DemoReport(out / "images", out / "truth.csv", len(paths), len({path.split("/")[0] for path in paths}), faults,
                      time.monotonic() - began)


def _refuse(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(path.name != SCRATCH for path in out.iterdir())):
        half = (out / "images").is_dir() and not (out / "truth.csv").exists()
        raise InputError(f"{out} exists and is not empty{' (images without truth.csv: not a complete demo)' if half else ''}")


def _draw(drawings: list[plan.Drawing], images: Path, processes: int) -> None:
    for folder in sorted({file.path.split("/")[0] for drawing in drawings for file in drawing.files}):
        (images / folder).mkdir(parents=True)
    with progress.track("Drawing the demo", sum(len(d.files) for d in drawings)) as bar:
        for done in workers.run(files.write, [(drawing, str(images)) for drawing in drawings], processes):
            for (drawing, _), count in done:
                if count is None:
                    raise RuntimeError(f"the process that drew {drawing} died")
                bar.advance(count)
