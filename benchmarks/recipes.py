"""What each choice of a recipe adds or costs on a folder of photos, out of fold and on test images, over seeds.

    python -m benchmarks.recipes IMAGES --test DIR --labels L.csv [--seeds 3] [--out docs/benchmarks/recipes.csv]

IMAGES holds a folder a class. Each variant is a preset with the options beside it in VARIANTS; variants that only combine
otherwise share their trained members. Series are the names' first words. The rival is scikit-learn's logistic regression on the
packaged backbones' L2-normalised features side by side, C by 3-fold cross-validated log loss: it has no seed, and is run once.
Choose by the columns out of fold; the test columns only tell how it went. Trained members stay below cache/recipes, so that a
second call only combines.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from benchmarks.logistic_regression import GRID, features
from hai_core import catalog as catalogs
from hai_core import manifest as manifests
from hai_core import series_proposals
from hai_core.ensemble import train as training
from hai_core.ensemble.calibrate import ece
from hai_core.ensemble.features import ensure
from hai_core.ensemble.outcome import scores
from hai_core.fold import fold
from hai_core.manifest import Manifest
from hai_core.members import config as configurations
from hai_core.probabilities import logarithm, softmax, temperature
from hai_core.workspace import cache_root, digest, read_table

L0, L1, L2 = (f"tf_efficientnet_lite{number}" for number in range(3))
TWO, ALL, EACH = f"recipes=[[{L0},{L2}]]", f"recipes=[[{L0},{L1},{L2}]]", f"recipes=[[{L0}],[{L1}],[{L2}]]"
VARIANTS: dict[str, tuple[str, ...]] = {  # name -> preset, and what differs from it
    "default": ("default",),  # three recipes of two backbones
    "equal weights": ("default", "weights=uniform"),
    "weights by 1 / log loss": ("default", "weights=inverse_log_loss"),
    "optimised weights": ("default", "weights=optimised"),
    "no hierarchy": ("default", "hierarchy=none"),
    "factors by series": ("default", "calibration=groups"),
    "three backbones, one recipe": ("default", ALL),
    "three backbones, a recipe each": ("default", EACH),
    "two backbones": ("default", TWO),
    "two backbones, no SWA": ("default", TWO, "swa_start="),
    "two backbones, mirror": ("default", TWO, "mirror=true"),
    "two backbones, focal": ("default", TWO, "loss=focal"),
    "two backbones, ce+focal": ("default", TWO, "loss=ce+focal"),
    "two backbones, adaface, ce": ("adaface", "loss=ce"),
    "adaface": ("adaface",),  # two backbones, adaface, ce+focal
    "quick": ("quick",),
    "careful": ("careful",),  # default and the mirror image
}
COLUMNS = ["log_loss", "accuracy", "ece", "ece_by_chance", "ece_before", "ece_per_fold", "ece_per_fold_held_out",
           "log_loss_one_view",
           *(f"{part}_{name}" for part in ("recipes", "views", "hierarchy") for name in ("gain", "low", "high")),  # out of fold
           "test_log_loss", "test_accuracy", "test_ece", "members_gain", "members_low", "members_high",  # on the test images
           "seconds"]  # of training, all members, one thread each


def frozen(images: Path) -> Manifest:
    """The manifest of all readable photos as they are; series from the first words of the names."""
    catalog = catalogs.scan(images, catalogs.folder_store(images))
    made = manifests.build(catalog, fold(catalog, []))
    return Manifest(made.table, made.classes, made.mapping, series_proposals.by_names(made.classes, 1))


def measured(manifest: Manifest, images: Path, test: pd.DataFrame, variant: tuple[str, ...], seed: int) -> dict[str, Any]:
    """A row of COLUMNS: out of fold, and on the test images by what would ship."""
    config = configurations.load(variant[0], [*variant[1:], f"seed={seed}"])
    prepared = replace(training.prepare(manifest, config, images), holdout=test)
    same = {"name", "weights", "calibration", "hierarchy"}  # what does not change the members
    folder = cache_root() / "recipes" / digest((manifest.digest + config.model_dump_json(exclude=same)).encode())[:12]
    training.train_members(folder, prepared, config, lambda run: None)
    results = training.write_results(folder, prepared, config)
    gains = {f"{row['part']}_{name}": row[name] for row in results["effects"] for name in ("gain", "low", "high")}
    figures = {name.replace("holdout", "test"): value for name, value in results["metrics"].items()}
    seconds = sum(card["seconds"] for card in results["members"])
    own, held_out = ece_per_fold(folder, prepared.labels)
    return figures | gains | {"ece_per_fold": own, "ece_per_fold_held_out": held_out, "seconds": seconds}


def ece_per_fold(folder: Path, labels: np.ndarray) -> tuple[float, float]:
    """ECE of the same probabilities with one more temperature for each fold: fitted on that fold itself, which flatters it, and
    on the fold's other half, as a calibration that is to be used has to be judged."""
    table = pd.read_parquet(folder / "oof.parquet")
    logits = logarithm(table.filter(regex="^p:").to_numpy(np.float64))
    half = np.random.default_rng(0).permutation(len(table)) % 2
    own, held_out = np.empty_like(logits), np.empty_like(logits)
    for fold_number in table["fold"].unique():
        here = (table["fold"] == fold_number).to_numpy()
        own[here] = softmax(logits[here], temperature(logits[here], labels[here]))
        for part in (0, 1):
            judged, fitted = here & (half == part), here & (half != part)
            held_out[judged] = softmax(logits[judged], temperature(logits[fitted], labels[fitted]))
    return ece(own, labels), ece(held_out, labels)


def rival(manifest: Manifest, images: Path, test: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Logistic regression on the three packaged backbones, on the same test images."""
    train = manifest.table.assign(file=[str(place) for place in catalogs.locate(images, manifest.table["path"].tolist())])
    began = time.monotonic()
    search = GridSearchCV(LogisticRegression(max_iter=2000), {"C": GRID}, scoring="neg_log_loss", cv=3, n_jobs=1)
    search.fit(features(images, train, [L0, L1, L2]), train["label"])
    answers = search.predict_proba(features(folder, test, [L0, L1, L2]))
    labels = pd.Index(search.classes_).get_indexer(pd.Index(test["label"]))
    return {f"test_{name}": value for name, value in scores(answers, labels).items()} | {
        "test_ece": ece(answers, labels), "seconds": time.monotonic() - began, "C": search.best_params_["C"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[*VARIANTS, "logistic regression"], metavar="VARIANT")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    manifest = frozen(arguments.images)
    test = catalogs.scan(arguments.test, catalogs.folder_store(arguments.test)).drop(columns="label").merge(
        read_table(arguments.labels, ("file", "label")).rename(columns={"file": "path"}), on="path")
    ensure(arguments.test, test, configurations.load("careful"), ("center", "mirror"))  # which has all that any variant has
    rows = []
    for name in arguments.only or [*VARIANTS, "logistic regression"]:
        for seed in range(1 if name == "logistic regression" else arguments.seeds):
            found = rival(manifest, arguments.images, test, arguments.test) if name == "logistic regression" else measured(
                manifest, arguments.images, test, VARIANTS[name], seed)
            rows.append({"variant": name, "seed": seed} | {column: found.get(column) for column in COLUMNS})
            print(rows[-1], flush=True)
            if arguments.out:
                pd.DataFrame(rows).to_csv(arguments.out, index=False, float_format="%.6g")
    print(summary(pd.DataFrame(rows)).to_string())


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread (greatest less least) over the seeds, and the ratio of test log losses to the rival's."""
    shown = ["log_loss", "accuracy", "ece", "ece_by_chance", "ece_per_fold", "ece_per_fold_held_out", "test_log_loss",
             "test_accuracy", "test_ece"]
    of_variant = table.groupby("variant", sort=False)[shown]
    found = of_variant.mean().join(of_variant.agg(np.ptp)[["log_loss", "test_log_loss"]].add_suffix("_spread"))
    theirs = found["test_log_loss"].get("logistic regression", np.nan)
    return found.assign(ratio=found["test_log_loss"] / theirs).round(4)


if __name__ == "__main__":
    main()
