"""Score a table of predictions against known labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.probabilities import Floats, Labels, log_loss
from hai_core.taxonomy import normalize
from hai_core.workspace import InputError

TOLERANCE = 1e-3  # how far a row's sum may be from 1


def evaluate(predictions: pd.DataFrame, labels: pd.DataFrame,
             train_counts: Mapping[str, int] | None = None) -> dict[str, float]:
    """`log_loss` (nats, probabilities clipped to 1e-15), `accuracy`, `top5` (shares, 0 .. 1) and `n` (images).

    `predictions`: first column the file, then one column of probabilities for each class. `labels`: `file`, `label`. Names are
    compared in NFC. Classes with equal probability rank by training images where `train_counts` tells them, then by column.

    Raises InputError naming the first few files or labels: missing, extra or repeated files, unknown labels, values
    that are not probabilities, rows that do not sum to 1.
    """
    classes = [normalize(str(name)) for name in predictions.columns[1:]]
    files = _files(predictions.iloc[:, 0], "the predictions")
    wanted = _files(labels["file"], "the labels")
    _refuse(wanted[~wanted.isin(files)], "the predictions have no row for")
    _refuse(files[~files.isin(wanted)], "the labels do not know")
    truth = labels["label"].map(lambda name: normalize(str(name)))
    _refuse(truth[~truth.isin(classes)].drop_duplicates(), "the predictions have no column for the label")
    _refuse(pd.Series(classes)[pd.Series(classes).duplicated()], "the predictions repeat the column")
    if wanted.empty:
        raise InputError("the labels list no file")
    probabilities = _probabilities(predictions, files)
    codes = pd.Index(classes).get_indexer(pd.Index(pd.Series(truth.to_numpy(), index=wanted).reindex(files)))
    rank = ranks(probabilities, codes, [(train_counts or {}).get(name, 0) for name in classes])
    return {"log_loss": log_loss(probabilities, codes), "accuracy": float((rank == 0).mean()),
            "top5": float((rank < 5).mean()), "n": len(codes)}


def ranks(probabilities: Floats, labels: Labels, priority: Sequence[int]) -> npt.NDArray[np.intp]:
    """Place of the given label among the classes, 0 first, shape (N,); ties by higher `priority` (K,), then by column."""
    images = np.arange(len(labels))[:, None]
    given, weight = probabilities[images, labels[:, None]], np.asarray(priority)
    own_weight, column = weight[labels][:, None], np.arange(probabilities.shape[1])
    tie_before = (weight > own_weight) | ((weight == own_weight) & (column < labels[:, None]))
    return np.asarray(((probabilities > given) | ((probabilities == given) & tie_before)).sum(axis=1))


def _files(names: pd.Series[str], what: str) -> pd.Series[str]:
    files = names.map(lambda name: normalize(str(name)))
    _refuse(files[files.duplicated()].drop_duplicates(), f"{what} repeat the file")
    return files


def _probabilities(predictions: pd.DataFrame, files: pd.Series[str]) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = predictions.iloc[:, 1:].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    valid = np.isfinite(values) & (values >= 0) & (values <= 1 + TOLERANCE)
    _refuse(files[~np.all(valid, axis=1)], "values that are no probabilities in the row of")
    _refuse(files[np.abs(values.sum(axis=1) - 1) > TOLERANCE], "the probabilities do not sum to 1 for")
    return values


def _refuse(names: pd.Series[str], problem: str) -> None:
    if len(names):
        shown = ", ".join(map(str, names.head(5)))
        raise InputError(f"{problem} {shown}" + (f" and {len(names) - 5} more" if len(names) > 5 else ""))
