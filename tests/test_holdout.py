"""The holdout: about the share asked for, of every class but never all of it, duplicates whole, and for good."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from handmade import workspace_at
from hypothesis import given, settings
from hypothesis import strategies as st

from hai_core.holdout import choose_holdout, store_holdout, stored_holdout
from hai_core.workspace import InputError, digest


def table_of(sizes: dict[str, int], groups: dict[int, int] | None = None) -> pd.DataFrame:
    """A manifest's table: `sizes` images of each class; the first rows in duplicate groups of the given sizes."""
    labels = [label for label, size in sizes.items() for _ in range(size)]
    numbers = [group for group, size in (groups or {}).items() for _ in range(size)]
    return pd.DataFrame({"label": labels, "group": (numbers + [-1] * len(labels))[:len(labels)],
                         "sha256": [digest(f"image {n}") for n in range(len(labels))]})


def counts(table, hashes):
    return table[table["sha256"].isin(set(hashes))]["label"].value_counts().to_dict()


def test_the_share_of_every_class():
    table = table_of({"A": 100, "B": 40, "C": 20})
    assert counts(table, choose_holdout(table, 0.15, seed=0)) == {"A": 15, "B": 6, "C": 3}


def test_small_classes_add_up_to_the_share():
    table = table_of({f"class {n}": 3 for n in range(100)})  # rounding each class down would leave nothing
    chosen = counts(table, choose_holdout(table, 0.15, seed=0))
    assert sum(chosen.values()) == 45
    assert set(chosen.values()) == {1}


def test_a_class_of_one_stays_in_training():
    table = table_of({"A": 1, "B": 1, "C": 1, "D": 4})
    assert counts(table, choose_holdout(table, 0.5, seed=0)) == {"D": 3}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from("ABCDEF"), st.integers(1, 12), min_size=1),
       st.lists(st.integers(2, 5), max_size=6), st.sampled_from([0.05, 0.15, 0.5]), st.integers(0, 5))
def test_groups_stay_whole_and_no_class_goes_whole(sizes, group_sizes, share, seed):
    table = table_of(sizes, dict(enumerate(group_sizes)))
    held = table["sha256"].isin(set(choose_holdout(table, share, seed)))
    assert held.sum() <= round(share * len(table))
    assert set(table[~held]["label"]) == set(sizes)
    grouped = held[table["group"] >= 0].groupby(table["group"])
    assert (grouped.min() == grouped.max()).all()


def test_the_choice_depends_on_seed_and_content_only():
    table = table_of({"A": 50, "B": 50})
    chosen = choose_holdout(table, 0.2, seed=1)
    assert chosen == choose_holdout(table.sample(frac=1, random_state=3), 0.2, seed=1)
    assert chosen != choose_holdout(table, 0.2, seed=2)


def test_no_share_no_holdout():
    assert choose_holdout(table_of({"A": 50}), 0, seed=1) == []


def test_stored_and_damaged(tmp_path):
    workspace = workspace_at(tmp_path)
    assert stored_holdout(workspace) is None
    store_holdout(workspace, ["ab", "cd"])
    assert stored_holdout(workspace) == ["ab", "cd"]
    fields = json.loads(workspace.holdout_file.read_text())
    workspace.holdout_file.write_text(json.dumps(fields | {"sha256": ["ab"]}))
    with pytest.raises(InputError, match=r"holdout\.json is damaged: its digest does not fit"):
        stored_holdout(workspace)
    workspace.holdout_file.write_text("{")
    with pytest.raises(InputError, match=r"holdout\.json is damaged"):
        stored_holdout(workspace)
