"""Confusions in a real browser: the images of what was chosen come into view, and are decided by keyboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from PIL import Image
from playwright.sync_api import Page, expect

from hai_core import backbones, catalog, manifest, runs
from hai_core.decisions import Journal
from hai_core.members import config
from hai_core.workspace import Workspace
from tests.browser.conftest import App, settle

CLASSES = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def app(start_app, tmp_path_factory) -> App:
    """An app with a workspace `cars` of noise, and a run that cannot tell its classes apart."""
    folder = tmp_path_factory.mktemp("confusions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HAI_CACHE", str(folder / "cache"))
        patch.setattr(backbones, "load", lambda name: tiny.backbone())
        workspace = Workspace.create(folder / "workspaces" / "cars", photos(folder / "photos"))
        catalog.index(workspace, workers=1)
        no_copies = pd.DataFrame({"path": pd.Series(dtype=str), "group": pd.Series(dtype=int)})
        frozen, _ = manifest.build_for(workspace, no_copies)
        options = {"name": "tiny", "recipes": [["tiny"]], "folds": 3, "epochs": 2, "batch_size": 8}
        runs.train(frozen, config.from_values(options), images=workspace.images, runs=workspace.runs, command="test")
    return start_app(folder)


def photos(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")
    return folder


def open_(page: Page, app: App) -> None:
    page.goto(f"{app.url}/confusions?w=cars")
    expect(page.get_by_test_id("tile").first).to_be_attached()
    settle(page)


def in_view(page: Page) -> bool:
    box = page.get_by_test_id("tile").first.bounding_box()
    return box is not None and 0 <= box["y"] < (page.viewport_size or {})["height"] - 60


def test_in_a_narrow_window_the_images_of_a_clicked_cell_come_into_view(page: Page, app: App) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    open_(page, app)
    assert not in_view(page)
    for cell in (0, 1):
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
        point = page.locator(".js-plotly-plot .scatterlayer .point").nth(cell).bounding_box()
        assert point is not None
        page.mouse.click(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
        expect(page.locator(".st-key-confusions-close")).to_be_visible()
        settle(page)
        page.wait_for_timeout(900)  # the page scrolls there
        assert in_view(page)


def test_by_keyboard_the_focus_goes_on_and_a_key_is_for_the_image_in_focus(page: Page, app: App, monkeypatch) -> None:
    monkeypatch.setenv("HAI_CACHE", str(app.cache))
    open_(page, app)
    tiles = page.get_by_test_id("tile")
    first, second, third = (tiles.nth(i).get_attribute("data-path") for i in range(3))
    page.keyboard.press("x")  # nothing was chosen yet: it shows which image keys are for
    expect(tiles.first).to_be_focused()
    for key in ("x", "u", "z", "k"):
        page.keyboard.press(key)
    expect(tiles.nth(2)).to_be_focused()
    settle(page)
    expect(tiles.nth(2)).to_be_focused()
    page.keyboard.press("x")
    expect(tiles.nth(2).get_by_test_id("badge")).to_have_text("excluded")
    settle(page)
    made = Journal(Workspace.open(app.workspaces / "cars")).live()
    assert [(d.action, d.path) for d in made] == [("exclude", first), ("label_ok", second), ("exclude", third)]
