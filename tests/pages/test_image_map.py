"""The map's Python side: what travels to the browser, and what is made of what comes back."""

from __future__ import annotations

import base64
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from pages.ui import image_map
from pages.ui.colours import FAINT, by_names, hues, ramp
from pages.ui.image_map import HOVERED, SPAN, Placed


def placed(n=10):
    paths = [f"<b>{i}</b>, \"라브4\".jpg" for i in range(n)]
    return Placed(pd.DataFrame({"path": pd.Series(paths, dtype="str"), "x": np.arange(n) * 2.0 - 5, "y": np.arange(n) % 3 * 1.0,
                                "row": np.arange(n)}))


@pytest.fixture
def session(monkeypatch):
    values: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", values)
    return values


def test_places_keep_their_proportions_and_span_the_whole_range():
    x, y = np.frombuffer(base64.b64decode(placed().points), "<u2").reshape(2, -1).astype(float)
    assert (x.min(), x.max(), y.min()) == (0, SPAN, 0)
    assert y.max() == pytest.approx(SPAN * 2 / 18, abs=1)


@pytest.mark.parametrize("n", [0, 1])
def test_no_image_and_one_have_a_map(n):
    assert len(base64.b64decode(placed(n).points)) == 4 * n
    assert placed(n).bits(["gone"]) == ""


def test_bits_name_the_same_images_both_ways():
    map_ = placed()
    chosen = [map_.table["path"][i] for i in (9, 0, 4)]
    assert map_.marked(map_.bits([*chosen, "gone.jpg"])) == [map_.table["path"][i] for i in (0, 4, 9)]
    assert map_.marked("") == []


def test_the_digest_follows_images_order_and_places():
    table = placed().table
    others = [table.iloc[::-1], table.iloc[1:], table.assign(y=table["y"] * 2), table.assign(path=table["path"] + "x")]
    digests = [Placed(other.reset_index(drop=True)).digest for other in others]
    assert placed().digest == Placed(table.assign(label="x")).digest
    assert len({placed().digest, *digests}) == 5


def test_a_selection_reaches_the_page_once_and_one_of_another_map_does_not(session):
    map_, seen = placed(), []
    event = {"map": map_.digest, "number": 7, "rows": map_.bits([map_.table["path"][2]])}
    session["m"] = {"selected": event}
    image_map._select(map_, "m", seen.append)
    image_map._select(map_, "m", seen.append)
    assert seen == [[map_.table["path"][2]]]
    session["m"] = {"selected": event | {"map": "another", "number": 8}}
    image_map._select(map_, "m", seen.append)
    assert len(seen) == 1
    assert session["m.answered"] == 8


def test_pictures_are_of_the_rows_asked_for_with_the_label_as_it_is_now(workspace, images):
    table = pd.DataFrame({"path": images["path"], "x": 0.0, "y": 0.0, "row": np.arange(len(images))}).iloc[::-1]
    map_ = Placed(table.reset_index(drop=True))
    first, second = image_map.pictures(workspace, map_, [0, 3, -1, len(images)])
    assert (first["row"], first["path"], first["label"]) == (0, images["path"].iloc[-1], images["label"].iloc[-1])
    assert second["path"] == images["path"].iloc[-4]
    assert first["src"].startswith("data:image/jpeg;base64,")
    assert len(image_map.pictures(workspace, map_, range(1000))) == HOVERED
    assert image_map.pictures(workspace, map_, []) == []


def test_names_are_in_order_nothing_is_grey_and_the_rarest_share_a_colour():
    names = np.array(["b", "", "a", "b", "c", "b", "a"], dtype=object)
    every = by_names(names, "no class")
    assert [every.names[code] for code in every.code] == ["b", "no class", "a", "b", "c", "b", "a"]
    assert every.names == ["no class", "a", "b", "c"]
    assert every.colours[0] == FAINT
    few = by_names(names, "no class", most=2)
    assert [few.names[code] for code in few.code] == ["b", "all others", "a", "b", "all others", "b", "a"]
    assert FAINT not in few.colours


def test_colours_that_follow_each_other_differ():
    colours = hues(400)
    assert len(set(colours[:30])) == 30
    assert all(a != b for a, b in pairwise(colours))
    assert all(len(colour) == 7 for colour in [*colours, *ramp(20)])
    assert len(set(ramp(20))) == 20
