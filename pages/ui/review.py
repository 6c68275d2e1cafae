"""What is left to look at: findings beside the decisions made so far. Pure functions of tables; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from hai_core.decisions import Curation
from hai_core.records import Decision

LIKELY = 0.5  # score of a merge proposal that asks for a decision
MANY_PAIRS = 50  # a group of more images than this is remembered as "not duplicates" against its kept image only


@dataclass(frozen=True)
class Progress:
    """How far the review of one kind of finding is."""

    total: int
    done: int

    @property
    def left(self) -> int:
        return self.total - self.done


def with_decisions(findings: pd.DataFrame, catalog: pd.DataFrame, curation: Curation) -> pd.DataFrame:
    """Findings of images that are still in the catalog, with `sha256`, `now` (label), `excluded`, `unsure`, `relabeled`,
    `label_reviewed`, `quality_reviewed`. Row order is kept."""
    rows = pd.Index(catalog["path"]).get_indexer(findings["path"])
    table, rows = findings[rows >= 0].copy(), rows[rows >= 0]
    table["sha256"] = catalog["sha256"].to_numpy()[rows]
    table["now"] = curation.label[rows]
    for name, mask in (("excluded", curation.excluded), ("unsure", curation.unsure), ("relabeled", curation.relabeled),
                       ("label_reviewed", curation.reviewed["noise"]), ("quality_reviewed", curation.reviewed["quality"])):
        table[name] = mask[rows]
    return table


def image_review(kind: str, findings: pd.DataFrame, catalog: pd.DataFrame, curation: Curation) -> pd.DataFrame:
    """One row an image to review, most suspicious first: `findings` with decisions, `open`, and `flagged`.

    Flagged are: for noise what the detector flagged, for quality every image with a problem (its worst one is kept), for
    outliers the least typical hundredth. A `suggested_label` is called as its class is now, '' when that was dropped; an image
    that a merge has given its suggested label needs no review.
    """
    table = with_decisions(findings, catalog, curation).sort_values("score", kind="stable")
    reviewed = table["quality_reviewed"] if kind == "quality" else table["label_reviewed"]
    table["open"] = ~(reviewed | table["excluded"])
    if kind == "quality":
        table = table[table["problem"] != "unreadable"].drop_duplicates("path")
        table["flagged"] = True
    elif kind == "noise":
        codes, names = pd.factorize(table["suggested_label"])
        now = pd.Series([curation.mapping.get(name, name) for name in names], dtype="str")
        table["suggested_label"] = now.to_numpy()[codes]
        table["flagged"] &= ~(table["open"] & (table["suggested_label"] == table["now"]))
    elif kind == "outliers":
        table["flagged"] = np.arange(len(table)) < max(1, len(table) // 100)
    return table


def image_progress(review: pd.DataFrame) -> Progress:
    flagged = review[review["flagged"].astype(bool)]
    return Progress(len(flagged), int((~flagged["open"]).sum()))


def progress_of(kind: str, findings: pd.DataFrame, catalog: pd.DataFrame, curation: Curation) -> Progress:
    """How far the review of a kind of finding is."""
    if kind == "duplicates":
        groups = duplicate_groups(duplicate_images(findings, catalog, curation), curation.not_duplicates)
        return Progress(len(groups), int((~groups["open"]).sum()))
    if kind == "merges":
        return merge_progress(findings, curation)
    return image_progress(image_review(kind, findings, catalog, curation))


def merge_progress(findings: pd.DataFrame, curation: Curation) -> Progress:
    """Of the proposals more likely than not: how many pairs are merged, kept apart, or have lost a class."""
    likely = findings[findings["score"] >= LIKELY]
    pairs_now = [(curation.mapping.get(a, a), curation.mapping.get(b, b))
                 for a, b in zip(likely["class_a"], likely["class_b"], strict=True)]
    open_pairs = [pair for pair in pairs_now
                  if all(pair) and len(set(pair)) == 2 and frozenset(pair) not in curation.keep_apart]
    return Progress(len(likely), len(likely) - len(open_pairs))


def duplicate_images(findings: pd.DataFrame, catalog: pd.DataFrame, curation: Curation) -> pd.DataFrame:
    """The images of duplicate groups, kept image first, with decisions, `strength` (0 .. 1, 1 for equal bytes) and `kept`.

    `kept`: the one image of a group to keep as things stand: `keep`, or when that one is excluded or gone the strongest other,
    so that no group is proposed to lose every image.
    """
    table = with_decisions(findings, catalog, curation)
    table["strength"] = strengths(table)
    table = table.sort_values(["group", "keep", "strength"], ascending=[True, False, False], kind="stable")
    left = table[~table["excluded"]]
    table["kept"] = table["path"].isin(left.drop_duplicates("group")["path"])
    return table


def strengths(findings: pd.DataFrame) -> npt.NDArray[np.float64]:
    """How alike each row of `find duplicates` is to its group's kept image, (N,): 0 .. 1, 1 for equal bytes."""
    bits = findings["unit"] == "bits"
    strength: npt.NDArray[np.float64] = (1 - np.where(bits, findings["distance"] / 64, findings["distance"])).clip(0, 1)
    return strength


def stronger(images: pd.DataFrame, least: float) -> pd.DataFrame:
    """`duplicate_images` regrouped: copies weaker than `least` leave their group, and groups of one image are none."""
    left = images[images["keep"] | (images["strength"] >= least)]
    return left[left.groupby("group")["path"].transform("size") > 1].copy()


def duplicate_groups(images: pd.DataFrame, not_duplicates: set[frozenset[str]]) -> pd.DataFrame:
    """One row a group: `group`, `size`, `cross_class`, `strength` (of its weakest member), `open`; what matters most first.

    A group is open while two of its images are neither excluded nor known to be no duplicates of each other.
    """
    groups = images.groupby("group", sort=True).agg(
        size=("path", "size"), cross_class=("cross_class", "any"), strength=("strength", "min")).reset_index()
    left = images.loc[~images["excluded"], ["group", "path"]]
    told = left["path"].isin({path for pair in not_duplicates for path in pair})
    rows = left.groupby("group").indices  # group -> rows of `left`
    count = groups["group"].map(left["group"].value_counts()).fillna(0).to_numpy()
    new = groups["group"].isin(left["group"][~told]).to_numpy()  # holds an image that is of no such pair
    open_ = (count >= 2) & new
    for at in np.flatnonzero((count >= 2) & ~new):
        own = left["path"].iloc[rows[groups["group"].iat[at]]]
        open_[at] = any(frozenset(pair) not in not_duplicates for pair in pairs(own))
    return groups.assign(open=open_).sort_values(["cross_class", "size", "strength", "group"],
                                                 ascending=[False, False, False, True], ignore_index=True)


def pairs(paths: Iterable[str]) -> list[tuple[str, str]]:
    """The pairs that "not duplicates" is remembered for: all, or in a very large group each with the first."""
    listed = list(paths)
    if len(listed) > MANY_PAIRS:
        return [(listed[0], other) for other in listed[1:]]
    return list(combinations(listed, 2))


def keep_some(kept: Iterable[str], others: Iterable[str], excluded: Set[str] = frozenset(),
              relabelled: Mapping[str, str] = {}) -> list[Decision]:
    """Exclude `others`; the kept ones, when several, are no duplicates of each other, and those `excluded` before come back.

    `relabelled`: path -> the label that is right, of kept ones that have another.
    """
    kept = list(kept)
    return [*(Decision("relabel", path=path, value=relabelled[path]) for path in kept if path in relabelled),
            *(Decision("restore", path=path) for path in kept if path in excluded),
            *(Decision("exclude", path=path, reason="duplicate") for path in others if path not in excluded),
            *no_duplicates(kept)]


def no_duplicates(paths: Iterable[str]) -> list[Decision]:
    return [Decision("not_duplicates", path=a, other=b) for a, b in pairs(paths)]
