"""How well wrong labels are ranked, and what each signal adds: `find noise` beside cleanlab on the same probabilities.

    python -m benchmarks.noise IMAGES --tools ../shared/tools [--near F] [--seeds 5] [--rival] [--only WORD] [--out F]

For each seed plants faults in a copy of IMAGES (plant_faults.py), computes features and copies as `find noise` does, and
scores every way of ranking with score_findings.py. `--rival` adds out-of-fold logistic regression (C = 100) on the same three
backbones side by side, as one would feed it to cleanlab and its Datalab: minutes a seed. Datalab needs `datasets`, which the
project does not: `pip install 'cleanlab[datalab]'`; without it its rows are left out, and that is said. `--only` computes some
ways, and `--out` takes them into the rows that it holds. Writes one row a seed and way, and prints the means.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pandas as pd
from cleanlab.count import estimate_py_and_noise_matrices_from_probabilities
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from scipy.special import expit, logit
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from hai_core import catalog, findings
from hai_core.backbones import PACKAGED
from hai_core.findings import inputs, out_of_fold
from hai_core.findings import noise as mixture
from hai_core.findings.out_of_fold import OutOfFold
from hai_core.neighbors import cosine_neighbors
from hai_core.workspace import Workspace

NAMES = ["auroc", "ap", "suggestion", "flagged", "flag_precision", "flag_recall"]
Floats = npt.NDArray[np.float64]
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


def by_chance(images: inputs.Images, judged: OutOfFold, right: Floats) -> pd.DataFrame:
    """Ranked by the chance that the label is right; flagged so that 80 % are expected to be wrong, as `find noise` does."""
    order = np.argsort(right, kind="stable")
    expected = np.cumsum(1 - right[order]) / np.arange(1, len(right) + 1)
    flagged = np.zeros(len(right), bool)
    flagged[order[:int((expected >= mixture.PRECISION).sum())]] = True
    return ranked(images, judged, right, flagged)


def right_by_confident_joint(judged: OutOfFold) -> Floats:
    """p_g Q_gg / sum_k p_k Q_gk, where Q_gk = P(label g | class k) is cleanlab's noise matrix, from its confident joint."""
    _, given_true, _, _ = estimate_py_and_noise_matrices_from_probabilities(judged.codes, judged.probabilities)
    rows, p = np.arange(len(judged.codes)), judged.probabilities
    all_ways = (p * given_true[judged.codes]).sum(axis=1)
    right: Floats = p[rows, judged.codes] * given_true[judged.codes, judged.codes] / np.maximum(all_ways, 1e-12)
    return right


def disagreeing(members: list[Floats]) -> Floats:
    """Jensen-Shannon divergence of the members' answers (N, K) each, as a share of the most it can be: 0 one answer .. 1."""
    each = np.mean([entropy(p, axis=1) for p in members], axis=0)
    apart: Floats = (entropy(np.mean(members, axis=0), axis=1) - each) / np.log(len(members))
    return np.clip(apart, 0, 1)


def pooled(images: inputs.Images, judged: OutOfFold, other: Floats) -> pd.DataFrame:
    mixed = OutOfFold(0.8 * judged.probabilities + 0.2 * other, judged.codes, judged.classes, judged.teachers)
    right = mixture.fit(mixed).right
    return ranked(images, mixed, right, right < 0.5)


def has_datalab() -> bool:
    if importlib.util.find_spec("datasets") is None:
        print("No rows of Datalab: it needs a package that is no dependency of ours (pip install 'cleanlab[datalab]').")
        return False
    return True


def by_datalab(images: inputs.Images, probabilities: Floats | None, features: Floats) -> pd.DataFrame:
    """Datalab's label issues with its default settings: `label_score`, `is_label_issue` and `predicted_label`.

    Given probabilities, it asks these; without, its own classifier on the features (10 nearest neighbours).
    """
    from cleanlab import Datalab

    lab = Datalab({"label": images.table["label"].tolist()}, label_name="label", verbosity=0)
    lab.find_issues(pred_probs=probabilities, features=features, issue_types={"label": {}})
    found = lab.get_issues("label")
    return images.table[["path", "label"]].assign(
        suggested_label=found["predicted_label"].to_numpy(), score=found["label_score"].to_numpy(),
        flagged=found["is_label_issue"].to_numpy())


def ways(workspace: Workspace, rival: bool) -> dict[str, Callable[[], pd.DataFrame]]:
    """Name of a way -> what computes its table; what several ways need is computed when the first asks, and once."""
    groups = findings.duplicate_groups(workspace).set_index("path")["group"]
    judges = cache(lambda backbone, repeats: judge(workspace, backbone, repeats, groups))
    together = "+".join(PACKAGED)

    def cleanlab(method: str, backbone: str = together, repeats: int = 3) -> pd.DataFrame:
        images, _, judged = judges(backbone, repeats)
        return by_cleanlab(images, judged, method)

    def shipped(look_alike: float) -> pd.DataFrame:
        images, _, judged = judges(together, 3)
        with patch.object(mixture, "LOOK_ALIKE", look_alike):
            return mixture.noise(images.table[["path", "label"]], judged)

    def confident_joint() -> pd.DataFrame:
        images, _, judged = judges(together, 3)
        return by_chance(images, judged, right_by_confident_joint(judged))

    def neighbours() -> pd.DataFrame:
        images, features, judged = judges(together, 3)
        near = cosine_neighbors(features, 10)[0]
        votes = np.stack([np.bincount(judged.codes[row], minlength=len(judged.classes)) for row in near]) / 10
        return pooled(images, judged, votes)

    def members() -> pd.DataFrame:
        images, _, judged = judges(together, 3)
        return pooled(images, judged, np.mean([judges(name, 3)[2].probabilities for name in PACKAGED], axis=0))

    def disagreement() -> pd.DataFrame:
        images, _, judged = judges(together, 3)
        apart = disagreeing([judges(name, 3)[2].probabilities for name in PACKAGED])
        return by_chance(images, judged, expit((1 - apart) * logit(np.clip(mixture.fit(judged).right, 1e-9, 1 - 1e-9))))

    def datalab() -> pd.DataFrame:
        images, features, judged = judges(together, 3)
        return by_datalab(images, judged.probabilities, features)

    listed: dict[str, Callable[[], pd.DataFrame]] = {
        "lite0, folds once, self-confidence (cleanlab)": partial(cleanlab, "self_confidence", PACKAGED[0], 1),
        "+ three backbones side by side, self-confidence": partial(cleanlab, "self_confidence", together, 1)}
    listed |= {f"+ folds three times, {method.replace('_', ' ')} (cleanlab)": partial(cleanlab, method) for method in CLEANLAB}
    listed |= {"+ mixture of right and wrong labels (shipped)": partial(shipped, mixture.LOOK_ALIKE),
               "shipped + labels of 10 neighbours": neighbours,
               "shipped without pairs of classes: wrong labels go anywhere": partial(shipped, 0.0),
               "shipped, wrong labels go to look-alikes only": partial(shipped, 1.0),
               "pairs of classes by cleanlab's confident joint": confident_joint,
               "shipped + each backbone's own answer": members,
               "shipped, less sure where the backbones disagree": disagreement}
    if not rival:
        return listed

    @cache
    def regression() -> tuple[inputs.Images, Floats, OutOfFold]:
        images, features, judged = judges(together, 3)
        model = LogisticRegression(C=100, max_iter=300)
        told = cross_val_predict(model, features, judged.codes, cv=5, method="predict_proba", n_jobs=2)
        return images, features, OutOfFold(told.astype(np.float64), judged.codes, judged.classes, judged.teachers)

    def rival_datalab(with_probabilities: bool) -> pd.DataFrame:
        images, features, judged = regression() if with_probabilities else judges(together, 3)
        return by_datalab(images, judged.probabilities if with_probabilities else None, features)

    def rival_by_mixture() -> pd.DataFrame:
        images, _, judged = regression()
        return mixture.noise(images.table[["path", "label"]], judged)

    def rival_cleanlab(method: str) -> pd.DataFrame:
        images, _, judged = regression()
        return by_cleanlab(images, judged, method)

    listed |= {f"rival: logistic regression, {method.replace('_', ' ')} (cleanlab)": partial(rival_cleanlab, method)
               for method in CLEANLAB}
    listed["rival's probabilities in our mixture"] = rival_by_mixture
    if has_datalab():
        listed |= {"rival: Datalab, logistic regression": partial(rival_datalab, True),
                   "rival: Datalab, features only": partial(rival_datalab, False),
                   "our probabilities in Datalab": datalab}
    return listed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--near", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 7, 11, 21, 33])
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD", nargs="+", help="only ways with one of these words in their name")
    parser.add_argument("--out", type=Path, help="rows that it holds and that are not computed stay")
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
                if arguments.only and not any(word in way for word in arguments.only):
                    continue
                result = score.noise(table().astype({"flagged": "str"}), truth)
                rows.append({"seed": seed, "way": way, **result})
                print(seed, way, {name: result[name] for name in NAMES}, flush=True)
    table = pd.DataFrame(rows)
    if arguments.out:
        if arguments.out.exists():
            table = pd.concat([pd.read_csv(arguments.out), table])
            order = {way: number for number, way in enumerate(table["way"].unique())}
            table = table.drop_duplicates(["seed", "way"], keep="last")
            table = table.sort_values("way", key=lambda way: way.map(order)).sort_values("seed", kind="stable")
        table.to_csv(arguments.out, index=False)
    print(table.groupby("way", sort=False)[NAMES].mean().round(3).to_string())


if __name__ == "__main__":
    main()
