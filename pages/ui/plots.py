"""Plotly figures: training curves, the reliability diagram, the difference of two runs.

Colours are chosen to read on light and on dark backgrounds; all else is left to Streamlit's theme.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages.ui.text import count, plotly
from pages.ui.words import say

GREY, BLUE, RED, GREEN, AMBER, VIOLET = "#9aa0a6", "#2f86a6", "#c75146", "#5a9a4d", "#d9922b", "#8a6fc4"
_TITLED = {"l": 0, "r": 0, "t": 30, "b": 0}
NO_TOOLS = {"displayModeBar": False}  # in a narrow window the tools would cover the title, and few points need no zoom


def curves(history: pd.DataFrame, value: str, title: str, height: int = 260) -> go.Figure:
    """`value` over the epochs: a thin line a member, the mean of all thick. `history`: `member`, `epoch`, and the value. There
    is no mean of an epoch that some have not reached: it would change by who is in it."""
    figure, epoch = go.Figure(), say("plots.epoch")
    for name, member in history.groupby("member", sort=False):
        figure.add_scatter(x=member["epoch"], y=member[value], mode="lines", line={"width": 1, "color": GREY}, opacity=0.7,
                           name=plotly(name), showlegend=False,
                           hovertemplate=f"{plotly(name)}<br>{epoch} %{{x}}: %{{y:.4f}}<extra></extra>")
    by_epoch = history.groupby("epoch")
    mean = by_epoch[value].mean()[by_epoch["member"].nunique() == history["member"].nunique()]
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
        sizes = 3 + 9 * np.sqrt(used["images"] / max(used["images"].max(), 1))  # a bin of few images says little
        figure.add_scatter(x=used["confidence"], y=used["accuracy"], mode="lines+markers",
                           marker={"color": colour, "size": sizes.tolist(), "opacity": 1},
                           customdata=[count(n, "image") for n in used["images"]],
                           name=plotly(name), line={"color": colour, "width": 2},
                           hovertemplate=f"{confidence} %{{x:.2f}}, {accuracy} %{{y:.2f}}<br>%{{customdata}}<extra></extra>")
    figure.update_layout(height=height, margin=_TITLED, title={"text": say("plots.reliability"), "font": {"size": 14}},
                         xaxis={"title": {"text": confidence}, "range": [0, 1]},
                         yaxis={"title": {"text": accuracy}, "range": [0, 1]},
                         showlegend=len(bins) > 1,
                         legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"})
    return figure


def interval(difference: float, low: float, high: float, title: str, height: int = 150) -> go.Figure:
    """A difference of losses with its interval beside zero; left of it, the second run is better."""
    colour = GREEN if high < 0 else RED if low > 0 else GREY
    figure = go.Figure()
    figure.add_vline(x=0, line={"color": GREY, "width": 1, "dash": "dot"})
    figure.add_scatter(x=[low, high], y=[0, 0], mode="lines", line={"color": colour, "width": 8}, opacity=0.35,
                       hoverinfo="skip", showlegend=False)
    figure.add_scatter(x=[difference], y=[0], mode="markers", marker={"color": colour, "size": 15}, showlegend=False,
                       hovertemplate="%{x:+.4f}<extra></extra>")
    reach = 1.15 * max(abs(low), abs(high), 1e-6)
    figure.update_layout(height=height, margin=_TITLED, title={"text": title, "font": {"size": 14}},
                         xaxis={"range": [-reach, reach], "tickformat": "+~g"}, yaxis={"visible": False, "range": [-1, 1]})
    for x, anchor, words in ((0, "left", say("plots.better")), (1, "right", say("plots.worse"))):
        figure.add_annotation(x=x, y=1, xref="paper", yref="paper", xanchor=anchor, yanchor="top", text=words, showarrow=False,
                              font={"size": 12, "color": GREY})
    return figure
