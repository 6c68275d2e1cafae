"""The tree of classes as a Plotly figure, and what the groups below a distance hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from hai_core.findings.class_tree import Classes, groups
from pages.ui.plots import AMBER, BLUE, GREEN, GREY, RED, VIOLET
from pages.ui.text import plotly, shortened_apart

LINE = 15  # pixels a class
STEPS = 80  # of the slider
_TICKS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1, 1.5)
_COLOURS = (BLUE, AMBER, GREEN, VIOLET, RED)  # of groups that follow each other


def dendrogram(tree: npt.NDArray[np.float64], names: Sequence[str], distance: float, title: str) -> go.Figure:
    """The tree (K - 1, 4) from left (alike) to right, a line a class; groups below `distance` in colours, `title` above.

    Distances are drawn by their square root: most merges are far below the last.
    """
    from scipy.cluster.hierarchy import leaves_list

    k = len(names)
    order = leaves_list(tree)
    place = np.empty(2 * k - 1)  # of every node, from the top; a merge stands in the middle of its two
    place[order] = np.arange(k)
    height, colour = np.zeros(2 * k - 1), np.empty(2 * k - 1, np.int64)
    colour[:k] = groups(tree, distance) % len(_COLOURS)
    lines: dict[int, tuple[list[float | None], list[float | None]]] = {c: ([], []) for c in range(-1, len(_COLOURS))}
    for node, (a, b, at, _) in enumerate(tree, start=k):
        a, b = int(a), int(b)
        place[node], height[node] = (place[a] + place[b]) / 2, np.sqrt(at)
        colour[node] = colour[a] if at <= distance else -1
        x, y = lines[int(colour[node])]
        x += [height[a], height[node], height[node], height[b], None]
        y += [place[a], place[a], place[b], place[b], None]
    figure = go.Figure()
    for c, (x, y) in lines.items():
        line = {"width": 1.2, "color": GREY if c < 0 else _COLOURS[c]}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)
    figure.add_vline(np.sqrt(distance), line={"color": RED, "width": 1})
    ticks = [t for t in _TICKS if t <= tree[-1, 2]]
    shown = shortened_apart([names[i] for i in order], 34)
    figure.update_layout(
        height=LINE * k + 60, margin={"l": 0, "r": 8, "t": 40, "b": 8},
        xaxis={"side": "top", "title": {"text": title}, "rangemode": "tozero", "fixedrange": True, "zeroline": False,
               "tickangle": 0, "tickvals": np.sqrt(ticks), "ticktext": [f"{t:g}" for t in ticks]},
        yaxis={"tickvals": list(range(k)), "ticktext": [plotly(name) for name in shown], "range": [k - 0.5, -0.5],
               "tickfont": {"size": 11}, "showgrid": False, "zeroline": False, "fixedrange": True})
    return figure


def distances(tree: npt.NDArray[np.float64]) -> list[float]:
    """Where the line can stand: as many merges between any two that follow each other."""
    return sorted(set(np.quantile(tree[:, 2], np.linspace(0, 1, STEPS + 1)).tolist()))


def group_table(tree: npt.NDArray[np.float64], classes: Classes, distance: float) -> pd.DataFrame:
    """A row for each group of two classes or more, the closest first: `classes` (how many), `images`, `distance` at which the
    last of them joins, and `names` (list)."""
    number = groups(tree, distance)
    joined: dict[int, float] = {}
    first = list(range(len(classes.names)))  # a class of every node
    for a, _, at, _ in tree:
        first.append(first[int(a)])
        if at <= distance:
            joined[int(number[first[-1]])] = float(at)
    rows = []
    for group, at in sorted(joined.items(), key=lambda item: item[1]):
        mine = np.flatnonzero(number == group)
        rows.append({"names": [classes.names[i] for i in mine], "classes": len(mine), "images": int(classes.images[mine].sum()),
                     "distance": at})
    return pd.DataFrame(rows, columns=["names", "classes", "images", "distance"])
