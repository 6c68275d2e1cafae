"""Which merge proposals are still open, and what speaks for and against one, in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

import pandas as pd

from hai_core.fold import Curation
from hai_core.names import numbers, similarity
from pages.ui.text import bold, text
from pages.ui.words import count, say

ALIKE, APART = 0.5, 0.25  # a signal from here on speaks for one class, and up to there for two
OFTEN, SELDOM = 0.25, 0.02  # share of a class's images that are taken for the other
SAME_NAME = 0.85  # likeness from which two names are one name written in two ways


@dataclass(frozen=True)
class Evidence:
    """One thing known about a pair of classes: Markdown, and whether it speaks for one class (1), for two (-1), or neither."""

    text: str
    speaks: int = 0


def pending(proposals: pd.DataFrame, curation: Curation, skipped: Set[frozenset[str]]) -> pd.DataFrame:
    """Proposals that are still open, best first, about the classes as they are called now.

    Left out: pairs that are one class by now, of which one was dropped, that are to stay apart, or that are in `skipped`.
    """
    now = proposals.copy()
    for column in ("class_a", "class_b"):
        now[column] = [curation.mapping.get(name, name) for name in proposals[column]]
    now["pair"] = [frozenset(pair) for pair in zip(now["class_a"], now["class_b"], strict=True)]
    now = now.sort_values("score", ascending=False, kind="stable").drop_duplicates("pair")
    settled = curation.keep_apart | skipped
    is_open = [len(pair) == 2 and "" not in pair and pair not in settled for pair in now["pair"]]
    return now[is_open].reset_index(drop=True)


def evidence(proposal: pd.Series, called: Sequence[str]) -> list[Evidence]:
    """What is known about a row of `pending`, the strongest kind first.

    `called`: how its class_a and class_b are shown. A table of an older version has fewer columns, and less is known.
    """
    known = []
    if "taken_ab" in proposal:
        known += _taken(proposal, [text(name) for name in called])
    known += [Evidence(say(f"classes.evidence_{signal}", figure=bold(f"{proposal[signal]:.2f}")),
                       1 if proposal[signal] >= ALIKE else -1 if proposal[signal] <= APART else 0)
              for signal in ("confusion", "joint", "overlap") if signal in proposal]
    if "spread_ratio" in proposal:
        ratio = float(proposal["spread_ratio"])
        known.append(Evidence(say("classes.evidence_spread", figure=bold(f"{ratio:.2f}")), -1 if ratio > 1 else 0))
    return [*known, _names(proposal["class_a"], proposal["class_b"])]


def _taken(proposal: pd.Series, called: Sequence[str]) -> list[Evidence]:
    """Who is taken for whom, one way and the other."""
    told = []
    for way, own, other in (("ab", called[0], called[1]), ("ba", called[1], called[0])):
        taken, images = int(proposal[f"taken_{way}"]), int(proposal[f"images_{way[0]}"])
        words = say("classes.evidence_taken", taken=bold(f"{taken:,}"), images=count(images, "image"), own=own, other=other)
        told.append(Evidence(words, 1 if taken >= OFTEN * images else -1 if taken <= SELDOM * images else 0))
    return told


def _names(a: str, b: str) -> Evidence:
    """Whether the names are one name written in two ways, or differ in a number."""
    alike = similarity(a, b)
    if alike >= SAME_NAME:
        return Evidence(say("classes.evidence_same_name", figure=bold(f"{alike:.2f}")), 1)
    only = [" ".join((Counter(numbers(one)) - Counter(numbers(other))).elements()) for one, other in ((a, b), (b, a))]
    if all(only) and similarity(re.sub(r"\d+", " ", a), re.sub(r"\d+", " ", b)) >= SAME_NAME:
        return Evidence(say("classes.evidence_numbers", a=bold(only[0]), b=bold(only[1])), -1)
    return Evidence(say("classes.evidence_names", figure=bold(f"{alike:.2f}")))
