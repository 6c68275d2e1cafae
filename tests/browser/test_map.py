"""The map in a real browser: what is lassoed, or chosen by keyboard, is what is shown beside it; names are text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.findings import class_tree, map_parts
from hai_core.findings.clusters import tree
from hai_core.workspace import Workspace
from tests.browser.conftest import App, picture, settle

CLASSES = ["<img src=x onerror=alert(1)>", "K5_2019", "라브4, 5세대"]
EACH = 12
CORNERS = [(0.0, 0.0), (20.0, 0.0), (10.0, 20.0)]  # where the map has each class


@pytest.fixture(scope="module")
def app(start_with, tmp_path_factory) -> App:
    """An app with a workspace `cars` and a map on which its classes are far apart."""
    return start_with(tmp_path_factory.mktemp("map"), photos, store_map)


def photos(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for i in range(EACH):
            Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(folder / name / f"a\"b<c>,d' {i:02}.png")
    return folder


def store_map(workspace: Workspace) -> None:
    images = catalog.load(workspace)
    rng = np.random.default_rng(0)
    code = images["label"].map(CLASSES.index).to_numpy()
    places = np.array(CORNERS)[code] + rng.uniform(-1, 1, (len(images), 2))
    table = pd.DataFrame({"path": images["path"], "label": images["label"], "cluster": code, "x": places[:, 0],
                          "y": places[:, 1], "sha256": images["sha256"]})
    features = np.eye(3, dtype=np.float32)[code] + rng.normal(size=(len(images), 3)).astype(np.float32) / 20
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    workspace.findings.mkdir(parents=True)
    table.to_parquet(workspace.findings / "clusters.parquet", index=False)
    map_parts.save(workspace, table, map_parts.MapParts(
        tree(features), class_tree.classes(features, images["label"].to_numpy(object))))


@pytest.fixture
def canvas(page: Page, app: App) -> Locator:
    """The canvas of the map of the opened page."""
    page.goto(f"{app.url}/clusters?w=cars")
    expect(page.get_by_test_id("map-selected")).to_have_text(f"{3 * EACH} shown")
    settle(page)
    return page.get_by_test_id("map-canvas")


def drag(page: Page, canvas: Locator, *corners: tuple[float, float]) -> None:
    """Drag through places, given as shares of the canvas from its top left."""
    box = canvas.bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def lasso(page: Page, canvas: Locator, left: float, top: float, right: float, bottom: float) -> None:
    drag(page, canvas, (left, top), (right, top), (right, bottom), (left, bottom), (left, top + 0.01))


def expect_shown(page: Page, paths: set[str]) -> None:
    """The gallery comes to hold exactly these images."""
    page.wait_for_function("""wanted => JSON.stringify([...document.querySelectorAll('[data-testid=tile]')]
        .map(tile => tile.dataset.path).sort()) === JSON.stringify(wanted.sort())""", arg=list(paths))


def of_class(app: App, *names: str) -> set[str]:
    return {f"{name}/a\"b<c>,d' {i:02}.png" for name in names for i in range(EACH)}


def test_a_lasso_shows_exactly_the_images_inside(page: Page, app: App, canvas: Locator) -> None:
    lasso(page, canvas, 0.02, 0.55, 0.45, 0.98)  # y is upwards: the first class is at the bottom left
    expect_shown(page, of_class(app, CLASSES[0]))
    expect(page.get_by_test_id("map-selected")).to_have_text(f"{EACH} selected")
    expect(page.get_by_test_id("legend-entry").first).to_have_attribute("data-name", CLASSES[0])
    picture(page, "map-lasso")
    lasso(page, canvas, 0.02, 0.02, 0.98, 0.45)
    expect_shown(page, of_class(app, CLASSES[2]))
    page.keyboard.down("Control")
    lasso(page, canvas, 0.55, 0.55, 0.98, 0.98)
    page.keyboard.up("Control")
    expect_shown(page, of_class(app, CLASSES[1], CLASSES[2]))
    canvas.dblclick(position={"x": 8, "y": 8})
    expect(page.get_by_text("Nothing selected")).to_be_visible()


def test_a_lasso_on_a_moved_and_zoomed_map_selects_what_is_seen_there(page: Page, app: App, canvas: Locator) -> None:
    page.keyboard.down("Shift")
    drag(page, canvas, (0.1, 0.9), (0.5, 0.5))  # the other classes leave
    page.keyboard.up("Shift")
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(300)
    lasso(page, canvas, 0.01, 0.01, 0.99, 0.99)
    expect_shown(page, of_class(app, CLASSES[0]))
    page.keyboard.press("0")
    page.wait_for_timeout(300)
    lasso(page, canvas, 0.01, 0.01, 0.99, 0.99)
    expect_shown(page, of_class(app, *CLASSES))


def test_by_keyboard_a_name_is_found_and_its_images_selected_and_decided(
        page: Page, app: App, canvas: Locator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAI_CACHE", str(app.cache))
    entry = page.get_by_test_id("legend-entry").first
    entry.get_by_role("button").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # highlight
    expect(page.locator("[data-testid=legend-entry] [aria-pressed=true]")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # select
    expect_shown(page, of_class(app, CLASSES[2]))
    canvas.focus()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Nothing selected")).to_be_visible()
    page.get_by_role("button", name=f"Select all of {CLASSES[0]}").focus()
    page.keyboard.press("Space")
    expect_shown(page, of_class(app, CLASSES[0]))
    first = page.get_by_test_id("tile").first
    first.focus()
    page.keyboard.press("x")
    expect(first.get_by_test_id("badge")).to_have_text("excluded")
    settle(page)
    workspace = Workspace.open(app.workspaces / "cars")
    assert [(d.action, d.path) for d in Journal(workspace).live()] == [("exclude", min(of_class(app, CLASSES[0])))]
    expect(page.get_by_test_id("map-selected")).to_have_text(f"{EACH - 1} selected")
    page.keyboard.press("z")
    expect(page.get_by_test_id("map-selected")).to_have_text(f"{EACH} selected")


def test_hover_shows_picture_and_names_as_text(page: Page, app: App, canvas: Locator) -> None:
    box = canvas.bounding_box()
    assert box is not None
    card = page.get_by_test_id("map-hover")
    for step in range(40):  # across the first class, until a point is near
        page.mouse.move(box["x"] + (0.02 + step / 400) * box["width"], box["y"] + (0.98 - step / 400) * box["height"])
        page.wait_for_timeout(120)
        if card.is_visible():
            break
    expect(card).to_contain_text(CLASSES[0])
    expect(card).to_contain_text("a\"b<c>,d'")
    expect(card.locator("img")).to_have_count(1)
    assert str(card.locator("img").get_attribute("src")).startswith("data:image/jpeg")
    picture(page, "map-hover")


def test_a_cluster_and_a_group_of_classes_are_selected_on_the_map_too(page: Page, app: App, canvas: Locator) -> None:
    page.get_by_text("Tree of classes").click()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
    settle(page)
    table = page.get_by_test_id("stDataFrame")
    table.scroll_into_view_if_needed()
    table.click(position={"x": 18, "y": 52})
    expect(page.get_by_test_id("map-selected")).to_have_text(f"{2 * EACH} selected")
    expect(page.get_by_test_id("tile")).to_have_count(2 * EACH)
    page.get_by_text("Mixed clusters").click()
    expect(page.get_by_text("Distance up to which images")).to_be_visible()
    settle(page)
    table.click(position={"x": 18, "y": 52})
    expect(page.get_by_test_id("map-selected")).to_have_text(f"{EACH} selected")
