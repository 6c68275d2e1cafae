"""Overview: what is in the data set, what is left to review, and the one clear next step."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import pandas as pd
import streamlit as st

from hai_core import demo, jobs
from hai_core.decisions import Curation
from hai_core.records import OK
from hai_core.workspace import Workspace
from pages.ui import loaders, needs, pace, progress, review, state
from pages.ui.activity import OTHERS, activity, per_hour
from pages.ui.gallery import strip
from pages.ui.text import bold, count, text
from pages.ui.words import say

SAMPLED = 10  # images of the strip
NAMED_BARS = 60  # classes whose names fit under each other


@dataclass(frozen=True)
class Kind:
    """Where a kind of finding is reviewed, and what one of them is called."""

    page: str
    unit: str
    query: dict[str, str] | None = None  # a bound widget's value stands in the URL as it is shown


KINDS = {
    "duplicates": Kind("pages/duplicates.py", "group"),
    "quality": Kind("pages/noise.py", "image", {"kind": "Quality"}),
    "noise": Kind("pages/noise.py", "image"),
    "outliers": Kind("pages/noise.py", "image", {"kind": "Outliers"}),
    "merges": Kind("pages/classes.py", "pair"),
}


def main() -> None:
    workspace = state.workspace()
    st.title(text(workspace.name))
    st.caption(say("overview.images_in", folder=text(workspace.images)))
    catalog = needs.catalog(workspace)
    curation = loaders.curation(workspace)
    todo = {kind: review.progress_of(kind, findings, catalog, curation) if findings is not None else None
            for kind in KINDS for findings in [loaders.findings(kind, workspace)]}
    progress.job_panel(workspace, ended=0, key="overview")
    _next_step(workspace, todo)
    _figures(catalog, curation)
    _sample(workspace, curation)
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        _left_to_review(workspace, todo)
        _shortcuts(workspace)
        _planted(workspace, catalog)
        _stale(curation)
    with right:
        _class_sizes(catalog, curation)
    _activity(workspace)
    _unreadable(catalog)
    _history(workspace)


def _next_step(workspace: Workspace, todo: dict[str, review.Progress | None]) -> None:
    """The one thing that is best done now."""
    missing = [kind for kind in ("duplicates", "quality", "noise") if todo[kind] is None]
    waiting = [(kind, progress) for kind, progress in todo.items() if progress is not None and progress.left]
    with st.container(border=True, horizontal=True, wrap=False, vertical_alignment="center"):
        if missing:
            _say(say("overview.next_find", what=", ".join(map(needs.sought, missing))))
            progress.start_button(say("overview.find_all"), workspace, needs.find_command(workspace, *missing), "next-find")
        elif waiting:
            kind, left = waiting[0]
            _say(say("overview.next_review", kind=say(f"overview.{kind}").lower(), left=count(left.left, KINDS[kind].unit)))
            _go(say("overview.review"), KINDS[kind].page, KINDS[kind].query)
        elif loaders.manifests(workspace).empty:
            _say(say("overview.next_freeze"))
            _go(say("overview.build"), "pages/manifest.py")
        elif not workspace.runs.is_dir():
            _say(say("overview.next_train"))
            _go(say("overview.train"), "pages/training.py")
        else:
            _say(say("overview.next_confusions"))
            _go(say("overview.see_confusions"), "pages/confusions.py")


def _say(words: str) -> None:
    st.markdown(f"**{say('overview.next')}** {words}", width="stretch")


def _go(label: str, page: str, query: dict[str, str] | None = None) -> None:
    if st.button(label, type="primary", key="next-go"):
        st.switch_page(page, query_params=query)


def _figures(catalog: pd.DataFrame, curation: Curation) -> None:
    readable = (catalog["status"] == OK).to_numpy()
    kept = readable & ~curation.excluded & (curation.label != "")
    figures = {"images": len(catalog), "classes": len(set(curation.label[kept])), "unreadable": int((~readable).sum()),
               "excluded": int(curation.excluded.sum()), "relabelled": int(curation.relabeled.sum()), "in_use": int(kept.sum())}
    for column, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(say(f"overview.{name}"), f"{value:,}")


def _sample(workspace: Workspace, curation: Curation) -> None:
    """One image each of some classes, spread over their names: what this data set looks like."""
    classes = sorted({name for name in curation.mapping.values() if name})
    chosen = [classes[at * len(classes) // SAMPLED] for at in range(SAMPLED)] if len(classes) > SAMPLED else classes
    images = [loaders.typical(workspace, name, 1).assign(caption=name) for name in chosen]
    if images:
        strip(workspace, pd.concat(images), key="overview-sample", size=110)


def _left_to_review(workspace: Workspace, todo: dict[str, review.Progress | None]) -> None:
    st.subheader(say("overview.left_to_review"))
    for kind, place in KINDS.items():
        link, state_of = st.columns([1.2, 2], vertical_alignment="center")
        link.page_link(place.page, label=say(f"overview.{kind}"), query_params=place.query)
        done = todo[kind]
        with state_of:
            if done is None:
                progress.start_button(say("overview.find"), workspace, needs.find_command(workspace, kind), f"find-{kind}",
                                      quiet=True)
            elif not done.total:
                st.caption(say("overview.none_found"))
            else:
                st.progress(done.done / done.total, text=_how_far(workspace, done, place.unit))


def _how_far(workspace: Workspace, done: review.Progress, unit: str) -> str:
    """How many are done, and about how long the others take this person, once that can be told from the last decisions."""
    told = {"done": f"{done.done:,}", "total": count(done.total, unit)}
    minutes = pace.minutes_left(loaders.batches(workspace), state.author(), done.left, per_image=unit == "image")
    return say("overview.done", **told) if minutes is None else say(
        "overview.done_left", **told, time=progress.duration(60 * minutes))


def _shortcuts(workspace: Workspace) -> None:
    """Properties that give the class away; nothing where there are none."""
    told = loaders.shortcuts(workspace)
    if not told:
        return
    st.subheader(say("overview.shortcuts"))
    for label, words in told:
        st.markdown(say("overview.class_is", name=bold(label), what=text(words)) if label
                    else f"{text(words[:1].upper() + words[1:])}.")
    st.caption(say("overview.shortcuts_hint"))


def _planted(workspace: Workspace, catalog: pd.DataFrame) -> None:
    """For a data set that comes with its truth (the demo): how many of the planted faults the decisions have found."""
    truth = demo.truth_for(workspace.images)
    if truth is None:
        return
    entries = loaders.entries(workspace)
    classes = [label for label in catalog["label"].unique() if label]
    score = demo.check_decisions(entries[entries["live"]], truth, classes, set(catalog["path"][catalog["status"] != OK]))
    found = int(score.planted["found"].sum())
    st.subheader(say("overview.planted"))
    st.progress(found / len(score.planted), text=say("overview.of", n=f"{found:,}", total=f"{len(score.planted):,}"))
    table = score.by_fault
    found_of = [say("overview.of", n=n, total=total) for n, total in zip(table["found"], table["planted"], strict=True)]
    st.dataframe(pd.DataFrame({"fault": table["fault"].str.replace("_", " "), "share": table["found"] / table["planted"],
                               "found": found_of}), hide_index=True, column_config={
        "fault": say("overview.fault"), "found": say("overview.found"),
        "share": st.column_config.ProgressColumn(say("overview.share"), min_value=0, max_value=1, format="percent")})
    if score.false_alarms:
        with st.expander(say("overview.false_alarms", decisions=count(len(score.false_alarms), "decision"))):
            st.dataframe(pd.DataFrame({say("overview.image_or_classes"): score.false_alarms}), hide_index=True)


def _stale(curation: Curation) -> None:
    """Decisions that no longer fit the images: shown, never applied in silence."""
    unapplied = [*curation.stale, *curation.impossible]
    if not unapplied:
        return
    with st.expander(say("overview.not_applied", decisions=count(len(unapplied), "decision")), icon=":material/warning:"):
        st.caption(say("overview.not_applied_hint"))
        st.dataframe(pd.DataFrame([{"action": decision.action, "about": decision.path or decision.label, "why": why}
                                   for decision, why in unapplied]), hide_index=True,
                     column_config={name: say(f"overview.{name}") for name in ("action", "about", "why")})


def _class_sizes(catalog: pd.DataFrame, curation: Curation) -> None:
    kept = (catalog["status"] == OK).to_numpy() & ~curation.excluded & (curation.label != "")
    sizes = pd.Series(curation.label[kept]).value_counts().rename_axis("label").reset_index(name="images")
    st.subheader(say("overview.class_sizes"))
    if sizes.empty:
        st.caption(say("overview.no_labels"))
        return
    many = len(sizes) > NAMED_BARS
    smallest, largest = sizes["images"].iloc[-1], sizes["images"].iloc[0]
    each = count(largest, "image") if smallest == largest else say("overview.range", low=f"{smallest:,}", high=f"{largest:,}")
    st.caption(say("overview.each", classes=count(len(sizes), "class"), images=each))
    chart = alt.Chart(sizes).mark_bar(cornerRadius=0 if many else 2, minBandSize=1.5).encode(tooltip=["label", "images"])
    if many:
        bars = alt.X("label", sort=None, axis=None, scale=alt.Scale(padding=0))
        chart = chart.encode(x=bars, y=alt.Y("images", title=None)).properties(height=260)
    else:
        names = alt.Y("label", sort=None, title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False, labelFlush=False))
        chart = chart.encode(y=names, x=alt.X("images", title=None)).properties(height=alt.Step(17))
    st.altair_chart(chart, alt=say("overview.class_sizes"))


def _activity(workspace: Workspace) -> None:
    """Decisions by hour, day, week or month, and by author; nothing before the first."""
    batches, zone = loaders.batches(workspace), st.context.timezone
    table, step = activity(batches, zone)
    if table.empty:
        return
    st.subheader(say("overview.activity"))
    usual = say("overview.per_hour", n=f"{per_hour(batches, zone):,.0f}")
    st.caption(f"{count(int(table['decisions'].sum()), 'decision')} · {usual}")
    table["author"] = table["author"].replace(OTHERS, say("overview.others"))
    when, span = say(f"overview.by_{step}"), "%Y-%m-%d %H:%M" if step == "hour" else "%Y-%m-%d"
    chart = alt.Chart(table).mark_bar(orient="vertical").encode(
        x=alt.X("start:T", bin="binned", title=None, axis=alt.Axis(grid=False)), x2="end:T",
        y=alt.Y("decisions:Q", stack="zero", title=when, axis=alt.Axis(tickCount=4, format=",d")),
        color=alt.Color("author:N", title=None, legend=alt.Legend(orient="right") if table["author"].nunique() > 1 else None),
        tooltip=[alt.Tooltip("start:T", title=when, format=span), alt.Tooltip("author:N", title=say("overview.author")),
                 alt.Tooltip("decisions:Q", title=say("overview.activity"), format=",d")]).properties(height=210)
    st.altair_chart(chart, alt=f"{say('overview.activity')}, {when}")


def _unreadable(catalog: pd.DataFrame) -> None:
    broken = catalog[catalog["status"] != OK]
    if not broken.empty:
        with st.expander(count(len(broken), "unreadable file"), icon=":material/broken_image:"):
            st.caption(say("overview.unreadable_hint"))
            st.dataframe(broken[["path", "reason", "size"]], hide_index=True,
                         column_config={name: say(f"overview.{name}") for name in ("path", "reason", "size")})


def _history(workspace: Workspace) -> None:
    listed = jobs.list_jobs(workspace)
    if not listed:
        return
    if not listed[0].active and listed[0].state != "done":
        progress.show_job(workspace, listed[0], "overview-last")
    with st.expander(say("overview.jobs", jobs=count(len(listed), "job")), icon=":material/terminal:"):
        st.dataframe(pd.DataFrame([
            {"started": job.started.astimezone().replace(tzinfo=None), "state": say(f"progress.{job.state}"),
             "command": job.command, "took": progress.duration((job.ended - job.started).total_seconds()) if job.ended else ""}
            for job in listed]), hide_index=True,
            column_config={name: say(f"overview.{name}") for name in ("started", "state", "command", "took")})


main()
