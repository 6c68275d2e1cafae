"""The holdout: images set aside once for a workspace, never trained on, on which manifests are compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

import pandas as pd

from hai_core.workspace import InputError, Workspace, digest, write_atomic

SCHEMA = 1


def choose_holdout(table: pd.DataFrame, share: float, seed: int) -> list[str]:
    """Content hashes of about `share` (0 .. 0.5) of a manifest's images (columns label, group, sha256), sorted.

    Stratified by label: each class gives its share, rounded so that the whole comes to `share` (largest remainder), and never
    its last image. Duplicate groups go whole, also those that span classes; one larger than what its class still has to give
    stays in training. The order of choice is a hash of seed and content: no random generator's version matters, nor how the
    files are called.
    """
    if share == 0 or table.empty:
        return []
    left = _quotas(Counter(table["label"].tolist()), share, seed)
    chosen: list[str] = []
    for hashes, labels in _units(table, seed):
        needed = Counter(labels) if len(labels) > 1 else {labels[0]: 1}
        if all(left[label] >= count for label, count in needed.items()):
            chosen += hashes
            for label, count in needed.items():
                left[label] -= count
    return sorted(set(chosen))


def _quotas(sizes: Mapping[str, int], share: float, seed: int) -> dict[str, int]:
    """How many images each class gives: its share (at most half) rounded down, one more for those that lose most by that."""
    exact = {label: share * size for label, size in sizes.items()}
    quota = {label: int(value) for label, value in exact.items()}
    missing = round(share * sum(sizes.values())) - sum(quota.values())
    by_remainder = sorted(exact, key=lambda label: (quota[label] - exact[label], digest(f"{seed} {label}")))
    for label in [label for label in by_remainder if quota[label] < sizes[label] - 1][:max(missing, 0)]:
        quota[label] += 1
    return quota


def _units(table: pd.DataFrame, seed: int) -> list[tuple[list[str], list[str]]]:
    """Images that go together (content hashes, labels), in the order of choice."""
    together: dict[str | int, tuple[list[str], list[str]]] = {}
    for label, group, sha256 in zip(table["label"].tolist(), table["group"].tolist(), table["sha256"].tolist(), strict=True):
        hashes, labels = together.setdefault(sha256 if group < 0 else group, ([], []))
        hashes.append(sha256)
        labels.append(label)
    return sorted(together.values(), key=lambda unit: digest(f"{seed} {min(unit[0])}"))


def stored_holdout(workspace: Workspace) -> list[str] | None:
    """The workspace's holdout; None when none was chosen yet. Raises InputError when the file is damaged."""
    file = workspace.holdout_file
    if not file.exists():
        return None
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        hashes = fields["sha256"]
        if fields["schema"] != SCHEMA or digest("\n".join(hashes)) != fields["digest"]:
            raise ValueError("its digest does not fit")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged: {error}") from error
    return [str(sha256) for sha256 in hashes]


def store_holdout(workspace: Workspace, hashes: list[str]) -> None:
    """Keep the holdout for good."""
    fields = {"schema": SCHEMA, "share": workspace.holdout, "seed": workspace.seed, "digest": digest("\n".join(hashes)),
              "sha256": hashes}
    write_atomic(workspace.holdout_file, json.dumps(fields, indent=1) + "\n")
