"""How busy the machine was while something ran: a JSON line every few seconds, under the names that MLflow shows.

A line holds `time` (seconds since 1970) and `cpu_utilization_percentage`, `system_memory_usage_percentage`,
`gpu_0_utilization_percentage`, ... GPUs are read by nvidia-smi, where there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import psutil

EVERY = 10.0  # seconds; MLflow's own rhythm
_GPU = {"utilization.gpu": ("utilization_percentage", 1.0), "memory.used": ("memory_usage_megabytes", 1.048576),
        "power.draw": ("power_usage_watts", 1.0)}  # nvidia-smi's name -> MLflow's, and how many of its units one is


@contextmanager
def recorded(file: Path, every: float = EVERY) -> Iterator[None]:
    """Append what the machine does during the block to `file`, at least once."""
    ended = Event()
    thread = Thread(target=_record, args=(file, every, ended), name="usage", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def read(file: Path) -> list[dict[str, float]]:
    """The lines of such a file, without one that was cut short; [] when there is no file."""
    lines: list[dict[str, float]] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        with suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def _record(file: Path, every: float, ended: Event) -> None:
    psutil.cpu_percent()  # what it says is since the last call
    last = False
    while not last:
        last = ended.wait(every)
        with open(file, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"time": round(time.time(), 1)} | _machine() | _gpus()) + "\n")


def _machine() -> dict[str, float]:
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(os.sep)
    return {"cpu_utilization_percentage": psutil.cpu_percent(), "system_memory_usage_percentage": memory.percent,
            "system_memory_usage_megabytes": round(memory.used / 1e6, 1), "disk_usage_percentage": disk.percent}


def _gpus() -> dict[str, float]:
    if shutil.which("nvidia-smi") is None:
        return {}
    command = ["nvidia-smi", f"--query-gpu={','.join(_GPU)}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    values: dict[str, float] = {}
    for number, line in enumerate(told.splitlines()):
        for (name, unit), text in zip(_GPU.values(), line.split(","), strict=False):
            with suppress(ValueError):  # "[N/A]" where the card does not tell
                values[f"gpu_{number}_{name}"] = round(float(text) * unit, 1)
    return values
