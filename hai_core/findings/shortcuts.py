"""Properties that give the class away: what a classifier could learn instead of what the images show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.records import OK

COLUMNS = ["property", "score", "accuracy", "chance", "reason"]
SHORTCUT = 0.7  # a score below it is a finding
FOLDS, FEWEST = 3, 3  # images of a class from which on it takes part
WORDS = {"brightness": "brightness", "contrast": "contrast", "sharpness": "sharpness", "colorfulness": "colourfulness",
         "pixels": "image size", "shape": "width / height", "bytes": "file size", "format": "file format"}


def shortcuts(catalog: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """COLUMNS, a row for each property, the worst first. `score`: 0 it tells the class for sure .. 1 no better than chance.

        score = 1 - (accuracy - chance) / (1 - chance)

    `accuracy`: of a decision tree that sees this one property, on images that it did not learn from (3 stratified folds);
    `chance`: share of the largest class. As in cleanlab's check of spurious correlations (Datalab, "spurious_correlations"). A
    score below 0.7 says that a classifier may learn how photos were taken or saved and not what they show; it is a warning
    about the whole set, no finding about an image. Assumes that classes should not differ in these properties: where they
    should (trucks are longer), a middling score is no fault. Classes of fewer than three images are left out; empty with fewer
    than two left.
    """
    images = catalog[(catalog["status"] == OK) & (catalog["label"] != "")]
    images = images[images["label"].map(images["label"].value_counts()) >= FEWEST]
    labels = pd.factorize(images["label"], sort=True)[0]
    if not len(images) or labels.max() < 1:
        return pd.DataFrame(columns=COLUMNS)
    chance = float(np.bincount(labels).max() / len(labels))
    values = {name: images[name].to_numpy(np.float64) for name in ("brightness", "contrast", "sharpness", "colorfulness")}
    width, height = images["width"].to_numpy(np.float64), images["height"].to_numpy(np.float64)
    values |= {"pixels": width * height, "shape": width / height, "bytes": images["size"].to_numpy(np.float64),
               "format": pd.factorize(images["format"], sort=True)[0].astype(np.float64)}
    rows = []
    for name, value in values.items():
        accuracy = _accuracy(value, labels, seed) if len(np.unique(value)) > 1 else chance
        score = min(1.0, 1 - (accuracy - chance) / (1 - chance))
        reason = f"the {WORDS[name]} alone tells the class of {accuracy:.0%} of the images (the largest class has {chance:.0%})"
        rows.append((name, score, accuracy, chance, reason))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("score", kind="stable", ignore_index=True)


def _accuracy(value: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], seed: int) -> float:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(min_samples_leaf=5, random_state=seed)
    told = cross_val_predict(tree, value[:, None], labels, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed))
    return float((told == labels).mean())
