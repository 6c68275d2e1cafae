import json

import numpy as np
import pandas as pd
import pytest

from hai_core import jobs
from hai_core.decisions import Journal
from hai_core.fold import fold
from hai_core.records import Decision
from pages.ui.colours import COLOURINGS
from pages.ui.mixture import mixture


def clusters(images):
    n = len(images)
    return pd.DataFrame({"path": images["path"], "label": images["label"], "cluster": np.arange(n) // 5 % 3,
                         "x": np.arange(n) * 1.0, "y": np.arange(n) % 7 * 1.0})


@pytest.fixture
def page(open_page, store_findings, images):
    store_findings("clusters", clusters(images))
    return open_page("clusters")


def figure(page):
    return json.loads(page.get("plotly_chart")[0].proto.spec)


def drawn(page):
    """Paths that the map shows."""
    return {path for trace in figure(page)["data"] for path in trace["customdata"]}


def test_without_a_map_the_page_says_why_one_is_useful_and_starts_the_job(open_page, workspace, images, monkeypatch):
    started = []
    monkeypatch.setattr(jobs, "start", lambda workspace, argv: started.append(list(argv)))
    page = open_page("clusters")
    assert not page.exception
    assert "no map yet" in page.info[0].value
    assert f"About 3 s for {len(images)} images" in page.caption[0].value
    page.segmented_control(key="clusters.projection").set_value("PCA").run()
    assert f"About 1 s for {len(images)} images" in page.caption[0].value
    page.button(key="clusters.find").click().run()
    assert started == [["find", "clusters", "-w", str(workspace.root), "--projection", "pca"]]


def test_every_image_is_on_the_map_by_its_path_with_names_that_are_no_markup(page, images):
    assert not page.exception
    assert drawn(page) == {path.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for path in images["path"]}
    names = [trace["name"] for trace in figure(page)["data"]]
    assert any(name.startswith("&lt;img") for name in names)
    assert not any("<" in name for name in names)


def test_selected_paths_are_shown_in_the_gallery_and_gone_ones_are_not(open_page, store_findings, images):
    store_findings("clusters", clusters(images))
    page = open_page("clusters", **{"clusters.selected": [images["path"][3], "gone.jpg"]})
    assert not page.exception
    assert "2 images selected" in " ".join(m.value for m in page.markdown)
    page.button(key="clusters.clear").click().run()
    assert "Nothing selected" in " ".join(m.value for m in page.markdown)


def test_excluded_images_leave_the_map_unless_it_shows_decisions(page, workspace, images):
    gone = images.iloc[0]
    Journal(workspace).append([Decision("exclude", path=gone["path"], sha256=gone["sha256"])], images, author="a")
    page.run()
    assert len(drawn(page)) == len(images) - 1
    page.selectbox(key="clusters.colour").set_value("Decision").run()
    assert len(drawn(page)) == len(images)
    assert [trace["name"] for trace in figure(page)["data"]] == [f"undecided ({len(images) - 1})", "excluded (1)"]


def test_highlighting_greys_all_other_names(page):
    page.multiselect(key="clusters.highlight-Class").select("K5_2019").run()
    assert [trace["name"] for trace in figure(page)["data"]] == ["all others (15)", "K5_2019 (5)"]


def test_a_colour_that_needs_other_findings_offers_to_look_for_them(page):
    page.selectbox(key="clusters.colour").set_value("Noise").run()
    assert not page.exception
    assert page.button(key="clusters.find-noise")


def test_the_most_mixed_cluster_stands_first(images):
    table = mixture(np.array([0, 0, 0, 1, 1, 2]), np.array(["a", "a", "b", "a", "c", "a"], dtype=object))
    assert table.to_dict("records") == [
        {"cluster": 1, "images": 2, "classes": 2, "purity": 0.5, "largest": "a"},
        {"cluster": 0, "images": 3, "classes": 2, "purity": pytest.approx(2 / 3), "largest": "a"}]


def test_colourings_follow_findings_and_decisions(workspace, images, store_findings):
    points = clusters(images).assign(row=np.arange(len(images)))
    store_findings("noise", pd.DataFrame({"path": images["path"][::-1], "flagged": [True] + [False] * (len(images) - 1)}))
    store_findings("outliers", pd.DataFrame({"path": images["path"], "score": np.linspace(0, 1, len(images))}))
    store_findings("duplicates", pd.DataFrame({"group": [0, 0], "path": images["path"][:2], "keep": [True, False],
                                               "cross_class": False}))
    curation = fold(images, [Decision("relabel", path=images["path"][1], value="K5_2021", sha256=images["sha256"][1]),
                             Decision("series", label="K5_2021", value="K5")])
    found = {name: paint(points, curation, workspace) for name, (paint, _) in COLOURINGS.items()}
    names = {name: [c.names[code] for code in c.code] for name, c in found.items()}
    assert names["Class"][1] == "K5_2021"
    assert names["Series"][:2] == ["no series", "K5"]
    assert names["Cluster"][5] == "cluster 1"
    assert names["Decision"][:2] == ["undecided", "relabelled"]
    assert names["Noise"][-1] == "label in doubt"
    assert names["Noise"][0] == "label fits"
    assert names["Outlier"][0].startswith("far from everything")
    assert names["Duplicate"][:3] == ["has copies", "copy", "no copy"]
    assert all(len(c.names) == len(c.colours) and c.code.min() >= 0 for c in found.values())
