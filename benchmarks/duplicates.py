"""Copies found on a planted tree, and seconds, beside imagededup, fastdup and CleanVision on the same images in the same run.

    python -m benchmarks.duplicates IMAGES --tools ../shared/tools --peers PYTHON [--near NEAR.csv] [--seeds 5 7] [--out F.csv]

PYTHON is that of an environment with requirements-bench.txt. Every tool runs as a process of its own and is timed from outside,
start included; ours twice, with hashes only and with features, each from an empty cache. Scores are those of score_findings.py.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.noise import scorer

OURS = {"ours, hashes only": ["--no-embeddings"], "ours, with features": []}
PEERS = ("imagededup", "imagededup-cnn", "fastdup", "cleanvision")


def ours(folder: Path, images: Path, out: Path, options: list[str]) -> float:
    environment = os.environ | {"HAI_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "hai_core"]
    subprocess.run([*command, "init", folder / "w", "--images", images], check=True, env=environment, stderr=subprocess.DEVNULL)
    began = time.perf_counter()
    subprocess.run([*command, "find", "duplicates", "-w", folder / "w", "--out", out, *options], check=True, env=environment,
                   stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def theirs(python: Path, name: str, images: Path, out: Path) -> float:
    command = [python, Path(__file__).with_name("peers.py"), name, images, out]
    if name == "imagededup-cnn":
        command.append(exported(out.with_name("lite0.pt")))
    began = time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - began - float(said.split()[-1])  # without the time that picking readable files took


def exported(file: Path) -> Path:
    """Our default backbone as TorchScript."""
    import torch

    from hai_core import backbones

    torch.jit.save(torch.jit.trace(backbones.load(backbones.DEFAULT).model, torch.zeros(2, 3, 224, 224)), file)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--tools", type=Path, help="folder of plant_faults.py and score_findings.py; without it nothing is "
                        "planted or scored, only timed")
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--near", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5])
    parser.add_argument("--only", nargs="+", choices=[*OURS, *PEERS], default=[*OURS, *PEERS], metavar="TOOL")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            images, truth = arguments.images.resolve(), None
            if arguments.tools:
                near = ["--near", str(arguments.near)] if arguments.near else []
                subprocess.run([sys.executable, arguments.tools / "plant_faults.py", images, Path(folder) / "planted", "--seed",
                                str(seed), *near], check=True, stdout=subprocess.DEVNULL)
                images, truth = Path(folder) / "planted/images", Path(folder) / "planted/truth.csv"
            for number, tool in enumerate(arguments.only):
                out, place = Path(folder) / f"{number}.csv", Path(folder) / str(number)
                place.mkdir()
                seconds = (ours(place, images, out, OURS[tool]) if tool in OURS
                           else theirs(arguments.peers, tool, images, out))
                row = {"seed": seed, "tool": tool, "seconds": round(seconds, 2)}
                if truth:
                    score = scorer(arguments.tools)
                    found = score.duplicates(score.read(out), score.read(truth))
                    row |= {name: found[name] for name in ("recall", "keeper", "groups", "other_pairs")} | found["by_kind"]
                rows.append(row)
                print(row, flush=True)
    table = pd.DataFrame(rows)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(table.drop(columns="seed").groupby("tool", sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    main()
