"""Log loss of a trained run beside scikit-learn's logistic regression on the same features, on the same test images.

    python -m benchmarks.logistic_regression --run RUN --images DIR --test DIR --labels L.csv

The rival is what any user would try first: the run's backbones' L2-normalised features side by side, all training images,
C by 3-fold cross-validated log loss. Prints one line each, and the ratio.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from hai_core import catalog, embeddings, runs
from hai_core.ensemble.evaluate import evaluate
from hai_core.neighbors import normalize
from hai_core.workspace import read_table

GRID = (30.0, 100.0, 300.0, 1000.0, 3000.0)


def features(folder: Path, files: pd.DataFrame, backbones: list[str]) -> npt.NDArray[np.float32]:
    parts = []
    for backbone in backbones:
        embeddings.embed(folder, files, backbone)
        parts.append(normalize(embeddings.load(files["sha256"].tolist(), backbone)))
    return np.concatenate(parts, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--run", "--images", "--test", "--labels"):
        parser.add_argument(name, type=Path, required=True)
    arguments = parser.parse_args()
    run = runs.load(arguments.run)
    labels = read_table(arguments.labels, ("file", "label"))
    ours = evaluate(runs.predict(run, arguments.test), labels)
    train = run.manifest.table[run.manifest.table["split"] == "train"]
    train = train.assign(file=[str(p) for p in catalog.locate(arguments.images, train["path"].tolist())])
    test = catalog.scan(arguments.test, catalog.folder_store(arguments.test))
    began = time.monotonic()
    search = GridSearchCV(LogisticRegression(max_iter=2000), {"C": GRID}, scoring="neg_log_loss", cv=3, n_jobs=1)
    search.fit(features(arguments.images, train, run.config.backbones), train["label"])
    table = pd.DataFrame(search.predict_proba(features(arguments.test, test, run.config.backbones)), columns=search.classes_)
    table.insert(0, "file", test["path"])
    theirs = evaluate(table, labels)
    print(f"run {run.id}: log loss {ours['log_loss']:.4f}, accuracy {ours['accuracy']:.4f}")
    print(f"logistic regression, C = {search.best_params_['C']:g}: log loss {theirs['log_loss']:.4f}, "
          f"accuracy {theirs['accuracy']:.4f} ({time.monotonic() - began:.0f} s)")
    print(f"ratio of log losses: {ours['log_loss'] / theirs['log_loss']:.3f}")


if __name__ == "__main__":
    main()
