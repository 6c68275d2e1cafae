import base64
import json

import numpy as np
import pandas as pd
import pytest

from hai_core import jobs
from hai_core.decisions import Journal
from hai_core.findings import class_tree, map_parts
from hai_core.findings.clusters import tree
from hai_core.findings.map_parts import MapParts
from hai_core.fold import fold
from hai_core.records import Decision
from pages.ui import map_options
from pages.ui.colours import COLOURINGS
from pages.ui.dendrogram import distances
from pages.ui.image_map import HIDDEN
from pages.ui.mixture import cuts, mixture


def clusters(images):
    n = len(images)
    return pd.DataFrame({"path": images["path"], "label": images["label"], "cluster": np.arange(n) // 5 % 3,
                         "x": np.arange(n) * 1.0, "y": np.arange(n) % 7 * 1.0})


def features(images):
    """Of length 1, in which images of a class are alike."""
    rng = np.random.default_rng(0)
    code = pd.factorize(images["label"])[0]
    made = rng.normal(size=(code.max() + 1, 8))[code] * 4 + rng.normal(size=(len(images), 8))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def page(open_page, store_findings, images):
    store_findings("clusters", clusters(images))
    return open_page("clusters")


@pytest.fixture
def page_with_trees(open_page, store_findings, workspace, images):
    table = clusters(images)
    store_findings("clusters", table)
    seen = features(images)
    map_parts.save(workspace, table, MapParts(tree(seen), class_tree.classes(seen, images["label"].to_numpy(object))))
    return open_page("clusters")


def component(page, mode):
    """What the browser gets: the map or the mail beside it."""
    sent = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    return next(data for data in sent if data.get("mode") == mode)


def codes(page):
    return np.frombuffer(base64.b64decode(component(page, "map")["codes"]), "<u2")


def legend(page):
    """Name -> how many images the map shows in its colour."""
    count = np.bincount(codes(page)[codes(page) != HIDDEN])
    return {name: int(n) for name, n in zip(component(page, "map")["names"], count, strict=False) if n}


def test_without_a_map_the_page_says_why_one_is_useful_and_starts_the_job(open_page, workspace, images, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: started.append(list(argv)))
    page = open_page("clusters")
    assert not page.exception
    assert "no map yet" in page.info[0].value
    assert f"About 3 s for {len(images)} images" in page.caption[0].value
    page.segmented_control(key="clusters.projection").set_value("pca").run()
    assert f"About 1 s for {len(images)} images" in page.caption[0].value
    page.selectbox(key="clusters.features").set_value("tf_efficientnet_lite1").run()
    page.button(key="clusters.find").click().run()
    assert started == [["find", "clusters", "-w", str(workspace.root), "--projection", "pca",
                        "--backbone", "tf_efficientnet_lite1"]]


def test_a_map_can_be_made_of_every_backbone_and_finished_run(workspace):
    (workspace.runs / "20260101-tiny").mkdir(parents=True)
    assert map_options.RUN + "20260101-tiny" not in map_options.features(workspace)
    (workspace.runs / "20260101-tiny" / "metrics.json").write_text("{}")
    offered = map_options.features(workspace)
    assert offered[0] == "tf_efficientnet_lite0"
    assert len(offered) == len(set(offered))
    assert offered[-1] == map_options.RUN + "20260101-tiny"
    argv = map_options.arguments(workspace, "tsne", offered[-1], 7)
    assert argv[4:] == ["--projection", "tsne", "--run", "20260101-tiny", "--clusters", "7"]


def test_every_image_is_on_the_map_under_the_names_as_they_are(page, images):
    assert not page.exception
    sent = component(page, "map")
    assert sent["count"] == len(images)
    assert legend(page) == images["label"].value_counts().to_dict()
    assert "<img src=x onerror=alert(1)>" in sent["names"]


def test_selected_paths_are_marked_and_shown_in_the_gallery_and_gone_ones_are_not(open_page, store_findings, images):
    store_findings("clusters", clusters(images))
    page = open_page("clusters", **{"clusters.selected": [images["path"][3], "gone.jpg"]})
    assert not page.exception
    assert "2 images selected" in " ".join(m.value for m in page.markdown)
    marked = np.frombuffer(base64.b64decode(component(page, "mail")["selected"]), np.uint8)
    assert np.flatnonzero(np.unpackbits(marked, bitorder="little")).tolist() == [3]
    assert [tile["path"] for tile in component(page, "select")["tiles"]] == [images["path"][3]]


def test_excluded_images_leave_the_map_unless_it_shows_decisions(page, workspace, images):
    before = component(page, "map")
    gone = images.iloc[0]
    Journal(workspace).append([Decision("exclude", path=gone["path"], sha256=gone["sha256"])], images, author="a")
    page.run()
    assert codes(page).tolist().count(HIDDEN) == 1
    assert component(page, "map")["points"] == before["points"]  # the others stay where they are
    page.selectbox(key="clusters.colour").set_value("decision").run()
    assert legend(page) == {"undecided": len(images) - 1, "excluded": 1}


def test_a_colour_that_needs_other_findings_offers_to_look_for_them(page):
    page.selectbox(key="clusters.colour").set_value("confidence").run()
    assert not page.exception
    assert page.button(key="clusters.find-noise")
    assert component(page, "map")["by"] == "class"
    page.selectbox(key="clusters.colour").set_value("fold").run()
    assert not page.exception
    assert "no finished run" in page.info[0].value


def test_the_folds_of_a_run_are_colours_and_the_holdout_is_in_none(open_page, store_findings, images, trained):
    store_findings("clusters", clusters(images))
    page = open_page("clusters")
    page.selectbox(key="clusters.colour").set_value("fold").run()
    assert not page.exception
    folds = trained.oof["fold"].value_counts()
    expected = {f"fold {fold + 1}": n for fold, n in folds.items()} | {"in no fold": len(images) - len(trained.oof)}
    assert legend(page) == expected


def test_the_distance_regroups_the_images_without_a_job(page_with_trees, images):
    page = page_with_trees
    assert not page.exception
    page.selectbox(key="clusters.colour").set_value("cluster").run()
    assert len(legend(page)) == 3
    grown = tree(features(images))
    farthest = cuts(grown, 3)[-1]
    page.select_slider[0].set_value(farthest).run()
    assert len(legend(page)) == grown.count(farthest) == 2
    page.segmented_control(key="clusters.below").set_value("tree").run()
    assert len(legend(page)) == 2  # the distance is kept where its slider is not shown
    page.segmented_control(key="clusters.below").set_value("mixed").run()
    assert page.select_slider[0].value == farthest


def test_the_tree_of_classes_lists_groups_and_the_line_moves_them(page_with_trees, images):
    page = page_with_trees
    page.segmented_control(key="clusters.below").set_value("tree").run()
    assert not page.exception
    names = json.loads(page.get("plotly_chart")[0].proto.spec)["layout"]["yaxis"]["ticktext"]
    assert any(name.startswith("&lt;img") for name in names)
    slider = page.select_slider[0]
    known = class_tree.classes(features(images), images["label"].to_numpy(object))
    slider.set_value(distances(class_tree.class_tree(known.means))[-1]).run()
    (group,) = page.dataframe[0].value.to_dict("records")
    assert sorted(group["names"]) == known.names
    assert group["images"] == len(images)


def test_a_map_of_an_earlier_version_says_that_a_new_one_has_the_trees(page):
    assert any("earlier version" in caption.value for caption in page.caption)
    page.segmented_control(key="clusters.below").set_value("tree").run()
    assert any("earlier version" in caption.value for caption in page.caption)


def test_the_most_mixed_cluster_stands_first():
    table = mixture(np.array([0, 0, 0, 1, 1, 2]), np.array(["a", "a", "b", "a", "c", "a"], dtype=object))
    assert table.to_dict("records") == [
        {"cluster": 1, "images": 2, "classes": 2, "purity": 0.5, "largest": "a"},
        {"cluster": 0, "images": 3, "classes": 2, "purity": pytest.approx(2 / 3), "largest": "a"}]


def test_the_slider_reaches_the_computed_number_of_clusters_and_few_and_many():
    grown = tree(np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    counts = [grown.count(distance) for distance in cuts(grown, 77)]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (150, 2)
    assert 77 in counts
    assert cuts(tree(np.eye(2, dtype=np.float32)), 1) == []


def test_colourings_follow_findings_and_decisions(workspace, images, store_findings):
    points = clusters(images).assign(row=np.arange(len(images)))
    store_findings("noise", pd.DataFrame({"path": images["path"][::-1], "flagged": [True] + [False] * (len(images) - 1),
                                          "self_confidence": np.linspace(0, 1, len(images))}).iloc[:-1])
    store_findings("outliers", pd.DataFrame({"path": images["path"], "score": np.linspace(0, 1, len(images))}))
    store_findings("duplicates", pd.DataFrame({"group": [0, 0], "path": images["path"][:2], "keep": [True, False],
                                               "cross_class": False}))
    curation = fold(images, [Decision("relabel", path=images["path"][1], value="K5_2021", sha256=images["sha256"][1]),
                             Decision("series", label="K5_2021", value="K5")])
    found = {name: paint(points, curation, workspace) for name, (paint, _) in COLOURINGS.items()}
    names = {name: [c.names[code] for code in c.code] for name, c in found.items()}
    assert names["class"][1] == "K5_2021"
    assert names["series"][:2] == ["no series", "K5"]
    assert names["cluster"][5] == "cluster 1"
    assert names["decision"][:2] == ["undecided", "relabelled"]
    assert names["noise"][-1] == "label in doubt"
    assert names["noise"][1] == "label fits"
    assert names["confidence"][-1] == "0.00 – 0.05"
    assert names["confidence"][0] == "not known"
    assert names["confidence"][1] == "0.90 – 0.95"
    assert names["outlier"][0].startswith("far from everything")
    assert names["duplicate"][:3] == ["has copies", "copy", "no copy"]
    assert all(len(c.names) == len(c.colours) and c.code.min() >= 0 for c in found.values())
