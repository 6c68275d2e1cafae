"""From an empty app to an indexed workspace, the job surviving a refresh of the browser and a restart of the app."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import App, settle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `photos` of two classes."""
    folder = tmp_path_factory.mktemp("welcome")
    rng = np.random.default_rng(0)
    for name in ("차, 하나", "two"):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(folder / "photos" / name / f"{i}.jpg")
    return folder


@pytest.fixture(scope="module")
def app(start_app, folder: Path) -> App:
    return start_app(folder)


def test_a_folder_of_photos_becomes_an_indexed_workspace(page: Page, app: App, folder: Path, start_app) -> None:
    page.goto(app.url)
    expect(page.get_by_role("button", name="Open the demo")).to_be_visible()
    page.get_by_label("Folder with one folder of photos per class").fill(str(folder / "photos"))
    page.keyboard.press("Tab")
    settle(page)
    page.get_by_role("button", name="Create and index").click()
    expect(page.get_by_role("heading", name="photos", exact=True)).to_be_visible()
    page.reload()  # the job goes on, and the page finds it again
    expect(page.get_by_role("heading", name="Class sizes")).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stMetric").first).to_contain_text("16")
    assert "w=photos" in page.url
    again = start_app(folder)
    page.goto(f"{again.url}/?w=photos")
    page.get_by_text("1 job so far").click()
    expect(page.get_by_text("Next:")).to_be_visible()
