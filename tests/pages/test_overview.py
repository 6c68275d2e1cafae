"""Overview: figures, what is left, and the one next step."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from hai_core import decisions, jobs
from hai_core.decisions import Journal
from hai_core.demo.plan import TRUTH
from hai_core.records import Decision
from hai_core.workspace import write_table
from pages.ui.text import bold


@pytest.fixture
def started(monkeypatch):
    """Commands of the jobs that were started, instead of running them."""
    commands: list[list[str]] = []
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: commands.append(list(argv)))
    return commands


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def noise(images, flagged=2):
    return pd.DataFrame({"path": images["path"], "label": images["label"], "suggested_label": "K5_2019", "score": 0.1,
                         "self_confidence": 0.1, "loss": 2.3, "flagged": [i < flagged for i in range(len(images))]})


def test_figures_follow_the_decisions(open_page, workspace, images):
    assert metrics(open_page("overview")) == {
        "Images": "20", "Classes": "4", "Unreadable": "0", "Excluded": "0", "Relabelled": "0", "In use": "20"}
    Journal(workspace).append([Decision("exclude", path=images["path"][0]), Decision("drop_class", label="K5_2021")],
                              images, author="t")
    assert metrics(open_page("overview"))["Excluded"] == "1"
    assert metrics(open_page("overview"))["In use"] == "14"
    assert metrics(open_page("overview"))["Classes"] == "3"


def test_the_first_step_is_to_look_for_everything(open_page, workspace, started):
    app = open_page("overview")
    assert any("Next:" in m.value and "copies of the same photo" in m.value for m in app.markdown)
    app.button(key="next-find").click().run()
    assert started == [["find", "duplicates", "quality", "noise", "-w", str(workspace.root)]]


def test_then_what_is_left_to_review_comes_first(open_page, workspace, images, store_findings):
    empty = pd.DataFrame(columns=["group", "path", "label", "kind", "distance", "unit", "keep", "reason", "cross_class"])
    store_findings("duplicates", empty)
    store_findings("quality", pd.DataFrame(columns=["path", "label", "problem", "score", "reason"]))
    store_findings("noise", noise(images))
    app = open_page("overview")
    assert not app.exception
    assert any("doubtful labels: 2 images left" in m.value for m in app.markdown)
    Journal(workspace).append([Decision("label_ok", path=path) for path in images["path"][:2]], images, author="t")
    assert any("Freeze the cleaned data set" in m.value for m in open_page("overview").markdown)


def test_one_kind_can_be_looked_for_by_itself(open_page, workspace, started):
    open_page("overview").button(key="find-merges").click().run()
    assert started == [["find", "merges", "-w", str(workspace.root)]]


def test_decisions_that_no_longer_fit_are_shown(open_page, workspace, images):
    path = images["path"][0]
    Journal(workspace).append([Decision("exclude", path=path)], images, author="t")
    changed = images.copy()
    changed.loc[0, "sha256"] = "0" * 64
    changed.to_parquet(workspace.catalog / "catalog.parquet", index=False)
    app = open_page("overview")
    assert any("1 decision not applied" in expander.label for expander in app.expander)
    assert metrics(app)["Excluded"] == "0"


def test_unreadable_files_are_listed_with_their_reasons(open_page, workspace, images):
    broken = images.copy()
    broken.loc[0, ["status", "reason"]] = ["unreadable", "the file is empty"]
    broken.to_parquet(workspace.catalog / "catalog.parquet", index=False)
    app = open_page("overview")
    assert metrics(app)["Unreadable"] == "1"
    assert app.dataframe[0].value[["path", "reason"]].to_dict("records") == [
        {"path": images["path"][0], "reason": "the file is empty"}]


def test_before_indexing_the_page_offers_that_and_nothing_else(open_page, workspace, started):
    (workspace.catalog / "catalog.parquet").unlink()
    app = open_page("overview")
    assert not app.metric
    app.button(key="need-index").click().run()
    assert started == [["index", "-w", str(workspace.root)]]


def test_a_job_that_ended_badly_is_shown_until_another_runs(open_page, workspace):
    folder = workspace.jobs / "20260101-000000-abcdef"
    folder.mkdir(parents=True)
    (folder / "exit.json").write_text(json.dumps({"code": 2, "result": None}))
    (folder / "log.txt").write_text("there is no folder /gone\n")
    with jobs._engine(workspace).begin() as connection:
        connection.execute(jobs._jobs.insert().values(
            id=folder.name, workspace=workspace.id, host="here", argv='["index"]', pid=0, created=0.0,
            started="2026-01-01T00:00:00+00:00"))
    app = open_page("overview")
    assert [error.value for error in app.error] == ["there is no folder \\/gone"]
    assert app.button(key=f"overview-last-resume-{folder.name}")


def test_for_the_demo_the_found_faults_are_counted(open_page, workspace, images, tmp_path):
    photos = tmp_path / "demo" / "images"
    photos.mkdir(parents=True)
    workspace.relinked(photos).save()
    dark, copy, source = images["path"][:3]
    rows = [(dark, "dark", "", "", ""), (copy, "exact_duplicate", "", source, "")]
    write_table(pd.DataFrame(rows, columns=TRUTH), tmp_path / "demo" / "truth.csv")
    assert "0 of 2" in [bar.proto.text for bar in open_page("overview").get("progress")]
    Journal(workspace).append([Decision("exclude", path=path) for path in (dark, images["path"][9])], images, author="t")
    app = open_page("overview")
    assert not app.exception
    assert "1 of 2" in [bar.proto.text for bar in app.get("progress")]
    assert app.expander[0].label == "1 decision about images without a planted fault"


def test_for_the_demo_a_planted_unreadable_file_is_found_by_indexing(open_page, workspace, images, tmp_path):
    photos = tmp_path / "demo" / "images"
    photos.mkdir(parents=True)
    workspace.relinked(photos).save()
    rows = [(images["path"][i], "unreadable", "", "", "") for i in (0, 1)]
    write_table(pd.DataFrame(rows, columns=TRUTH), tmp_path / "demo" / "truth.csv")
    assert "0 of 2" in [bar.proto.text for bar in open_page("overview").get("progress")]
    broken = images.copy()
    broken.loc[0, ["status", "reason"]] = ["unreadable", "the file is empty"]
    broken.to_parquet(workspace.catalog / "catalog.parquet", index=False)
    assert "1 of 2" in [bar.proto.text for bar in open_page("overview").get("progress")]


def many(images, classes, each=20):
    """A catalog of `each` images for each of `classes`; nothing that is measured of them tells the class."""
    rng, n = np.random.default_rng(0), len(classes) * each
    table = images.iloc[np.arange(n) % len(images)].reset_index(drop=True)
    label = np.repeat(classes, each)
    return table.assign(path=[f"{name}/{i}.jpg" for i, name in enumerate(label)], label=pd.Series(label, dtype="str"),
                        sha256=[f"{i:064x}" for i in range(n)], brightness=rng.uniform(0.4, 0.6, n), format="JPEG",
                        contrast=rng.random(n), sharpness=rng.random(n), colorfulness=rng.random(n),
                        size=rng.integers(10_000, 90_000, n), width=rng.integers(300, 900, n))


def sections(app):
    return [subheader.value for subheader in app.subheader]


def test_a_property_that_gives_a_class_away_is_told_with_what_to_do(open_page, workspace, images):
    names = ["<img src=x onerror=alert(1)>", "**K5** :material/home:", "a", "b", "c"]
    table = many(images, names)
    table.to_parquet(workspace.catalog / "catalog.parquet", index=False)
    assert "Possible shortcuts" not in sections(open_page("overview"))
    table.loc[table["label"].isin(names[:2]), "brightness"] /= 10
    table.loc[table["label"] == names[1], "brightness"] += 0.2
    table.to_parquet(workspace.catalog / "catalog.parquet", index=False)
    app = open_page("overview")
    assert not app.exception
    assert "Possible shortcuts" in sections(app)
    said = [m.value for m in app.markdown if "set apart" in m.value]
    assert said == [f"{bold(name)} is set apart by brightness alone." for name in reversed(names[:2])]
    assert any("add some that were made like" in caption.value for caption in app.caption)


def test_a_shortcut_goes_when_its_images_are_excluded(open_page, workspace, images):
    table = many(images, ["a", "b", "c", "d", "e"])
    table.loc[table["label"] == "c", "format"] = "PNG"
    table.to_parquet(workspace.catalog / "catalog.parquet", index=False)
    assert "Possible shortcuts" in sections(open_page("overview"))
    decisions = [Decision("exclude", path=path) for path in table["path"][table["label"] == "c"]]
    Journal(workspace).append(decisions, table, author="t")
    assert "Possible shortcuts" not in sections(open_page("overview"))


def test_decisions_are_charted_once_there_are_some(open_page, workspace, images):
    assert "Decisions" not in sections(open_page("overview"))
    Journal(workspace).append([Decision("exclude", path=path) for path in images["path"][:3]], images, author="<b>an</b>")
    app = open_page("overview")
    assert not app.exception
    assert "Decisions" in sections(app)
    assert any("3 decisions · usually 3 in an hour of work" in caption.value for caption in app.caption)


def test_the_page_speaks_korean(open_page, workspace, images):
    Journal(workspace).append([Decision("exclude", path=images["path"][0])], images, author="an")
    app = open_page("overview", language="ko")
    assert not app.exception
    assert "남은 검토" in sections(app)
    assert "Review" not in " ".join(element.value for element in [*app.markdown, *app.caption, *app.subheader])


def test_how_long_the_rest_takes_is_told_at_the_persons_pace(open_page, workspace, images, store_findings, monkeypatch):
    store_findings("noise", noise(images, flagged=20))
    book = Journal(workspace)
    for row in range(4):
        monkeypatch.setattr(decisions, "_now", lambda row=row: f"2026-05-01T10:00:{10 * row:02}.000+00:00")
        book.append([Decision("label_ok", path=images["path"][row])], images, author="tester")
    assert "4 of 15 images done · about 2 min left" in [bar.proto.text for bar in open_page("overview").get("progress")]
    app = open_page("overview", author="someone else")
    assert "4 of 15 images done" in [bar.proto.text for bar in app.get("progress")]
