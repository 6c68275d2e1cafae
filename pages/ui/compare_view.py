"""Two runs compared on the Training page: by the holdout, by their folds, by what they were told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from hai_core import compare, runs
from hai_core import manifest as manifests
from hai_core.compare import BROKEN, FIXED, Common, Paired
from hai_core.runs import FINISHED, Run
from hai_core.workspace import Workspace
from pages.ui import loaders
from pages.ui.plots import NO_TOOLS, interval
from pages.ui.progress import job_panel, start_button
from pages.ui.run_view import FIGURES, see_confusions
from pages.ui.text import count, text
from pages.ui.words import say

BEFORE, AFTER = "compare.before", "compare.after"  # str: folders of the two runs
SPREADS = {"log_loss": "{:.3f}", "accuracy": "{:.1%}"}  # those that every fold has


@dataclass(frozen=True)
class Compared:
    """`holdout`, and `paired` on it; both None where a run has not answered it yet, `paired` None where no image is common."""

    holdout: Common | None
    paired: Paired | None
    figures: pd.DataFrame  # figure, before, after
    told: pd.DataFrame  # option, before, after
    manifest: dict[str, int]  # what happened to how many images from the first manifest to the second


def compared(before: str, after: str) -> Compared:
    stamps = [loaders.stamp(Path(run) / f"{name}.parquet") for run in (before, after) for name in ("oof", "holdout")]
    return _compared(before, after, tuple(stamps))


@st.cache_resource(max_entries=8, show_spinner=False)
def _compared(before: str, after: str, key: object) -> Compared:
    first, second = runs.load(before), runs.load(after)
    held = compare.holdout(first, second)
    paired = compare.paired_on(held, second) if held is not None and len(held.paths) else None
    changes = manifests.diff(first.manifest, second.manifest)["change"].value_counts()
    return Compared(held, paired, pd.DataFrame({"figure": list(FIGURES), "before": figures(first), "after": figures(second)}),
                    compare.differing(first, second), {str(name): int(n) for name, n in changes.items()})


def figures(run: Run) -> list[str]:
    """Each of FIGURES as it is written, with the spread (standard deviation) of the folds where they have the figure."""
    folds = compare.by_fold(run)
    written = []
    for name, form in FIGURES.items():
        value = run.metrics.get(name, np.nan)
        spread = f" ± {SPREADS[name].format(folds[name].std())}" if name in SPREADS and len(folds) > 1 else ""
        written.append("–" if np.isnan(value) else form.format(value) + spread)
    return written


def draw(workspace: Workspace, table: pd.DataFrame) -> None:
    """Choose two finished runs, and see whether the second is better."""
    finished = table[table["state"] == FINISHED]
    names = {row["path"]: f"{row['name']} · {row['id']}" for row in finished.to_dict("records")}
    if len(names) < 2:
        st.caption(say("compare.one_run"))
        return
    left, right = st.columns(2)
    newest = list(names)
    before = left.selectbox(say("compare.before"), newest, index=1, format_func=names.__getitem__, key=BEFORE)
    after = right.selectbox(say("compare.after"), newest, index=0, format_func=names.__getitem__, key=AFTER)
    if before == after:
        st.caption(say("compare.same"))
        return
    found = compared(before, after)
    left, right = st.container(key="wide-compare").columns(2, gap="large")
    with left:
        draw_holdout(workspace, found, before, after)
    with right:
        draw_figures(found)
    draw_told(found)


def draw_holdout(workspace: Workspace, found: Compared, before: str, after: str) -> None:
    st.markdown(f"**{say('compare.holdout')}**")
    if found.holdout is None:
        st.caption(say("compare.unanswered"))
        argv = ["compare", Path(before).name, Path(after).name, "-w", str(workspace.root)]
        start_button(say("compare.answer"), workspace, argv, key="compare.answer")
        job_panel(workspace, "compare", done=False, key="compare.jobs")
        return
    result = found.paired
    if result is None:
        st.caption(say("compare.nothing_common"))
        return
    st.markdown(say(f"compare.{result.verdict}", before=f"{result.before:.4f}", after=f"{result.after:.4f}",
                    **{name: f"{getattr(result, name):+.4f}".replace("-", "−") for name in ("difference", "low", "high")}))
    st.plotly_chart(interval(result.difference, result.low, result.high, say("compare.difference")), key="compare.interval",
                    config=NO_TOOLS, alt=say("compare.difference"))
    if result.units < compare.ENOUGH:
        st.caption(say("compare.few", n=compare.ENOUGH))
    changes = found.holdout.change
    st.caption(say("compare.about", images=count(result.images, "image"), fixed=f"{int((changes == FIXED).sum()):,}",
                   broken=f"{int((changes == BROKEN).sum()):,}", resamples=f"{result.resamples:,}", seed=result.seed,
                   left_out=f"{sum(found.holdout.left_out.values()):,}"))
    if st.button(say("compare.see"), key="compare.see", icon=":material/grid_on:"):
        see_confusions(after, before)


def draw_figures(found: Compared) -> None:
    st.markdown(f"**{say('compare.figures')}**")
    shown = found.figures.assign(figure=[say(f"training.{name}") for name in found.figures["figure"]])
    st.dataframe(shown, hide_index=True, column_config={
        "figure": "", "before": say("compare.before"), "after": say("compare.after")})
    st.caption(say("compare.figures_about"))


def draw_told(found: Compared) -> None:
    """What may explain the difference: options, and what happened to the images."""
    st.markdown(f"**{say('compare.told')}**")
    if found.told.empty:
        st.caption(say("compare.told_same"))
    else:
        st.dataframe(found.told, hide_index=True, column_config={
            "option": say("compare.option"), "before": say("compare.before"), "after": say("compare.after")})
    if found.manifest:
        listed = " · ".join(f"{say(f'compare.images_{name}')} {n:,}" for name, n in found.manifest.items())
        st.caption(say("compare.manifest", changes=text(listed)))
