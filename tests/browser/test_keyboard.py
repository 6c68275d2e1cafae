"""The pages without a gallery of their own, from beginning to end without a mouse: keys, Tab and Enter only.

The galleries' keyboard journeys are in test_review_pages.py and test_gallery.py, the map's in test_map.py, the confusions' in
test_confusions.py.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from hai_core import catalog, manifest
from hai_core.decisions import Journal
from hai_core.members import config
from hai_core.records import Decision
from hai_core.workspace import Workspace
from tests.browser.conftest import App, settle
from tests.browser.test_review_pages import CLASSES, live, open_, photos, store_findings

FAR = 90  # presses of Tab after which a control counts as out of reach
JOB = 120_000  # milliseconds that a job may take on a busy machine


def found(workspace: Workspace) -> None:
    """What the review pages show, and two pairs of classes that may be one."""
    store_findings(workspace)
    proposals = pd.DataFrame({
        "class_a": [CLASSES[0], CLASSES[1]], "class_b": [CLASSES[1], CLASSES[2]], "score": [0.9, 0.8], "confusion_rate": 0.3,
        "centroid_distance": 0.1, "series_a": "", "series_b": "", "confusion": 0.5, "joint": 0.5, "overlap": 0.5,
        "images_a": 45, "images_b": 45, "taken_ab": 3, "taken_ba": 2, "spread_ratio": 0.4})
    proposals.to_parquet(workspace.findings / "merges.parquet", index=False)


@pytest.fixture
def app(start_with, tmp_path: Path) -> App:
    return start_with(tmp_path, photos, found)


@pytest.fixture
def workspace(app: App, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("HAI_CACHE", str(app.cache))
    return Workspace.open(app.workspaces / "cars")


def tab_to(page: Page, control: Locator) -> None:
    """Press Tab until the control has the focus, and see that it can be seen."""
    expect(control).to_be_visible()
    for _ in range(FAR):
        page.keyboard.press("Tab")
        if control.evaluate("node => node.contains(document.activeElement)"):
            expect(control).to_be_in_viewport()
            return
    raise AssertionError(f"Tab does not reach {control}")


def button(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=name)


def test_overview_by_keyboard_a_search_is_started_and_its_end_is_seen(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/")
    searches = button(page, "Look for them")
    expect(searches).to_have_count(2)
    tab_to(page, searches.first)
    page.keyboard.press("Enter")
    expect(searches).to_have_count(1, timeout=JOB)
    assert (workspace.findings / "quality.parquet").is_file()


def test_classes_by_keyboard_pairs_are_merged_kept_apart_and_taken_back(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/classes")
    expect(page.get_by_text("0 of 2 pairs done")).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_text("1 of 2 pairs done")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_text("0 of 2 pairs done")).to_be_visible()
    settle(page)  # a key is for the pair that is shown
    page.keyboard.press("s")
    expect(page.get_by_text("1 skipped")).to_be_visible()
    settle(page)
    page.keyboard.press("m")
    expect(page.get_by_text("1 of 2 pairs done")).to_be_visible()
    settle(page)
    [made] = Journal(workspace).live()
    assert (made.action, {made.label, made.value}) == ("merge", set(CLASSES[1:3]))  # the first was skipped


def test_classes_by_keyboard_a_class_is_renamed_in_the_table(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/classes")
    tab_to(page, page.get_by_role("radio", name="Merge proposals"))
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    tab_to(page, page.get_by_test_id("stDataFrame").locator("canvas").first)
    for key in ("ArrowDown", *["ArrowRight"] * 4):  # over class, images, holds and series to the new name
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator(".gdg-input")).to_be_focused()
    page.keyboard.type("K5 ", delay=60)
    images = catalog.load(workspace)
    Journal(workspace).append([Decision("exclude", path=images["path"][0])], images, author="another")
    page.wait_for_timeout(4500)  # the page hears of it meanwhile: a class in the table has an image less
    page.keyboard.type("(2019)", delay=60)
    page.keyboard.press("Enter")
    save = button(page, "Save 1 change")
    expect(save).to_be_visible()
    tab_to(page, save)
    page.keyboard.press("Enter")
    expect(button(page, "Save changes")).to_be_disabled()
    assert [(action, value) for action, _, value in live(workspace)] == [("exclude", ""), ("rename", "K5 (2019)")]


def test_manifest_by_keyboard_two_versions_are_built_and_compared(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/manifest")
    tab_to(page, button(page, "Build the manifest"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Versions")).to_be_visible(timeout=JOB)
    images = catalog.load(workspace)
    Journal(workspace).append([Decision("exclude", path=images["path"][0])], images, author="another")
    expect(page.get_by_text("are not in a manifest yet")).to_be_visible()  # without a click
    tab_to(page, button(page, "Build the manifest"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Removed · 1 image")).to_be_visible(timeout=JOB)


def test_training_by_keyboard_a_preset_is_chosen_and_trained(page: Page, app: App, workspace: Workspace) -> None:
    manifest.build_for(workspace, pd.DataFrame({"path": pd.Series(dtype=str), "group": pd.Series(dtype=int)}))
    open_(page, app, "/training")
    presets = page.get_by_role("radiogroup", name="Preset")
    tab_to(page, presets)
    for _ in range(len(config.presets())):
        if presets.get_by_role("radio", name="quick").evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(presets.get_by_role("radio", name="quick")).to_be_checked()
    tab_to(page, button(page, "Start training"))
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stMetric").filter(has_text="Holdout log loss")).to_be_visible(timeout=JOB)
    [run] = workspace.runs.glob("*/metrics.json")
    assert run.is_file()


def test_journal_by_keyboard_a_batch_is_undone_and_redone(page: Page, app: App, workspace: Workspace) -> None:
    images = catalog.load(workspace)
    Journal(workspace).append([Decision("exclude", path=images["path"][0])], images, author="another")
    open_(page, app, "/journal")
    tab_to(page, button(page, "Undo this batch"))
    page.keyboard.press("Enter")
    expect(button(page, "Redo this batch")).to_be_visible()
    assert live(workspace) == []
    tab_to(page, button(page, "Redo this batch"))
    page.keyboard.press("Enter")
    expect(button(page, "Undo this batch")).to_be_visible()
    assert [action for action, _, _ in live(workspace)] == ["exclude"]
