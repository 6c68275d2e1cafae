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
from pages.ui import loaders, needs, progress, review, state
from pages.ui.gallery import strip
from pages.ui.text import bold, count, text

SAMPLED = 10  # images of the strip
NAMED_BARS = 60  # classes whose names fit under each other


@dataclass(frozen=True)
class Kind:
    """Where a kind of finding is reviewed, and what one of them is called."""

    title: str
    page: str
    unit: str
    query: dict[str, str] | None = None  # a bound widget's value stands in the URL as it is shown


KINDS = {
    "duplicates": Kind("Duplicates", "pages/duplicates.py", "group"),
    "quality": Kind("Quality", "pages/noise.py", "image", {"kind": "Quality"}),
    "noise": Kind("Doubtful labels", "pages/noise.py", "image"),
    "outliers": Kind("Outliers", "pages/noise.py", "image", {"kind": "Outliers"}),
    "merges": Kind("Twin classes", "pages/classes.py", "pair"),
}


def main() -> None:
    workspace = state.workspace()
    st.title(text(workspace.name))
    st.caption(f"Images in {text(workspace.images)} (only read, never changed)")
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
    _unreadable(catalog)
    _history(workspace)


def _next_step(workspace: Workspace, todo: dict[str, review.Progress | None]) -> None:
    """The one thing that is best done now."""
    missing = [kind for kind in ("duplicates", "quality", "noise") if todo[kind] is None]
    waiting = [(kind, progress) for kind, progress in todo.items() if progress is not None and progress.left]
    with st.container(border=True, horizontal=True, wrap=False, vertical_alignment="center"):
        if missing:
            _say("Look for " + ", ".join(needs.KINDS[kind] for kind in missing) + ".")
            progress.start_button("Look for all of it", workspace, needs.find_command(workspace, *missing), "next-find")
        elif waiting:
            kind, left = waiting[0]
            _say(f"Review {KINDS[kind].title.lower()}: {count(left.left, KINDS[kind].unit)} left. All can be undone.")
            _go("Review", KINDS[kind].page, KINDS[kind].query)
        elif loaders.manifests(workspace).empty:
            _say("All findings are reviewed. Freeze the cleaned data set into a manifest.")
            _go("Build a manifest", "pages/manifest.py")
        elif not workspace.runs.is_dir():
            _say("A manifest is built. Train an ensemble on it.")
            _go("Train", "pages/training.py")
        else:
            _say("See which classes the ensemble confuses, and go round again from there.")
            _go("See confusions", "pages/confusions.py")


def _say(words: str) -> None:
    st.markdown(f"**Next:** {words}", width="stretch")


def _go(label: str, page: str, query: dict[str, str] | None = None) -> None:
    if st.button(label, type="primary", key="next-go"):
        st.switch_page(page, query_params=query)


def _figures(catalog: pd.DataFrame, curation: Curation) -> None:
    readable = (catalog["status"] == OK).to_numpy()
    kept = readable & ~curation.excluded & (curation.label != "")
    figures = {"Images": len(catalog), "Classes": len(set(curation.label[kept])), "Unreadable": int((~readable).sum()),
               "Excluded": int(curation.excluded.sum()), "Relabelled": int(curation.relabeled.sum()), "In use": int(kept.sum())}
    for column, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(name, f"{value:,}")


def _sample(workspace: Workspace, curation: Curation) -> None:
    """One image each of some classes, spread over their names: what this data set looks like."""
    classes = sorted({name for name in curation.mapping.values() if name})
    chosen = [classes[at * len(classes) // SAMPLED] for at in range(SAMPLED)] if len(classes) > SAMPLED else classes
    images = [loaders.typical(workspace, name, 1).assign(caption=name) for name in chosen]
    if images:
        strip(workspace, pd.concat(images), key="overview-sample", size=110)


def _left_to_review(workspace: Workspace, todo: dict[str, review.Progress | None]) -> None:
    st.subheader("Left to review")
    for kind, place in KINDS.items():
        link, state_of = st.columns([1.2, 2], vertical_alignment="center")
        link.page_link(place.page, label=place.title, query_params=place.query)
        done = todo[kind]
        with state_of:
            if done is None:
                progress.start_button("Look for them", workspace, needs.find_command(workspace, kind), f"find-{kind}",
                                      quiet=True)
            elif not done.total:
                st.caption("None found.")
            else:
                st.progress(done.done / done.total, text=f"{done.done:,} of {count(done.total, place.unit)} done")


def _shortcuts(workspace: Workspace) -> None:
    """Properties that give the class away; nothing where there are none."""
    told = loaders.shortcuts(workspace)
    if not told:
        return
    st.subheader("Possible shortcuts")
    for label, words in told:
        st.markdown(f"{bold(label)} is {text(words)}." if label else f"{text(words[:1].upper() + words[1:])}.")
    st.caption("A model may learn this and not what the photos show, and then fail on photos made in another way. Where it "
               "belongs to the class (lorries are longer), all is well. Where it comes from how the photos were made, add some "
               "that were made like those of the other classes, or exclude some. You can also go on as it is.")


def _planted(workspace: Workspace, catalog: pd.DataFrame) -> None:
    """For a data set that comes with its truth (the demo): how many of the planted faults the decisions have found."""
    truth = demo.truth_for(workspace.images)
    if truth is None:
        return
    entries = loaders.entries(workspace)
    classes = [label for label in catalog["label"].unique() if label]
    score = demo.check_decisions(entries[entries["live"]], truth, classes, set(catalog["path"][catalog["status"] != OK]))
    found = int(score.planted["found"].sum())
    st.subheader("Planted faults found so far")
    st.progress(found / len(score.planted), text=f"{found:,} of {len(score.planted):,}")
    table = score.by_fault
    st.dataframe(pd.DataFrame({
        "Fault": table["fault"].str.replace("_", " "), "Share": table["found"] / table["planted"],
        "Found": table["found"].astype(str) + " of " + table["planted"].astype(str)}), hide_index=True,
        column_config={"Share": st.column_config.ProgressColumn(min_value=0, max_value=1, format="percent")})
    if score.false_alarms:
        with st.expander(f"{count(len(score.false_alarms), 'decision')} about images without a planted fault"):
            st.dataframe(pd.DataFrame({"Image or classes": score.false_alarms}), hide_index=True)


def _stale(curation: Curation) -> None:
    """Decisions that no longer fit the images: shown, never applied in silence."""
    unapplied = [*curation.stale, *curation.impossible]
    if not unapplied:
        return
    with st.expander(f"{count(len(unapplied), 'decision')} not applied", icon=":material/warning:"):
        st.caption("The image or class has changed since, or is gone. Decide again, or undo them in the Journal.")
        st.dataframe(pd.DataFrame([{"action": decision.action, "about": decision.path or decision.label, "why": why}
                                   for decision, why in unapplied]), hide_index=True)


def _class_sizes(catalog: pd.DataFrame, curation: Curation) -> None:
    kept = (catalog["status"] == OK).to_numpy() & ~curation.excluded & (curation.label != "")
    sizes = pd.Series(curation.label[kept]).value_counts().rename_axis("label").reset_index(name="images")
    st.subheader("Class sizes")
    if sizes.empty:
        st.caption("No image has a label.")
        return
    many = len(sizes) > NAMED_BARS
    smallest, largest = sizes["images"].iloc[-1], sizes["images"].iloc[0]
    each = count(largest, "image") if smallest == largest else f"{smallest:,} to {largest:,} images"
    st.caption(f"{count(len(sizes), 'class')}, {each} each")
    chart = alt.Chart(sizes).mark_bar(cornerRadius=2).encode(tooltip=["label", "images"])
    if many:
        chart = chart.encode(x=alt.X("label", sort=None, axis=None), y=alt.Y("images", title=None)).properties(height=260)
    else:
        names = alt.Y("label", sort=None, title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False, labelFlush=False))
        chart = chart.encode(y=names, x=alt.X("images", title=None)).properties(height=alt.Step(17))
    st.altair_chart(chart)


def _unreadable(catalog: pd.DataFrame) -> None:
    broken = catalog[catalog["status"] != OK]
    if not broken.empty:
        with st.expander(f"{count(len(broken), 'unreadable file')}", icon=":material/broken_image:"):
            st.caption("They are listed, never used and never touched.")
            st.dataframe(broken[["path", "reason", "size"]], hide_index=True)


def _history(workspace: Workspace) -> None:
    listed = jobs.list_jobs(workspace)
    if not listed:
        return
    if not listed[0].active and listed[0].state != "done":
        progress.show_job(workspace, listed[0], "overview-last")
    with st.expander(f"{count(len(listed), 'job')} so far", icon=":material/terminal:"):
        st.dataframe(pd.DataFrame([
            {"started": job.started.astimezone().replace(tzinfo=None), "state": job.state, "command": job.command,
             "took": progress.duration((job.ended - job.started).total_seconds()) if job.ended else ""}
            for job in listed]), hide_index=True)


main()
