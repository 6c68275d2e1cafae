"""How often the interval of `findings.remaining` holds the true number of wrong labels among the next 50.

    python -m benchmarks.when_to_stop IMAGES --tools ../shared/tools [--near F] [--seeds 21 33 42] [--backbone B] [--out F]

For each seed plants faults in a copy of IMAGES (plant_faults.py), runs `find noise`, and decides from the top as a person would
who sees the truth: wrong labels, junk and copies under another class are wrong, everything else is right. Classes that
were split in two are decided once as right and once left out, as they are when they were merged first. Writes one row a
seed, way and stop.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import pandas as pd

from hai_core import catalog, findings
from hai_core.backbones import PACKAGED
from hai_core.findings.remaining import remaining
from hai_core.workspace import Workspace

STOPS = (0, 10, 25, 50, 75, 100, 150, 200, 250, 300, 400, 500)
NEXT = 50


def planted(folder: Path, images: Path, tools: Path, near: Path | None, seed: int, backbone: str) -> pd.DataFrame:
    """The noise table of a copy of `images` with planted faults, with columns `wrong` and `twin`."""
    command = [sys.executable, str(tools / "plant_faults.py"), str(images), str(folder / "planted"), "--seed", str(seed)]
    subprocess.run(command + (["--near", str(near)] if near else []), check=True, stdout=subprocess.DEVNULL)
    workspace = Workspace.create(folder / "workspace", folder / "planted" / "images")
    catalog.index(workspace)
    table = findings.find("noise", workspace, backbone=backbone)
    truth = pd.read_csv(folder / "planted" / "truth.csv", keep_default_na=False, dtype=str)
    truth["path"] = [unicodedata.normalize("NFC", path) for path in truth["path"]]
    misfiled = (truth["fault"] == "exact_duplicate") & (truth["detail"] == "cross_class")
    twins = truth[truth["fault"] == "twin_class"]
    wrong = table["path"].isin(truth["path"][truth["fault"].isin(["wrong_label", "junk"]) | misfiled])
    return table.assign(wrong=wrong, twin=table["label"].isin({*twins["path"], *twins["source"]}) & ~wrong)


def stops(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each of STOPS: the estimate then, and the truth."""
    score, wrong = table["score"].to_numpy(), table["wrong"].to_numpy(float)
    rows = []
    for stop in STOPS:
        found = remaining(score[stop:stop + NEXT], score[:stop], wrong[:stop])
        true = int(wrong[stop:stop + NEXT].sum())
        rows.append({"stop": stop, "true": true, "expected": round(found.expected, 1), "low": found.low, "high": found.high,
                     "held": found.low <= true <= found.high})
    return pd.DataFrame(rows)


def main() -> None:
    about = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    about.add_argument("images", type=Path)
    about.add_argument("--tools", type=Path, required=True)
    about.add_argument("--near", type=Path)
    about.add_argument("--seeds", type=int, nargs="+", default=[21, 33, 42])
    about.add_argument("--backbone", default="+".join(PACKAGED))
    about.add_argument("--out", type=Path)
    asked = about.parse_args()
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("HAI_CACHE", f"{folder}/cache")
        for seed in asked.seeds:
            place = Path(folder, str(seed))
            place.mkdir()
            table = planted(place, asked.images, asked.tools, asked.near, seed, asked.backbone)
            for way, part in (("twins are right", table), ("twins are left out", table[~table["twin"]])):
                tables.append(stops(part).assign(seed=seed, way=way))
    found = pd.concat(tables)[["seed", "way", "stop", "true", "expected", "low", "high", "held"]]
    if asked.out:
        found.to_csv(asked.out, index=False)
    error = (found["expected"] - found["true"]).abs()
    summary = found.assign(error=error, width=found["high"] - found["low"]).groupby("way")[["held", "error", "width"]].mean()
    print(found.to_string(index=False), summary.round(2).to_string(), sep="\n\n")


if __name__ == "__main__":
    main()
