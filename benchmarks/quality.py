"""Planted dark, blurry, empty and broken images found, false alarms and seconds: `find quality` beside CleanVision.

    python -m benchmarks.quality IMAGES --tools ../shared/tools --peers PYTHON [--near NEAR.csv] [--seeds 5 7] [--out F.csv]

PYTHON is that of an environment with requirements-bench.txt. Each tool is a process of its own on the same planted copy and is
timed from outside, start included; ours from an empty cache, with everything that indexing does. Columns, as score_findings.py
counts:

    dark, blurry, unreadable   share of the planted that are found under that name: CleanVision's problems have the same names
                               as ours, so nothing is translated
    junk                       under "low information", "light" or "dark"; junk_any: under any name at all
    false_alarms               clean images with a problem other than odd size, odd shape and grey, as a share of the clean:
                               of the images neither planted with a quality fault nor copies. Images with a wrong label and
                               in unusual formats are clean here
    formats_unreadable         unusual but sound files that are called unreadable

CleanVision stops with a traceback at a file that is no image: what Pillow reads is picked for it before its time starts, and
`unreadable` stays empty.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.noise import scorer

COPIES = {"near_duplicate", "exact_duplicate"}
FAULTS = ("dark", "blurry", "junk", "unreadable")


def ours(folder: Path, images: Path, out: Path) -> float:
    environment = os.environ | {"HAI_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "hai_core"]
    subprocess.run([*command, "init", folder / "w", "--images", images], check=True, env=environment, stderr=subprocess.DEVNULL)
    began = time.perf_counter()
    subprocess.run([*command, "find", "quality", "-w", folder / "w", "--out", out], check=True, env=environment,
                   stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def theirs(python: Path, images: Path, out: Path) -> float:
    """Without the time in which peers.py looks for the files that it can read."""
    began = time.perf_counter()
    told = subprocess.run([python, Path(__file__).with_name("peers.py"), "cleanvision-quality", images, out], check=True,
                          capture_output=True, text=True)
    return time.perf_counter() - began - float(told.stdout.splitlines()[-1])


def scored(score: Any, out: Path, truth_file: Path, images: Path) -> dict[str, float]:
    found, truth = score.read(out), score.read(truth_file)
    files = sum(1 for path in images.rglob("*") if path.is_file())
    judged = score.quality(found, truth)
    planted = {fault: set(truth["path"][truth["fault"] == fault]) for fault in (*FAULTS, *COPIES, "format")}
    clean = files - len(set().union(*(planted[fault] for fault in (*FAULTS, *COPIES))))
    broken = set(found["path"][found["problem"] == "unreadable"])
    return {fault: judged[fault] for fault in FAULTS} | {
        "junk_any": round(len(planted["junk"] & set(found["path"])) / len(planted["junk"]), 3),
        "false_alarms": round(judged["false_alarms"] / clean, 4), "false_alarm_images": judged["false_alarms"],
        "clean_images": clean, "formats_unreadable": len(planted["format"] & broken)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--tools", type=Path, required=True, help="folder of plant_faults.py and score_findings.py")
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--near", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 7, 11, 21, 33])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    score, rows = scorer(arguments.tools), []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as name:
            folder, near = Path(name), ["--near", str(arguments.near)] if arguments.near else []
            subprocess.run([sys.executable, arguments.tools / "plant_faults.py", arguments.images, folder / "planted", "--seed",
                            str(seed), *near], check=True, stdout=subprocess.DEVNULL)
            images, truth = folder / "planted/images", folder / "planted/truth.csv"
            for tool in ("ours", "cleanvision"):
                out = folder / f"{tool}.csv"
                seconds = ours(folder, images, out) if tool == "ours" else theirs(arguments.peers, images, out)
                row = {"seed": seed, "tool": tool, "seconds": round(seconds, 2), **scored(score, out, truth, images)}
                if tool == "cleanvision":
                    row["unreadable"] = row["formats_unreadable"] = None
                rows.append(row)
                print(row, flush=True)
    table = pd.DataFrame(rows)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(table.drop(columns="seed").groupby("tool", sort=False).mean(numeric_only=True).round(4).to_string())


if __name__ == "__main__":
    main()
