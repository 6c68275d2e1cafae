"""Noise: order, what leaves the list, the evidence beside it, and the other kinds of the same page."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from hai_core import jobs
from hai_core.decisions import Journal
from hai_core.records import Decision


@pytest.fixture
def doubtful(images, store_findings):
    """The first three images are doubtful, the second most of all."""
    scores = [0.2, 0.05, 0.3] + [0.9] * (len(images) - 3)
    table = pd.DataFrame({"path": images["path"], "label": images["label"], "suggested_label": "K5_2019", "score": scores,
                          "self_confidence": scores, "loss": 1.0, "flagged": [score < 0.5 for score in scores]})
    store_findings("noise", table)
    return table


def shown(app, mode="select"):
    """What was given to the component of this mode."""
    assert not app.exception, app.exception
    return [data for part in app.get("bidi_component") if (data := json.loads(part.proto.json)).get("mode") == mode]


def test_the_most_suspicious_come_first_with_given_and_suggested_label(open_page, images, doubtful):
    [data] = shown(open_page("noise"))
    assert [tile["path"] for tile in data["tiles"]] == [images["path"][i] for i in (1, 0, 2)]
    assert data["tiles"][0]["caption"] == f"{images['label'][1]}\n→ K5_2019"
    assert data["tiles"][0]["badge"] == "5%"
    assert [action["key"] for action in data["actions"]] == ["m", "k", "x", "l", "u"]
    choices = next(action["choose"] for action in data["actions"] if action["id"] == "relabel")
    assert choices == sorted(set(images["label"]))


def test_the_inspector_shows_the_image_and_typical_images_of_both_labels(open_page, images, doubtful):
    app = open_page("noise")
    [picture] = shown(app, "picture")
    assert picture["tiles"][0]["path"] == images["path"][1]
    given, suggested = shown(app, "strip")
    assert {tile["path"].split("/")[0] for tile in given["tiles"]} == {images["label"][1]}
    assert {tile["path"].split("/")[0] for tile in suggested["tiles"]} == {"K5_2019"}


def test_the_classifiers_answers_stand_beside_it(open_page, images, doubtful, store_findings):
    table = doubtful.assign(**{f"class_{i}": name for i, name in enumerate(["K5_2019", "K5_2021"], 1)}, p_1=0.7, p_2=0.2)
    store_findings("noise", table)
    [html] = [part.proto.body for part in open_page("noise").get("html") if '"answers"' in part.proto.body]
    assert html.index("K5_2019") < html.index("K5_2021") < html.index("&lt;img src=x onerror")
    assert "70%" in html


def estimate(app):
    """The sentence on how many of the next images are wrong."""
    return [line.value for line in app.caption if "of the next" in line.value.lower()]


def test_before_any_decision_the_searchs_own_expectation_is_told_and_then_the_decisions_speak(
        open_page, workspace, images, doubtful):
    assert estimate(open_page("noise")) == [
        "The search itself expects about 2 of the next 3 to be wrong (1–3). Your decisions will correct it."]
    Journal(workspace).append([Decision("label_ok", path=path, evidence={"kind": "noise", "score": score})
                               for path, score in zip(images["path"][3:], [0.1] * 17, strict=True)], images, author="t")
    [said] = estimate(open_page("noise"))
    assert said.startswith("Of the next 3, about 1 are wrong")


def test_when_few_are_wrong_it_is_a_good_time_to_stop_but_one_can_go_on(
        open_page, workspace, images, doubtful, store_findings):
    store_findings("noise", doubtful.assign(score=doubtful["score"].replace(0.9, 0.98)))
    Journal(workspace).append([Decision("label_ok", path=path, evidence={"kind": "noise", "score": 0.1})
                               for path in images["path"][:3]], images, author="t")
    app = open_page("noise")
    [said] = estimate(app)
    assert said.endswith("A good time to stop.")
    assert not shown(app)
    app.button(key="noise.more").click().run()
    assert shown(app)[0]["total"] == len(images) - 3


def test_the_time_left_is_told_at_the_persons_pace(open_page, workspace, images, doubtful):
    journal = Journal(workspace)
    for path in images["path"][4:10]:
        journal.append([Decision("label_ok", path=path)], images, author="tester")
    [bar] = open_page("noise").get("progress")
    assert bar.proto.text == "0 of 3 suspicious images reviewed, about 1 min left"


def test_reviewed_images_drop_out_but_can_be_shown(open_page, workspace, images, doubtful):
    Journal(workspace).append([Decision("relabel", path=images["path"][1], value="K5_2019"),
                               Decision("exclude", path=images["path"][0])], images, author="t")
    app = open_page("noise")
    assert [tile["path"] for tile in shown(app)[0]["tiles"]] == [images["path"][2]]
    app.segmented_control(key="noise-noise-shown").set_value("done").run()
    [data] = shown(app)
    assert [tile["badge"] for tile in data["tiles"]] == ["relabelled", "excluded"]
    assert "restore" in [action["id"] for action in data["actions"]]
    app.segmented_control(key="noise-noise-shown").set_value("all").run()
    assert shown(app)[0]["total"] == len(images)


def test_when_all_is_reviewed_the_page_says_so(open_page, workspace, images, doubtful):
    Journal(workspace).append([Decision("label_ok", path=path) for path in images["path"][:3]], images, author="t")
    app = open_page("noise")
    assert not shown(app)
    assert any("Nothing left here" in caption.value for caption in app.caption)


def test_quality_is_reviewed_on_the_same_page(open_page, images, store_findings):
    store_findings("quality", pd.DataFrame({"path": images["path"][:1], "label": images["label"][:1], "score": 0.1,
                                            "problem": "low_information", "reason": "one flat colour"}))
    app = open_page("noise", kind="quality")
    [data] = shown(app)
    assert data["tiles"][0]["caption"] == f"{images['label'][0]}\nlow information"
    assert [action["id"] for action in data["actions"]] == ["exclude", "quality_ok"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_address_says_what_is_reviewed_in_any_language(open_page, images, doubtful, store_findings, language):
    store_findings("quality", images[["path", "label"]].assign(score=0.1, problem="dark", reason="dark"))
    app = open_page("noise", language=language)
    app.query_params["kind"] = "Quality"
    assert [action["id"] for action in shown(app.run())[0]["actions"]] == ["exclude", "quality_ok"]


def test_the_address_follows_the_choice(open_page, images, doubtful, store_findings):
    store_findings("outliers", images[["path", "label"]].assign(score=0.1))
    app = open_page("noise")
    app.query_params["kind"] = "noise"
    app.run().segmented_control(key="kind").set_value("outliers").run()
    assert app.query_params["kind"] == "outliers"
    assert "move" not in [action["id"] for action in shown(app)[0]["actions"]]


def test_before_the_search_the_page_offers_it(open_page, workspace):
    app = open_page("noise")
    assert app.button(key="need-noise").label == "Look for labels that are probably wrong"


def test_a_suggestion_is_called_as_its_class_is_now(open_page, workspace, images, doubtful):
    Journal(workspace).append([Decision("rename", label="K5_2019", value="K5 (2019)")], images, author="t")
    app = open_page("noise")
    [data] = shown(app)
    assert data["tiles"][0]["caption"].endswith("\n→ K5 (2019)")
    assert {tile["path"].split("/")[0] for tile in shown(app, "strip")[-1]["tiles"]} == {"K5_2019"}
    assert not any("K5\\_2019" in line.value for line in app.markdown)


def test_what_a_merge_has_settled_is_not_suspicious_and_a_dropped_class_is_not_suggested(
        open_page, workspace, images, doubtful):
    name = images["label"][0]
    assert name != "K5_2019"
    journal = Journal(workspace)
    journal.append([Decision("label_ok", path=images["path"][2])], images, author="t")
    merge = journal.append([Decision("merge", label=name, value="K5_2019")], images, author="t")
    app = open_page("noise")
    assert not shown(app)
    assert [bar.proto.text for bar in app.get("progress")] == ["1 of 1 suspicious image reviewed"]
    journal.undo(merge.id, catalog=images, author="t")
    journal.append([Decision("drop_class", label="K5_2019")], images, author="t")
    app = open_page("noise")
    [data] = shown(app)
    assert [tile["caption"] for tile in data["tiles"]] == [name, name]
    assert not any(line.value.startswith("Suggested") for line in app.markdown)


@pytest.mark.parametrize(("kind", "score", "said"), [
    ("outliers", 0.05, "Typical of its class: **5%**"), ("quality", 0.001, "Quality in this respect: **< 1%**")])
def test_the_figure_on_the_images_is_explained_beside_them(open_page, images, store_findings, kind, score, said):
    store_findings(kind, images[["path", "label"]].assign(score=score, problem="dark", reason="dark"))
    app = open_page("noise", kind=kind)
    [line] = [line for line in app.markdown if line.value.replace("\\", "").startswith(said)]
    assert "The figure on each image" in line.help


def test_before_the_search_only_jobs_of_this_kind_are_shown(open_page, workspace):
    with jobs._engine(workspace).begin() as connection:
        for second, kind in enumerate(("noise", "duplicates")):
            folder = workspace.jobs / f"20260101-00000{second}-abcdef"
            folder.mkdir(parents=True)
            (folder / "exit.json").write_text(json.dumps({"code": 0, "result": None}))
            connection.execute(jobs._jobs.insert().values(
                id=folder.name, workspace=workspace.id, host="here", argv=json.dumps(["find", kind]), pid=0, created=0.0,
                started=f"2026-01-01T00:00:0{second}+00:00"))
    shown_commands = [code.value for code in open_page("noise").code if "hai_core" in code.value]
    assert shown_commands == ["python -m hai_core find noise"]
