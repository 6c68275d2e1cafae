"""The Classes page's series: proposed, measured, divided, and missing features said."""

from __future__ import annotations

import numpy as np
import pytest

from hai_core import nearest
from hai_core.decisions import Journal
from hai_core.embeddings import SHARD_ROWS
from hai_core.fold import fold
from hai_core.records import Decision

K5_2019, K5_2021 = "K5_2019", "K5_2021"


@pytest.fixture
def series(workspace, images):
    """Function: class -> series as they are decided now."""
    return lambda: fold(images, Journal(workspace).live()).series


@pytest.fixture
def features(images, tmp_path, monkeypatch):
    """Stored features: the two K5 are 0.1 apart, every other class is far from all."""
    centre = {K5_2019: [1, 0, 0, 0], K5_2021: [0.9, 0.43589, 0, 0], "<img src=x onerror=alert(1)>": [0, 0, 1, 0],
              "라브4, 5세대": [0, 0, 0, 1]}
    shard = np.zeros((SHARD_ROWS, 4), np.float32)
    shard[:len(images)] = [centre[label] for label in images["label"]]
    np.save(tmp_path / "00000.npy", shard)
    row = np.arange(len(images))
    stored = nearest.Features(tmp_path, row, [(0, row)], np.ones(len(row), np.float32))
    monkeypatch.setattr(nearest, "stored", lambda sha256: stored)
    monkeypatch.setattr(nearest, "indexes", lambda: [tmp_path / "index.sqlite"])


def said(page):
    assert not page.exception, page.exception
    return " ".join(element.value for kind in (page.markdown, page.caption, page.info) for element in kind)


def test_series_from_names_are_saved_as_one_batch(open_page, workspace, series):
    page = open_page("classes", view="series")
    assert "1 series with 2 classes; 2 changes" in said(page)
    page.button(key="series.save").click().run()
    assert series() == {K5_2019: "K5", K5_2021: "K5"}
    assert len(Journal(workspace).batches()) == 1
    assert "Nothing else is proposed" in said(page)
    assert page.button(key="series.save").disabled


def test_without_features_the_page_says_what_to_run(open_page):
    page = open_page("classes", view="series", **{"series.source": "photos"})
    assert "features of the images, which are not computed yet" in said(page)
    assert page.button(key="series.tree-features").label == "Compute the features"
    page = open_page("classes", view="distances")
    assert page.button(key="series.apart-features").label == "Compute the features"


def test_series_from_the_tree_of_centres(open_page, features, series):
    page = open_page("classes", view="series", **{"series.source": "photos"})
    [distance] = page.slider
    distance.set_value(0.05).run()
    assert "Nothing else is proposed" in said(page)
    distance.set_value(0.2).run()
    assert "1 series with 2 classes; 2 changes" in said(page)
    page.button(key="series.save").click().run()
    assert series() == {K5_2019: "K5", K5_2021: "K5"}


def test_a_class_joins_the_series_that_its_companion_has_unless_all_are_proposed_anew(open_page, workspace, images, series):
    Journal(workspace).append([Decision("series", label=K5_2019, value="Kia K5")], images, author="a")
    page = open_page("classes", view="series")
    assert "1 change from" in said(page)
    page.toggle(key="series.anew").set_value(True).run()
    assert "2 changes from" in said(page)
    page.toggle(key="series.anew").set_value(False).run()
    page.button(key="series.save").click().run()
    assert series() == {K5_2019: "Kia K5", K5_2021: "Kia K5"}


def test_a_series_is_divided_at_the_threshold_after_a_preview(open_page, workspace, images, features, series):
    page = open_page("classes", view="distances")
    assert "No class is in a series yet" in said(page)
    Journal(workspace).append([Decision("series", label=name, value="K5") for name in (K5_2019, K5_2021)], images, author="a")
    page = open_page("classes", view="distances")
    [distances] = [frame.value for frame in page.dataframe if "min_to_other" in frame.value]
    assert distances[["series", "classes"]].to_dict("records") == [{"series": "K5", "classes": 2}]
    assert distances[["mean_within", "min_within", "min_to_other"]].to_numpy()[0] == pytest.approx([0.1, 0.1, 1.0], abs=1e-3)
    [threshold] = page.slider
    assert "every series stays as it is" in said(page)
    threshold.set_value(0.05).run()
    assert "1 series would be divided, 2 classes would change" in said(page)
    assert page.table[0].value.to_dict()["Holds"] == {"K5 \\/ 1": "K5\\_2019", "K5 \\/ 2": "K5\\_2021"}
    assert series() == {K5_2019: "K5", K5_2021: "K5"}
    page.button(key="series.save-division").click().run()
    assert series() == {K5_2019: "K5 / 1", K5_2021: "K5 / 2"}
    [threshold] = page.slider
    threshold.set_value(0.5).run()  # the parts are one again: another threshold divides anew
    page.button(key="series.save-division").click().run()
    assert series() == {K5_2019: "K5", K5_2021: "K5"}


def test_hostile_names_are_shown_as_text(open_page, workspace, images, features):
    Journal(workspace).append([Decision("series", label=K5_2019, value="<img src=x onerror=alert(1)>")], images, author="a")
    for view in ("series", "distances"):
        assert "<img" not in said(open_page("classes", view=view))
