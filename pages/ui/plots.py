"""Plotly figures: the confusion matrix, training curves, the reliability diagram.

Colours are chosen to read on light and on dark backgrounds; all else is left to Streamlit's theme. Points carry names
(a path, two classes) in `customdata`, escaped for Plotly, because a point's index means nothing once the table changed.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from pages.ui.text import count, plotly, shortened_apart
from pages.ui.words import say

GREY, BLUE, RED, GREEN, AMBER, VIOLET = "#9aa0a6", "#2f86a6", "#c75146", "#5a9a4d", "#d9922b", "#8a6fc4"
# With transparency, so that few errors are faint and many are strong on light and on dark backgrounds alike.
_ERRORS = [[0, "rgba(232,160,70,0.40)"], [0.5, "rgba(226,110,50,0.90)"], [1, "rgba(196,35,62,1)"]]
_HITS = [[0, "rgba(140,150,160,0.12)"], [1, "rgba(80,140,175,0.60)"]]
_TITLED = {"l": 0, "r": 0, "t": 30, "b": 0}
_TOOLS = _TITLED | {"t": 36}  # so that Plotly's tools, which show on hover, cover no point and no cell
NO_TOOLS = {"displayModeBar": False}  # in a narrow window the tools would cover the title, and few points need no zoom


def picked(state: Any) -> list[tuple[str, ...]]:
    """The names that the selected points carry, each once, in order of selection: `(path,)` or `(label, predicted)`."""
    carried = (point.get("customdata") for point in state["selection"]["points"])
    names = (tuple(map(str, c)) if isinstance(c, list | tuple) else (str(c),) for c in carried if c is not None)
    return [tuple(map(html.unescape, name)) for name in dict.fromkeys(names)]


def confusion_matrix(counts: npt.NDArray[np.int64], names: Sequence[str], height: int | None = None) -> go.Figure:
    """Heat map of (K, K) counts: row given label, column predicted. Errors in log colours, hits on the diagonal apart.

    A cell carries (label, predicted) as `customdata`; an empty cell carries nothing and cannot be clicked.
    """
    k = len(names)
    off = np.where(np.eye(k, dtype=bool) | (counts == 0), np.nan, counts.astype(float))
    totals = np.maximum(counts.sum(1), 1)
    diagonal = np.where(np.eye(k, dtype=bool), counts / totals[:, None], np.nan)
    top = max(float(np.nanmax(off)) if np.isfinite(off).any() else 1.0, 2.0)
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000) if t <= top]
    figure = go.Figure()
    figure.add_heatmap(z=diagonal, zmin=0, zmax=1, colorscale=_HITS, showscale=False, hoverinfo="skip", xgap=1, ygap=1)
    figure.add_heatmap(z=np.log10(off), zmin=0, zmax=np.log10(top), colorscale=_ERRORS, hoverinfo="skip", xgap=1, ygap=1,
                       colorbar={"title": {"text": say("plots.images"), "side": "top"}, "tickvals": np.log10(ticks),
                                 "ticktext": ticks, "orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom",
                                 "thickness": 8, "len": 0.45, "outlinewidth": 0})
    rows, columns = np.nonzero(counts)
    safe = np.array([plotly(name) for name in names], dtype=object)
    hover = [_cell_text(counts[r, c], totals[r], safe[r], safe[c], r == c) for r, c in zip(rows, columns, strict=True)]
    side = height or int(np.clip(26 * k + 150, 420, 900))
    figure.add_scatter(x=columns, y=rows, mode="markers", customdata=np.stack([safe[rows], safe[columns]], 1), text=hover,
                       hovertemplate="%{text}<extra></extra>", showlegend=False,
                       marker={"symbol": "square", "size": float(np.clip(0.7 * side / max(k, 1), 5, 40)), "opacity": 0,
                               "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": BLUE}},
                       selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 0}})
    labels = {"tickvals": list(range(k)), "ticktext": [plotly(name) for name in shortened_apart(names, 24)], "showgrid": False,
              "zeroline": False, "range": [-0.5, k - 0.5], "tickfont": {"size": 11 if k <= 40 else 8}}
    figure.update_layout(height=side, margin=_TOOLS, hovermode="closest", dragmode="pan", uirevision="matrix",
                         xaxis=labels | {"title": {"text": say("plots.predicted")}, "tickangle": -60},
                         yaxis=labels | {"title": {"text": say("plots.label")}, "range": [k - 0.5, -0.5]})
    return figure


def _cell_text(n: int, total: int, label: str, predicted: str, hit: bool) -> str:
    share = say("plots.share", n=f"{n:,}", total=f"{total:,}", rate=f"{n / total:.0%}")
    if hit:
        return f"{label}<br>{say('plots.right', share=share)}"
    return f"{say('plots.labelled', name=label)}<br>{say('plots.predicted_as', name=predicted)}<br>{share}"


def curves(history: pd.DataFrame, value: str, title: str, height: int = 260) -> go.Figure:
    """`value` over the epochs: a thin line a member, the mean of all thick. `history`: `member`, `epoch`, and the value."""
    figure, epoch = go.Figure(), say("plots.epoch")
    for name, member in history.groupby("member", sort=False):
        figure.add_scatter(x=member["epoch"], y=member[value], mode="lines", line={"width": 1, "color": GREY}, opacity=0.7,
                           name=plotly(name), showlegend=False,
                           hovertemplate=f"{plotly(name)}<br>{epoch} %{{x}}: %{{y:.4f}}<extra></extra>")
    mean = history.groupby("epoch")[value].mean()
    figure.add_scatter(x=mean.index, y=mean, mode="lines", line={"width": 3, "color": BLUE}, showlegend=False,
                       hovertemplate=f"{say('plots.mean')}<br>{epoch} %{{x}}: %{{y:.4f}}<extra></extra>")
    figure.update_layout(height=height, margin=_TITLED, title={"text": title, "font": {"size": 14}},
                         xaxis={"title": {"text": epoch}})
    return figure


def reliability(bins: dict[str, pd.DataFrame], height: int = 320) -> go.Figure:
    """Accuracy against confidence; the diagonal is calibrated. `bins`: name -> a row a bin: confidence, accuracy, images."""
    confidence, accuracy = say("plots.confidence"), say("plots.accuracy")
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": GREY, "width": 1}, showlegend=False,
                       hoverinfo="skip")
    for (name, table), colour in zip(bins.items(), (BLUE, AMBER, GREEN, VIOLET), strict=False):
        used = table[table["images"] > 0]
        figure.add_scatter(x=used["confidence"], y=used["accuracy"], mode="lines+markers",
                           customdata=[count(n, "image") for n in used["images"]],
                           name=plotly(name), marker={"color": colour, "size": 6}, line={"color": colour, "width": 2},
                           hovertemplate=f"{confidence} %{{x:.2f}}, {accuracy} %{{y:.2f}}<br>%{{customdata}}<extra></extra>")
    figure.update_layout(height=height, margin=_TITLED, title={"text": say("plots.reliability"), "font": {"size": 14}},
                         xaxis={"title": {"text": confidence}, "range": [0, 1]},
                         yaxis={"title": {"text": accuracy}, "range": [0, 1]},
                         showlegend=len(bins) > 1,
                         legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"})
    return figure
