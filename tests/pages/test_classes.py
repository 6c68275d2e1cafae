import pandas as pd
import pytest

from hai_core.decisions import Journal
from hai_core.fold import fold
from hai_core.records import Decision
from pages.ui.proposals import evidence, pending

PROPOSALS = pd.DataFrame({
    "class_a": ["K5_2019", "K5_2019", "라브4, 5세대"], "class_b": ["K5_2021", "라브4, 5세대", "<img src=x onerror=alert(1)>"],
    "score": [0.9, 0.4, 0.7], "confusion_rate": [0.3, 0.1, 0.2], "centroid_distance": [0.02, 0.3, 0.1],
    "series_a": "", "series_b": "", "confusion": [0.9, 0.3, 0.2], "joint": 0.6, "overlap": 0.9,
    "images_a": [4, 4, 4], "images_b": [5, 4, 4], "taken_ab": [3, 0, 1], "taken_ba": [0, 1, 0],
    "spread_ratio": [0.2, 1.4, 0.7]})


def actions(workspace):
    return [(d.action, d.label, d.other, d.value) for d in Journal(workspace).live()]


@pytest.fixture
def page(open_page, store_findings):
    store_findings("merges", PROPOSALS)
    return open_page("classes")


def shown(page):
    return " ".join(element.value for element in page.markdown)


def button(page, answer):
    """The button of that answer; its key is the pair's."""
    [found] = [each for each in page.button if (each.key or "").startswith(f"classes.{answer}-")]
    return found


def progress(page):
    return page.get("progress")[0].proto.text


def test_the_best_proposal_comes_first_with_its_evidence(page):
    assert not page.exception
    assert "K5\\_2019" in shown(page)
    assert progress(page) == "0 of 2 pairs done"
    assert "for one class] **3** of 4 images of K5\\_2019 are taken for K5\\_2021" in shown(page)
    assert "for two classes] **0** of 5 images of K5\\_2021 are taken for K5\\_2019" in shown(page)
    assert "for one class] Doubt between the two: **0\\.90**" in shown(page)
    assert "for two classes] The names differ only in numbers: **2019** and **2021**" in shown(page)


def test_merge_keeps_the_chosen_name_and_moves_on(page, workspace):
    button(page, "merge-a").click().run()
    assert actions(workspace) == [("merge", "K5_2021", "", "K5_2019")]
    assert "\\<img" in shown(page)
    assert progress(page) == "1 of 2 pairs done"


def test_a_second_press_of_an_answer_is_not_for_the_next_pair(page, workspace):
    first = button(page, "merge-a")
    first.click().run()
    assert button(page, "merge-a").key != first.key


def test_keep_apart_is_remembered(page, workspace):
    button(page, "apart").click().run()
    assert actions(workspace) == [("keep_apart", "K5_2019", "K5_2021", "")]
    assert progress(page) == "1 of 2 pairs done"


def test_an_answer_can_be_taken_back(page, workspace):
    button(page, "apart").click().run()
    page.button(key="classes.undo").click().run()
    assert actions(workspace) == []
    assert progress(page) == "0 of 2 pairs done"


def test_undo_takes_back_a_skip_when_that_came_last(page, workspace):
    button(page, "apart").click().run()
    button(page, "skip").click().run()
    assert page.success
    page.button(key="classes.undo").click().run()
    assert progress(page) == "1 of 2 pairs done"
    assert "\\<img" in shown(page)
    page.button(key="classes.undo").click().run()
    assert actions(workspace) == []


def test_skip_writes_nothing_and_can_be_taken_back(page, workspace):
    for _ in range(2):
        button(page, "skip").click().run()
    assert actions(workspace) == []
    assert "2 skipped" in page.success[0].value
    assert progress(page) == "0 of 2 pairs done · 2 skipped"
    page.button(key="classes.unskip").click().run()
    assert "Are these one and the same class?" in shown(page)


def test_proposals_are_about_the_classes_as_they_are_called_now(page, workspace, images):
    curation = fold(images, [Decision("merge", label="K5_2021", value="K5_2019"),
                             Decision("rename", label="라브4, 5세대", value="RAV4")])
    left = pending(PROPOSALS, curation, set())
    assert list(zip(left["class_a"], left["class_b"], strict=True)) == [
        ("RAV4", "<img src=x onerror=alert(1)>"), ("K5_2019", "RAV4")]


def test_without_proposals_the_page_offers_to_look_for_them_and_has_the_table(open_page):
    page = open_page("classes")
    assert not page.exception
    assert page.button(key="need-merges").label
    page = open_page("classes", view="table")
    assert page.button(key="classes.save").disabled


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_address_names_the_view_in_no_language(open_page, language):
    page = open_page("classes", language=language)
    assert page.query_params["view"] == "merges"
    page.query_params["view"] = "table"
    assert page.run().button(key="classes.save")


def test_the_address_follows_the_choice(open_page):
    page = open_page("classes")
    page.segmented_control(key="view").set_value("table").run()
    assert page.query_params["view"] == "table"
    assert page.button(key="classes.save")


def test_a_dropped_class_can_be_brought_back(open_page, workspace, images):
    Journal(workspace).append([Decision("drop_class", label="K5_2021")], images, author="a")
    page = open_page("classes", view="table")
    page.multiselect(key="classes.dropped").select("K5_2021").run()
    page.button(key="classes.bring-back").click().run()
    assert fold(images, Journal(workspace).live()).mapping["K5_2021"] == "K5_2021"


def test_pairs_are_counted_as_on_the_overview_and_the_less_likely_ones_can_be_chosen(page, open_page):
    [likely] = [bar.proto.text for bar in open_page("overview").get("progress") if "pair" in bar.proto.text]
    assert likely == progress(page) == "0 of 2 pairs done"
    less = open_page("classes", **{"classes.chosen": frozenset(("K5_2019", "라브4, 5세대"))})
    assert "less likely than not" in shown(less)
    assert "라브4" in shown(less)


def pair(**columns):
    return pd.Series({"class_a": "K5_2019", "class_b": "K5_2021", "score": 0.9, "taken_ab": 9, "images_a": 20, "taken_ba": 1,
                      "images_b": 100, "confusion": 0.4, "joint": 0.1, "overlap": 0.9, "spread_ratio": 0.2} | columns)


def test_evidence_says_which_way_and_what_for():
    told = evidence(pair(), ["<a>", "b*c"])
    assert told[0].text == "**9** of 20 images of \\<a\\> are taken for b\\*c."
    assert told[1].text == "**1** of 100 images of b\\*c are taken for \\<a\\>."
    assert [one.speaks for one in told] == [1, -1, 0, -1, 1, 0, -1]
    assert [one.speaks for one in evidence(pair(taken_ba=10, spread_ratio=1.2), ["a", "b"])] == [1, 0, 0, -1, 1, -1, -1]


@pytest.mark.parametrize(("a", "b", "speaks", "says"), [
    ("RAV4_5세대", "라브4_5세대", 1, "written in two ways"),
    ("RAV4_5세대", "라브4_4세대", -1, "only in numbers: **5** and **4**"),
    ("K5_2019", "Opel_2021", 0, "Two different names"), ("K5", "K5_2021", 0, "Two different names")])
def test_names_are_evidence_in_words(a, b, speaks, says):
    told = evidence(pair(class_a=a, class_b=b), [a, b])[-1]
    assert (told.speaks, says in told.text) == (speaks, True)


def test_a_table_of_an_older_version_shows_what_it_has():
    old = pair().drop(["taken_ab", "taken_ba", "images_a", "images_b", "spread_ratio"])
    assert len(evidence(old, ["a", "b"])) == 4
