"""How well wrong labels are ranked, and what each signal adds: `find noise` beside cleanlab on the same probabilities.

    python -m benchmarks.noise IMAGES --tools ../shared/tools [--near NEAR.csv] [--seeds 5 7 11] [--rival] [--out noise.csv]

For each seed plants faults in a copy of IMAGES (plant_faults.py), computes features and copies as `find noise` does, and
scores every way of ranking with score_findings.py. `--rival` adds out-of-fold logistic regression (C = 100) on the same three
backbones side by side, as one would feed it to cleanlab: minutes a seed. Writes one row a seed and way, and prints the means.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from hai_core import catalog, findings
from hai_core.backbones import PACKAGED
from hai_core.findings import inputs, out_of_fold
from hai_core.findings.noise import fit, noise
from hai_core.findings.out_of_fold import OutOfFold
from hai_core.neighbors import cosine_neighbors
from hai_core.workspace import Workspace

NAMES = ["auroc", "ap", "suggestion", "flagged", "flag_precision", "flag_recall"]
CLEANLAB = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def scorer(tools: Path) -> Any:
    spec = importlib.util.spec_from_file_location("score_findings", tools / "score_findings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge(workspace: Workspace, backbone: str, repeats: int, groups: pd.Series) -> tuple[inputs.Images, np.ndarray, OutOfFold]:
    images, features = inputs.with_features(workspace.images, inputs.readable(workspace), backbone)
    group = groups.reindex(images.table["path"]).fillna(-1).to_numpy(np.int64)
    out_of_fold.REPEATS = repeats
    return images, features, out_of_fold.out_of_fold(features, images.table["label"], group, ~images.excluded)


def ranked(images: inputs.Images, judged: OutOfFold, score: np.ndarray, flagged: np.ndarray) -> pd.DataFrame:
    suggested = np.array(judged.classes, object)[judged.probabilities.argmax(axis=1)]
    return images.table[["path", "label"]].assign(suggested_label=suggested, score=score, flagged=flagged)


def by_cleanlab(images: inputs.Images, judged: OutOfFold, method: str) -> pd.DataFrame:
    flagged = find_label_issues(judged.codes, judged.probabilities)
    return ranked(images, judged, get_label_quality_scores(judged.codes, judged.probabilities, method=method), flagged)


def ways(workspace: Workspace, rival: bool) -> dict[str, pd.DataFrame]:
    groups = findings.duplicate_groups(workspace).set_index("path")["group"]
    tables = {}
    images, _, one = judge(workspace, PACKAGED[0], 1, groups)
    tables["lite0, folds once, self-confidence (cleanlab)"] = by_cleanlab(images, one, "self_confidence")
    images, _, once = judge(workspace, "+".join(PACKAGED), 1, groups)
    tables["+ three backbones side by side, self-confidence"] = by_cleanlab(images, once, "self_confidence")
    images, features, judged = judge(workspace, "+".join(PACKAGED), 3, groups)
    for method in CLEANLAB:
        tables[f"+ folds three times, {method.replace('_', ' ')} (cleanlab)"] = by_cleanlab(images, judged, method)
    tables["+ mixture of right and wrong labels (shipped)"] = noise(images.table[["path", "label"]], judged)
    near = cosine_neighbors(features, 10)[0]
    votes = np.stack([np.bincount(judged.codes[row], minlength=len(judged.classes)) for row in near]) / 10
    pooled = OutOfFold(0.8 * judged.probabilities + 0.2 * votes, judged.codes, judged.classes, judged.teachers)
    fitted = fit(pooled)
    tables["shipped + labels of 10 neighbours"] = ranked(images, pooled, fitted.right, fitted.right < 0.5)
    if rival:
        model = LogisticRegression(C=100, max_iter=300)
        told = cross_val_predict(model, features, judged.codes, cv=5, method="predict_proba", n_jobs=2)
        regression = OutOfFold(told.astype(np.float64), judged.codes, judged.classes, judged.teachers)
        for method in CLEANLAB:
            name = f"rival: logistic regression, {method.replace('_', ' ')} (cleanlab)"
            tables[name] = by_cleanlab(images, regression, method)
        tables["rival's probabilities in our mixture"] = noise(images.table[["path", "label"]], regression)
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--near", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 7, 11, 21, 33])
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    score, rows = scorer(arguments.tools), []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            planted = Path(folder) / "planted"
            near = ["--near", str(arguments.near)] if arguments.near else []
            plant = [sys.executable, arguments.tools / "plant_faults.py", arguments.images, planted, "--seed", str(seed)]
            subprocess.run([*plant, *near], check=True, stdout=subprocess.DEVNULL)
            workspace = Workspace.create(Path(folder) / "w", planted / "images", holdout=0)
            catalog.index(workspace)
            truth = score.read(planted / "truth.csv")
            for way, table in ways(workspace, arguments.rival).items():
                result = score.noise(table.astype({"flagged": "str"}), truth)
                rows.append({"seed": seed, "way": way, **result})
                print(seed, way, {name: result[name] for name in NAMES}, flush=True)
    table = pd.DataFrame(rows)
    if arguments.out:
        table.to_csv(arguments.out, index=False)
    print(table.groupby("way", sort=False)[NAMES].mean().round(3).to_string())


if __name__ == "__main__":
    main()
