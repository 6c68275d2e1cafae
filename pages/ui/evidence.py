"""What speaks for and against the label of the image in focus: shown beside the gallery of the Noise page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from hai_core.findings.noise import TOP
from hai_core.workspace import Workspace
from pages.ui import gallery as galleries
from pages.ui import loaders
from pages.ui.text import bold, markup
from pages.ui.words import say

TYPICAL = 4  # images shown of a class
NEAREST = 8  # images shown that are most like the one in focus


@dataclass(frozen=True)
class Answer:
    """What the classifier that did not learn from an image says of one class."""

    label: str
    chance: float
    role: str  # 'given', 'suggested' or ''


def answers(row: Mapping[str, Any], mapping: Mapping[str, str]) -> list[Answer]:
    """Of a row of a noise table: the likeliest classes, the likeliest first, and at the end the given label if not among them.

    Classes are called as they are now; those that are one class by now share one answer, and dropped ones are left out. Empty
    for a table of an earlier version.
    """
    chances: dict[str, float] = {}
    for rank in range(1, TOP + 1):
        name, chance = row.get(f"class_{rank}"), float(row.get(f"p_{rank}", 0))
        now = "" if pd.isna(name) else mapping.get(str(name), str(name))
        if now:
            chances[now] = chances.get(now, 0) + chance
    given, suggested = row["now"], row["suggested_label"]
    if chances and given and given not in chances and mapping.get(row["label"], row["label"]) == given:
        chances[given] = float(row["self_confidence"])
    found = [Answer(name, chance, "given" if name == given else "suggested" if name == suggested else "")
             for name, chance in chances.items()]
    return sorted(found, key=lambda answer: -answer.chance)


def neighbour_tiles(found: pd.DataFrame, labels: np.ndarray, given: str, suggested: str) -> pd.DataFrame:
    """Tiles of `loaders.neighbours`, whose rows have these `labels`; a badge says which of the two labels in question it is."""
    roles = [labels == given, (labels == suggested) & (suggested != "")]
    return found[["path", "sha256"]].assign(
        caption=np.where(labels == "", say("noise.no_label"), labels),
        badge=np.select(roles, [say("noise.same_label"), say("noise.suggested_label")], ""),
        tone=np.select(roles, ["good", "warn"], ""))


def show(workspace: Workspace, row: Mapping[str, Any], soon: Iterable[str]) -> None:
    """All of it, for one row of `review.image_review`; the images of `soon` are probably asked for next."""
    given, suggested = row["now"], row["suggested_label"]
    typical(workspace, given, suggested)
    said = answers(row, loaders.curation(workspace).mapping)
    if said:
        st.markdown(say("noise.answers"), help=say("noise.answers_help"))
        st.html(bars(said))
    neighbours(workspace, row["path"], given, suggested, soon)


def typical(workspace: Workspace, given: str, suggested: str = "") -> None:
    """Typical images of the given and of the suggested label, side by side."""
    left, right = st.container(key="typical").columns(2, gap="small")
    with left:
        _class(workspace, say("noise.given"), given, "label-given")
    if suggested not in ("", given):
        with right:
            _class(workspace, say("noise.suggested"), suggested, "label-suggested")


def _class(workspace: Workspace, word: str, label: str, key: str) -> None:
    st.markdown(f"{word}  \n{bold(label or say('noise.no_label'))}")
    if label:
        galleries.strip(workspace, loaders.typical(workspace, label, TYPICAL), key=key, size=84, wrap=True)


def bars(said: list[Answer]) -> str:
    """A list with a bar for each answer, as HTML (style.css draws it)."""
    marks = {"given": say("noise.same_label"), "suggested": say("noise.suggested_label"), "": ""}
    return '<div class="answers" role="list" data-testid="answers">' + "".join(
        f'<div class="{answer.role}" role="listitem"><span>{markup(answer.label)}</span><em>{marks[answer.role]}</em>'
        f'<b>{percent(answer.chance)}</b><i style="width:{answer.chance:.1%}"></i></div>' for answer in said) + "</div>"


def percent(chance: float) -> str:
    return f"{chance:.0%}" if chance >= 0.01 else "< 1%"


def neighbours(workspace: Workspace, path: str, given: str, suggested: str, soon: Iterable[str]) -> None:
    """The images most like this one, and how many of them have which label."""
    found = loaders.neighbours(workspace, path, NEAREST, soon)
    if found.empty:
        return
    labels = loaders.curation(workspace).label[found.index.to_numpy()]
    counts = {"n": len(found), "given": int((labels == given).sum()), "suggested": int((labels == suggested).sum())}
    st.markdown(say("noise.neighbours_of_both" if suggested not in ("", given) else "noise.neighbours", **counts))
    galleries.strip(workspace, neighbour_tiles(found, labels, given, suggested), key="neighbours", size=76, wrap=True)
