"""Probabilities of a trained ensemble for images, and the table that is written of them.

A member's logits are averaged over the views of an image, then turned into probabilities with its recipe's temperature;
those are averaged over its folds with the members' weights, and the recipes are pooled as the run's combination says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from hai_core.ensemble.combine import Combination
from hai_core.members.data import Array
from hai_core.members.images import ImageView
from hai_core.members.network import over
from hai_core.probabilities import Floats, softmax
from hai_core.taxonomy import normalize
from hai_core.workspace import InputError

Inputs = Array | ImageView
Expand = Literal["prior", "share", "first"]


@dataclass(frozen=True)
class Voter:
    """A member with its say: `recipe` is the recipe's number; the weights of all voters sum to 1."""

    recipe: int
    model: nn.Module
    temperature: float
    weight: float


def logits(model: nn.Module, views: Sequence[Inputs]) -> npt.NDArray[np.float32]:
    """A member's mean logits (N, K) over the views of the same images: features (N, D), or images."""
    return np.asarray(np.mean([view_logits(model, view) for view in views], axis=0, dtype=np.float32))


def view_logits(model: nn.Module, view: Inputs) -> npt.NDArray[np.float32]:
    if isinstance(view, ImageView):
        return over(model, view, model)
    with torch.inference_mode():
        return np.asarray(model(torch.from_numpy(view)).numpy())


def vote(voters: Sequence[Voter], combination: Combination, views: Callable[[int], Sequence[Inputs]],
         heard: Callable[[Voter, Floats], None] = lambda voter, answers: None) -> npt.NDArray[np.float64]:
    """Probabilities (N, K); `views(recipe number)` gives what its members take of the images, view by view. `heard` is called
    with what each member says alone."""
    def alone(voter: Voter, features: Sequence[Inputs]) -> Floats:
        said = softmax(logits(voter.model, features), voter.temperature)
        heard(voter, said)
        return said

    def answers() -> Iterable[Floats]:
        for recipe in sorted({voter.recipe for voter in voters}):
            features, members = views(recipe), [voter for voter in voters if voter.recipe == recipe]
            total = sum(voter.weight for voter in members)
            yield np.asarray(sum(voter.weight / total * alone(voter, features) for voter in members))

    return combination.mix(answers())


def expand(probabilities: Floats, classes: Sequence[str], mapping: Mapping[str, str], counts: Mapping[str, int],
           how: Expand) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Final classes -> original classes: their names in name order, and probabilities (N, number of originals).

    A final class's probability goes to its originals by their training images `counts` (`prior`; evenly where none of them
    has any), evenly (`share`), or to the first by name (`first`). A dropped class gets 0.
    """
    originals = sorted(mapping)
    shares = np.zeros((len(classes), len(originals)))
    for row, final in enumerate(classes):
        columns = [i for i, name in enumerate(originals) if mapping[name] == final]
        wanted = np.array([counts.get(originals[i], 0) if how == "prior" else 1.0 for i in columns], dtype=np.float64)
        if how == "first":
            wanted[1:] = 0
        shares[row, columns] = wanted / wanted.sum() if wanted.sum() > 0 else 1 / len(columns)
    return originals, probabilities @ shares


def table(files: Sequence[str], names: Sequence[str], probabilities: Floats) -> pd.DataFrame:
    """The predictions as a table: `file`, then one column for each class.

    Raises InputError when a class is called `file`, because two columns cannot share a name.
    """
    if "file" in names:
        raise InputError("a class is called 'file', which is the name of the predictions' first column; rename its folder")
    return pd.concat([pd.DataFrame({"file": list(files)}), pd.DataFrame(probabilities, columns=list(names))], axis=1)


def like(predictions: pd.DataFrame, sample: pd.DataFrame, name: str = "the sample file") -> pd.DataFrame:
    """`predictions` with the columns and the row order of a sample submission, spelled as there.

    The sample's first column names the files, with or without folder and suffix; its other columns are the classes. Raises
    InputError naming what does not match: classes or files that only one of the two has, or a name that fits several files.
    """
    classes = _by_name([str(column) for column in predictions.columns[1:]])
    wanted = [normalize(str(column)) for column in sample.columns[1:]]
    _same(wanted, list(classes), "class", name)
    files = _by_name(predictions["file"])
    rows = [normalize(str(value)) for value in sample.iloc[:, 0]]
    if not set(rows) <= set(files):
        files = _without_suffix(files, name)
    _same(rows, list(files), "file", name)
    ordered = predictions.iloc[[files[row] for row in rows], [0] + [1 + classes[column] for column in wanted]]
    ordered = ordered.set_axis(sample.columns, axis=1).reset_index(drop=True)
    ordered[sample.columns[0]] = sample.iloc[:, 0].to_numpy()
    return ordered


def _by_name(names: Iterable[str]) -> dict[str, int]:
    return {normalize(str(name)): row for row, name in enumerate(names)}


def _without_suffix(files: Mapping[str, int], name: str) -> dict[str, int]:
    stems = [PurePosixPath(file).stem for file in files]
    repeated = pd.Series(stems)[pd.Series(stems).duplicated()]
    if len(repeated):
        raise InputError(f"{name} names files without folder and suffix, but {repeated.iloc[0]!r} fits several images")
    return dict(zip(stems, files.values(), strict=True))


def _same(wanted: Sequence[str], given: Sequence[str], what: str, name: str) -> None:
    plural = f"{what}es" if what == "class" else f"{what}s"
    for names, problem in ((pd.Index(wanted)[pd.Index(wanted).duplicated()], f"{name} repeats the {what}"),
                           (pd.Index(wanted).difference(pd.Index(given)), f"{name} has {plural} that the predictions lack:"),
                           (pd.Index(given).difference(pd.Index(wanted)), f"{name} lacks {plural} of the predictions:")):
        if len(names):
            shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            raise InputError(f"{problem} {shown}")
