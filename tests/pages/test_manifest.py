import pandas as pd
import pytest

from hai_core import jobs, manifest
from hai_core.decisions import Journal
from hai_core.fold import fold
from hai_core.records import Decision
from pages.ui import versions


@pytest.fixture
def decide(workspace, images):
    def decide_(*decisions):
        return Journal(workspace).append(decisions, images, author="a")

    return decide_


def about(images, row):
    return {"path": images["path"][row], "sha256": images["sha256"][row]}


def words(page):
    kinds = (page.markdown, page.caption, page.success, page.info, page.error)
    return " ".join(element.value for kind in kinds for element in kind)


def figures(page):
    return {metric.label: metric.value for metric in page.metric}


def test_without_a_manifest_the_page_says_what_it_is_and_starts_the_build(open_page, workspace, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: started.append(list(argv)))
    page = open_page("manifest")
    assert not page.exception
    assert "No manifest yet" in words(page)
    assert figures(page)["Images"] == "20"
    assert figures(page)["Holdout"] == "4"  # 20 % of 20 images, which no build has chosen yet
    assert "The first build sets about 20% of every class aside" in words(page)
    page.button(key="manifest.build").click().run()
    assert started == [["manifest", "build", "-w", str(workspace.root)]]


def test_the_preview_knows_when_nothing_has_changed_since_the_newest(open_page, build, decide, images):
    built, _ = build()
    page = open_page("manifest")
    assert "holds exactly this" in words(page)
    assert figures(page)["Holdout"] == str((built.table["split"] == "holdout").sum())
    assert "The first build" not in words(page)
    assert built.digest[:12] in words(page)
    decide(Decision("exclude", **about(images, 0)))
    page.run()
    assert "not in a manifest yet" in words(page)
    assert (figures(page)["Images"], figures(page)["Excluded"]) == ("19", "1")


def test_an_emptied_class_is_said_in_a_sentence_and_can_be_dropped_there(open_page, workspace, images, decide):
    decide(*(Decision("exclude", **about(images, row)) for row in images.index[images["label"] == "K5_2019"]))
    page = open_page("manifest")
    assert not page.exception
    assert "no image is left to train on in the class" in page.error[0].value
    page.button(key="manifest.drop-K5_2019").click().run()
    assert fold(images, Journal(workspace).live()).mapping["K5_2019"] == ""
    assert not page.error
    assert figures(page)["Classes"] == "3"


def test_the_difference_of_two_manifests_is_shown_by_image_and_by_class(open_page, build, decide, images):
    first, _ = build()
    decide(Decision("exclude", **about(images, 0)), Decision("relabel", value="K5_2021", **about(images, 1)),
           Decision("merge", label="라브4, 5세대", value="K5_2019"))
    second, _ = build()
    page = open_page("manifest")
    assert not page.exception
    shown = words(page)
    assert "**Removed** · 1 image" in shown
    assert "**Relabelled** · 1 image" in shown
    assert "**Merged with their class** · 5 images" in shown
    [line] = page.radio
    assert [option[-12:] for option in line.options] == [second.digest[:12], first.digest[:12]]
    assert "+0 −1 \\~1 · 5 images otherwise" in line.proto.captions[0]
    assert "the first" in line.proto.captions[1]


def test_a_version_is_compared_with_its_parent_or_with_another(open_page, build, decide, images):
    folders = [build()[1]]
    for row in (0, 1):
        decide(Decision("exclude", **about(images, row)))
        folders.append(build()[1])
    page = open_page("manifest")
    assert "**Removed** · 1 image" in words(page)
    [since] = [box for box in page.selectbox if box.label == "What changed since"]
    assert since.value == str(folders[1])
    since.set_value(str(folders[0])).run()
    assert "**Removed** · 2 images" in words(page)
    page.radio[0].set_value(str(folders[0])).run()
    assert "Removed" not in words(page)
    [since] = [box for box in page.selectbox if box.label == "What changed since"]
    assert since.value is None
    since.set_value(str(folders[2])).run()
    assert not page.exception
    assert "**Added** · 2 images" in words(page)


def test_a_long_line_shows_its_newest_versions_first(open_page, build, decide, images, monkeypatch):
    monkeypatch.setattr(versions, "LISTED", 2)
    for row in range(3):
        decide(Decision("exclude", **about(images, row)))
        build()
    page = open_page("manifest")
    assert len(page.radio[0].options) == 2
    page.button(key="manifest.older").click().run()
    assert len(page.radio[0].options) == 3


def test_a_version_shows_its_runs_with_their_log_loss(open_page, trained):
    page = open_page("manifest")
    assert not page.exception
    figure = f"{trained.metrics['holdout_log_loss']:.3f}"
    assert f"log loss {figure} on the holdout".replace(".", "\\.") in page.radio[0].proto.captions[0]
    assert page.button(key=f"manifest.run-{trained.id}").label.startswith("tiny\\: log loss")
    assert page.button(key=f"manifest.run-{trained.id}").help == "See which classes it confuses"


def test_equal_manifests_are_said_to_be_equal(open_page, workspace, build):
    frozen, _ = build()
    trained_on = frozen.table[frozen.table["split"] == "train"]
    manifest.build_for(workspace, pd.DataFrame({"path": trained_on["path"][:2], "group": 0}))
    page = open_page("manifest")
    assert len(page.radio[0].options) == 2
    assert "the same images with the same labels" in words(page)


def test_export_starts_the_command_with_the_chosen_format(open_page, build, workspace, monkeypatch):
    built, folder = build()
    started = []
    page = open_page("manifest")
    page.selectbox(key="manifest.format").set_value("csv").run()
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: started.append(list(argv)))
    page.button(key="manifest.export-start").click().run()
    out = str(workspace.root / "exports" / f"{built.digest[:12]}-csv")
    assert started == [["manifest", "export", str(folder), "--format", "csv", "--out", out]]


def test_a_damaged_manifest_is_named(open_page, build, decide, images):
    build()
    decide(Decision("exclude", **about(images, 0)))
    _, folder = build()
    with open(folder / "manifest.csv", "a") as file:
        file.write("x")
    page = open_page("manifest")
    assert not page.exception
    assert "changed or damaged" in words(page)


def test_after_a_build_the_new_manifest_is_the_one_to_export(open_page, build, decide, images, workspace):
    build()
    page = open_page("manifest")
    decide(Decision("exclude", **about(images, 0)))
    built, folder = build()
    page.run()
    [chosen] = [box for box in page.selectbox if box.label == "Manifest"]
    assert chosen.value == str(folder)
    [out] = [box for box in page.text_input if box.label == "Into the folder"]
    assert out.value == str(workspace.root / "exports" / f"{built.digest[:12]}-imagefolder")


def test_counts_that_are_mostly_0_are_told_when_they_are_not(open_page, build, decide):
    build()
    assert "classes merged" not in words(open_page("manifest"))
    decide(Decision("merge", label="K5_2019", value="K5_2021"))
    build()
    assert "2 classes merged" in words(open_page("manifest"))
