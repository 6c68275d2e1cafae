"""The manifests of a workspace as a line of versions, the newest first: what is in each, what changed, its trained runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from hai_core.runs import FINISHED
from hai_core.workspace import InputError
from pages.ui.activity import local
from pages.ui.freezing import change_counts
from pages.ui.text import count, text
from pages.ui.words import say

LISTED = 5  # versions of the line before the older ones are asked for: each is compared with the one before it
ALL = "manifest.all"  # session key: bool, whether the whole line is shown
SHOWN_RUNS = 3
ONLY_WHEN_SOME = ("excluded", "relabelled", "unreadable", "unlabelled", "merged_classes", "dropped_classes", "stale_decisions")
_css = Path(__file__).with_name("versions.css")


def parents(history: pd.DataFrame) -> dict[str, str]:
    """Folder of a manifest -> folder of the one that was the newest when it was built; without those whose parent is gone."""
    folder = dict(zip(history["digest"], history["path"], strict=True))
    return {path: folder[parent] for path, parent in zip(history["path"], history["parent"], strict=True) if parent in folder}


def called(history: pd.DataFrame) -> dict[str, str]:
    """Folder of a manifest -> when it was built, on the person's clock, and the first digits of its digest."""
    built = local(history["time"], st.context.timezone).dt.strftime("%Y-%m-%d %H:%M")
    return dict(zip(history["path"], built + " · " + history["digest"].str[:12], strict=True))


def choose(history: pd.DataFrame, runs: pd.DataFrame) -> str:
    """The line of versions, one of which is chosen: its folder."""
    names, before = called(history), parents(history)
    shown = history if st.session_state.get(ALL) else history.head(LISTED)
    captions = [_caption(row, before.get(row["path"]), runs[runs["manifest"] == row["digest"]])
                for row in shown.to_dict("records")]
    st.html(_css)
    with st.container(key="manifest-line"):
        chosen = st.radio(say("manifest.version"), shown["path"].tolist(), format_func=lambda path: text(names[path]),
                          captions=captions, key=f"manifest.version-{history['digest'].iloc[0]}", label_visibility="collapsed")
    if len(shown) < len(history):
        st.button(say("manifest.older", n=len(history) - len(shown)), key="manifest.older", type="tertiary",
                  on_click=st.session_state.update, args=({ALL: True},))
    return str(chosen)


def _caption(version: Mapping[str, Any], parent: str | None, runs: pd.DataFrame) -> str:
    lines = [f"{count(version['images'], 'image')} · {count(version['classes'], 'class')}", _delta(version, parent)]
    if len(runs):
        lines.append(run_words(runs.iloc[0].to_dict()) + (f" (+{len(runs) - 1})" if len(runs) > 1 else ""))
    return "  \n".join(text(line) for line in lines)


def _delta(version: Mapping[str, Any], parent: str | None) -> str:
    """'+3 −20 ~5': images added, removed and relabelled since the version before; then what happened to others."""
    if parent is None:
        return say("manifest.parent_gone" if version["parent"] else "manifest.first")
    try:
        changed = change_counts(parent, version["path"])
    except InputError:
        return say("manifest.damaged")
    added, removed, relabelled = (changed.pop(name, 0) for name in ("added", "removed", "relabelled"))
    others = sum(changed.values())
    words = f"+{added:,} −{removed:,} ~{relabelled:,}"
    return f"{words} · {say('manifest.otherwise', images=count(others, 'image'))}" if others else words


def contents(version: pd.Series) -> str:
    """What is in a version, in one line; counts that are 0 in most data sets only when they are not."""
    always = [say(f"manifest.n_{name}", n=f"{version[name]:,}") for name in ("images", "classes", "train", "holdout")]
    return " · ".join(always + [say(f"manifest.n_{name}", n=f"{version[name]:,}") for name in ONLY_WHEN_SOME if version[name]])


def run_words(run: Mapping[str, Any]) -> str:
    """'default: log loss 0.51 on the holdout, 0.62 out of fold', or how far it is."""
    if run["state"] != FINISHED:
        state = str(run["state"])
        return f"{run['name']}: {say(f'manifest.run_{state}')}"
    figures = [say(f"manifest.{name}", value=f"{run[name]:.3f}") for name in ("holdout_log_loss", "log_loss")
               if not pd.isna(run[name])]
    return f"{run['name']}: {', '.join(figures)}"


def draw_runs(runs: pd.DataFrame) -> None:
    """The runs trained on the chosen version, each a way to what it confuses; or the way to train one."""
    if runs.empty:
        st.page_link("pages/training.py", label=say("manifest.train"), icon=":material/model_training:")
        return
    for run in runs.head(SHOWN_RUNS).to_dict("records"):
        finished = run["state"] == FINISHED
        if st.button(text(run_words(run)), key=f"manifest.run-{run['id']}", type="tertiary",
                     icon=":material/grid_on:" if finished else ":material/model_training:",
                     help=say("manifest.to_confusions" if finished else "manifest.to_training")):
            if finished:
                st.session_state["confusions.run"] = run["path"]
            st.switch_page("pages/confusions.py" if finished else "pages/training.py")
    if len(runs) > SHOWN_RUNS:
        st.page_link("pages/training.py", label=say("manifest.all_runs", n=len(runs)), icon=":material/model_training:")
