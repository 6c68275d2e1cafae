"""`runs/<id>/`: the truth about a training run.

    run.json           state, manifest and configuration digests, seed, versions, git commit, command, times
    config.yaml        every option, defaults written out
    requirements.txt   every installed package; changes.diff: how the program differed from its commit, if it did
    system.jsonl       how busy the machine was (see usage)
    manifest.csv/json  a copy of what was trained on
    members/           NAME.safetensors and NAME.json of every member
    oof.parquet        path, label, fold, and a column `p:CLASS` for each class: out-of-fold probabilities
    holdout.parquet    path, label, `p:CLASS`, ...: the whole ensemble's probabilities for the manifest's holdout
    disagreement.parquet  path, disagreement (see confusions.disagreement) of oof's images, where there are several recipes
    history.parquet    member, epoch, train_loss, log_loss, accuracy, learning_rate
    confusion.parquet  pairs of confused classes (see confusions.pairs)
    reliability.parquet  bins of confidence (see ensemble.calibrate)
    metrics.json       figures, recipes with weights and temperatures, member cards, plans compared, what each part adds

A run that was killed is resumed by the next `train` with the same manifest and configuration; members that finished are kept.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core import __version__, progress, provenance, usage
from hai_core import manifest as manifests
from hai_core.answers import Answers
from hai_core.manifest import Manifest
from hai_core.members import config as configurations
from hai_core.members.config import Config
from hai_core.records import MemberCard
from hai_core.workspace import InputError, canonical_json, digest, lock, write_atomic, write_table

if TYPE_CHECKING:
    from hai_core.ensemble.direct import Predictor
    from hai_core.ensemble.predict import Expand

PREFIX = "p:"  # of the probability columns in oof.parquet, so that a class called `path` or `label` does no harm
RUNNING, FINISHED, FAILED, INTERRUPTED = "running", "finished", "failed", "interrupted"
LISTED = ("id", "state", "name", "started", "seconds", "log_loss", "accuracy", "top5", "ece", "log_loss_in_sample",
          "holdout_log_loss", "holdout_accuracy", "members", "images", "classes", "manifest", "config", "error", "path")


@dataclass(frozen=True)
class Run:
    """A training run on disk. `info` is run.json; everything else is read when it is asked for.

    What only a finished run has (metrics, cards, oof, history, ...) raises InputError for any other.
    """

    path: Path
    info: dict[str, Any]

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def state(self) -> str:
        """running, finished, failed, or interrupted: it says running, but its process is gone."""
        gone = self.info["state"] == RUNNING and not _alive(self.info["process"])
        return INTERRUPTED if gone else str(self.info["state"])

    @property
    def classes(self) -> list[str]:
        """Final classes, in the order of all columns (K,)."""
        return list(self.info["classes"])

    @cached_property
    def config(self) -> Config:
        return configurations.load(self.path / "config.yaml")

    @cached_property
    def manifest(self) -> Manifest:
        return manifests.load(self.path)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Figures of the ensemble: log_loss, accuracy, top5, ece, n, ... and holdout_... where there is a holdout."""
        return dict(self._results["metrics"])

    @property
    def recipes(self) -> list[dict[str, Any]]:
        """recipe, weight, temperature, log_loss and accuracy (out of fold, the recipe alone) of each recipe."""
        return list(self._results["recipes"])

    @property
    def plans(self) -> list[dict[str, Any]]:
        """Ways to combine that were compared (see `ensemble.outcome.Outcome`); none in runs of earlier versions."""
        return list(self._results.get("plans", []))

    @property
    def effects(self) -> list[dict[str, Any]]:
        """What each part adds (see `ensemble.effects`); none in runs of earlier versions."""
        return list(self._results.get("effects", []))

    @property
    def cards(self) -> list[MemberCard]:
        return [MemberCard(**card) for card in self._results["members"]]

    @cached_property
    def oof(self) -> pd.DataFrame:
        """Out of fold: path, label, fold, then a column `p:CLASS` for each class; sorted by path."""
        return self._table("oof")

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Number of the label among `classes`, for every row of `oof`, (N,)."""
        return self._labels(self.oof)

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """Out-of-fold probabilities (N, K), rows as in `oof`, columns as in `classes`."""
        return self._probabilities(self.oof)

    @cached_property
    def answers(self) -> Answers:
        """Out of fold. Disagreement is known where the run has several recipes and was trained since it is kept."""
        kept = (self.path / "disagreement.parquet").is_file()
        return self._answers(self.oof, self._table("disagreement")["disagreement"].to_numpy(np.float64) if kept else None)

    @property
    def holdout_answers(self) -> Answers | None:
        """About the holdout of the run's manifest; None where they were not kept yet (see `answer_holdout`)."""
        return self._answers(self._table("holdout")) if (self.path / "holdout.parquet").is_file() else None

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row for each member and epoch."""
        return self._table("history")

    @cached_property
    def confusion(self) -> pd.DataFrame:
        return self._table("confusion")

    @cached_property
    def reliability(self) -> pd.DataFrame:
        return self._table("reliability")

    @cached_property
    def _results(self) -> dict[str, Any]:
        self._finished()
        results: dict[str, Any] = json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))
        return results

    def _answers(self, table: pd.DataFrame, disagreement: npt.NDArray[np.float64] | None = None) -> Answers:
        return Answers(self.id, self.classes, self.manifest.series, table["path"].to_numpy(object), self._labels(table),
                       self._probabilities(table), disagreement)

    def _labels(self, table: pd.DataFrame) -> npt.NDArray[np.int64]:
        return pd.Index(self.classes).get_indexer(pd.Index(table["label"])).astype(np.int64)

    def _probabilities(self, table: pd.DataFrame) -> npt.NDArray[np.float32]:
        return table[[PREFIX + name for name in self.classes]].to_numpy(dtype=np.float32)

    def _table(self, name: str) -> pd.DataFrame:
        self._finished()
        return pd.read_parquet(self.path / f"{name}.parquet")

    def _finished(self) -> None:
        if self.info["state"] != FINISHED:
            raise InputError(f"the run {self.path} is not finished; the same train command goes on with it")


def load(name: str | Path, runs: Path | None = None) -> Run:
    """A run by its folder, or by its id in the folder `runs`. Raises InputError when there is none."""
    path = Path(name)
    if runs is not None and not (path / "run.json").is_file():
        path = runs / path
    if not (path / "run.json").is_file():
        raise InputError(f"there is no run {name}" + (f" in {runs}" if runs is not None else ""))
    return Run(path.resolve(), json.loads((path / "run.json").read_text(encoding="utf-8")))


def list_runs(runs: Path) -> pd.DataFrame:
    """All runs in a folder, the newest first: LISTED columns; figures are NaN until a run is finished."""
    rows = [_row(load(file.parent)) for file in runs.glob("*/run.json")]
    table = pd.DataFrame(rows, columns=list(LISTED))
    return table.sort_values(["started", "id"], ascending=False, ignore_index=True)


def _nothing(run: Path) -> None:
    """What is done after a member, unless something else is asked for."""


def train(manifest: Manifest, config: Config, *, images: Path, runs: Path, command: str = "",
          after_member: Callable[[Path], None] = _nothing) -> Run:
    """Train the configured ensemble on the manifest's training images, and score it on its holdout.

    Missing features are computed first, from the files below `images`. An unfinished run of the same manifest and
    configuration in the folder `runs` is resumed; `command` is recorded; `after_member` is called with the run's folder
    whenever one more member is finished. Raises InputError when an image has no features
    (all such files are counted, some named), when there are too few images or classes, when the same training is
    going on in another process, or when the loss stops being a number.
    """
    from hai_core.ensemble import train as training

    prepared = training.prepare(manifest, config, images)
    key = digest(canonical_json([manifest.digest, config.digest, prepared.fingerprints, __version__, version("torch")]))
    with lock(runs / ".locks" / key[:16], f"another process is training this configuration on this manifest in {runs}"):
        run = _unfinished(runs, key)
        if run is None:
            run = _create(runs, key, manifest, config, prepared.fingerprints)
        else:
            write_atomic(run.path / "config.yaml", config.to_yaml())  # how it is computed may be another by now
        with _recorded(run, command):
            training.train_members(run.path, prepared, config, after_member)
            training.write_results(run.path, prepared, config)
    return load(run.path)


def trial(manifest: Manifest, config: Config, *, images: Path, runs: Path) -> dict[str, float]:
    """How long `train` would take for a fine-tuned ensemble: see `ensemble.train.trial`. Kept in `runs` for `tried`."""
    from hai_core.ensemble import train as training

    found = training.trial(training.prepare(manifest, config, images), config)
    write_atomic(_trial_file(manifest.digest, config, runs), json.dumps(found) + "\n")
    return found


def tried(manifest_digest: str, config: Config, runs: Path) -> dict[str, float] | None:
    """What `trial` found for this manifest and configuration on this machine; None before it was called."""
    file = _trial_file(manifest_digest, config, runs)
    found: dict[str, float] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found


def _trial_file(manifest_digest: str, config: Config, runs: Path) -> Path:
    return runs / ".trials" / f"{digest(canonical_json([manifest_digest, config.to_yaml(), socket.gethostname()]))[:16]}.json"


def predict(run: Run, images: Path, *, tta: int | None = None, expand: Expand = "prior") -> pd.DataFrame:
    """Class probabilities of every image below a folder: `file`, then one column for each original class, in name order.

    `tta`: how many views are averaged (default: as many as the run was calibrated with). `expand`: how a merged class's
    probability goes to its originals (see `ensemble.predict.expand`). An unreadable image gets the classes' shares of the
    training images, and a warning. Raises InputError when the folder holds no image, or when the backbones' weights are not
    those that the run was trained with.
    """
    from hai_core.ensemble import apply

    return apply.predictions(run.path, run.config, run.manifest, run.info["backbones"], run._results, images, tta, expand)


def answer_holdout(run: Run, images: Path) -> None:
    """Let a finished run answer the holdout of its manifest, and keep it.

    Runs that were trained before these answers were kept need it once, to be compared with others. Raises InputError as
    `predict` does, and when a file of the holdout is gone or was changed.
    """
    from hai_core.ensemble import apply

    write_table(apply.holdout(run.path, run.config, run.manifest, run.info["backbones"], run._results, images),
                run.path / "holdout.parquet")


def predictor(run: Run) -> Predictor:
    """The run's ensemble, loaded to answer for images in memory as `predict` does for files. Raises InputError as it does."""
    from hai_core.ensemble import direct

    return direct.Predictor(run.path, run.config, run.manifest, run.info["backbones"], run._results)


def like(predictions: pd.DataFrame, sample: pd.DataFrame, name: str | Path = "the sample file") -> pd.DataFrame:
    """`predictions` with columns and rows as in a sample submission (see `ensemble.predict.like`)."""
    from hai_core.ensemble import predict

    return predict.like(predictions, sample, str(name))


def _row(run: Run) -> dict[str, Any]:
    state, error, figures = run.state, run.info["error"], {}
    try:
        name, members = run.config.name, len(run.config.members)
        figures = run.metrics if state == FINISHED else {}
    except InputError as problem:  # of a newer version of this program: the others are listed all the same
        state, error, name, members = FAILED, str(problem), run.id, 0
    return {"id": run.id, "state": state, "name": name, "started": pd.Timestamp(run.info["started"]),
            "seconds": run.info["seconds"], "members": members, "images": run.info["images"],
            "classes": len(run.classes), "manifest": run.info["manifest"], "config": run.info["config"], "error": error,
            "path": str(run.path),
            **{name: figures.get(name, np.nan) for name in LISTED if name not in run.info and name in figures}}


def _unfinished(runs: Path, key: str) -> Run | None:
    """The newest run of this training that did not finish."""
    found = [run for run in map(load, (file.parent for file in runs.glob("*/run.json")))
             if run.info["key"] == key and run.info["state"] != FINISHED]
    if not found:
        return None
    run = max(found, key=lambda run: str(run.info["started"]))
    progress.say(f"going on with {run.path}")
    return run


def _create(runs: Path, key: str, manifest: Manifest, config: Config, fingerprints: dict[str, str]) -> Run:
    now = datetime.now(UTC)
    with lock(runs / ".locks" / "create", None):
        path = _free(runs / f"{now:%Y%m%d-%H%M%S}-{config.name}-{manifest.digest[:8]}")
        manifests.save(manifest, path)
    write_atomic(path / "config.yaml", config.to_yaml())
    write_atomic(path / "requirements.txt", provenance.requirements())
    if changes := provenance.git_diff():
        write_atomic(path / "changes.diff", changes)
    images = int((manifest.table["split"] == manifests.TRAIN).sum())
    info = {"id": path.name, "state": RUNNING, "key": key, "manifest": manifest.digest, "config": config.digest,
            "seed": config.seed, "backbones": fingerprints, "classes": manifest.classes, "images": images,
            "holdout": len(manifest.table) - images,
            "versions": provenance.versions(), "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "git": provenance.git_commit(),
            "started": now.isoformat(timespec="seconds"), "seconds": 0.0, "command": "", "error": "", "process": {}}
    _write(path, info)
    return load(path)


def _free(path: Path) -> Path:
    """`path`, or with the first number appended that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


@contextmanager
def _recorded(run: Run, command: str) -> Iterator[None]:
    """Keep run.json's state, command and time spent right, however the block ends."""
    began = time.monotonic()
    process = {"host": socket.gethostname(), "id": os.getpid()}
    info = run.info | {"state": RUNNING, "error": "", "command": command, "process": process}
    _write(run.path, info)
    state, error = INTERRUPTED, ""
    try:
        with usage.recorded(run.path / "system.jsonl"):
            yield
        state = FINISHED
    except Exception as problem:
        state, error = FAILED, f"{problem}" or type(problem).__name__
        raise
    finally:
        seconds = round(run.info["seconds"] + time.monotonic() - began, 2)
        _write(run.path, info | {"state": state, "error": error, "seconds": seconds})


def _write(path: Path, info: dict[str, Any]) -> None:
    write_atomic(path / "run.json", json.dumps(info, ensure_ascii=False, indent=1) + "\n")


def _alive(process: dict[str, Any]) -> bool:
    if process.get("host") != socket.gethostname():
        return True  # nobody here can tell
    try:
        os.kill(process["id"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
