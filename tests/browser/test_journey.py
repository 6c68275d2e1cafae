"""What a person does with the demo from an empty app to a second manifest, in a real browser.

The manifests must then differ by exactly what was decided, in the core's words and on the page.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from hai_core import manifest as manifests
from hai_core import runs
from pages.ui.matrix import arranged
from tests.browser.conftest import App, picture, settle
from tests.browser.test_confusions import SHOWN_CLASSES, cell

JOB = 300_000  # milliseconds that one job may take on a busy machine
SIZES = ((1440, 900), (1024, 768))
PAGES = ("Overview", "Duplicates", "Noise", "Clusters", "Classes", "Manifest", "Training", "Confusions", "Journal")
TITLES = {"removed": "Removed", "relabelled": "Relabelled", "merged": "Merged with their class"}  # of a kind of change
STRIP = 12  # images of a kind of change that the Manifest page shows


@pytest.fixture(scope="module")
def app(start_app, tmp_path_factory: pytest.TempPathFactory) -> App:
    """An app without any workspace."""
    return start_app(tmp_path_factory.mktemp("journey"))


@pytest.mark.timeout(1200)
def test_from_nothing_to_a_manifest_that_differs_by_exactly_what_was_decided(page: Page, app: App) -> None:
    open_the_demo(page, app)
    look_for_everything(page)
    as_it_came = build_manifest(page, app)
    copies = review_a_duplicate_group(page)
    proposed = proposed_pair(page)
    doubtful, suggested = relabel_one_image(page, leaving=proposed)
    merged, kept = merge_two_classes(page, proposed)
    exclude_and_undo(page)

    first = build_manifest(page, app)
    expected = {(path, "removed") for path in copies} | {(doubtful, "relabelled")}
    expected |= {(path, "merged") for path in in_class(as_it_came, merged) - set(copies)}
    assert differences(as_it_came, first) == expected
    expect_shown(page, expected)
    assert labels(first)[doubtful] == suggested
    assert merged not in set(labels(first).values())

    train_the_quick_preset(page)
    confused = exclude_from_a_confusion(page, app, leaving={doubtful})

    second = build_manifest(page, app)
    assert differences(first, second) == {(confused, "removed")}
    expect_shown(page, {(confused, "removed")})
    assert labels(as_it_came).keys() - labels(second).keys() == {*copies, confused}
    classes = manifests.class_diff(manifests.load(as_it_came), manifests.load(second))
    assert classes.to_dict("records") == [{"class": merged, "change": "merged", "before": merged, "after": kept}]
    take_pictures(page)


def go(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()
    expect(page.get_by_test_id("stMain").get_by_role("heading", level=1)).to_have_text("demo" if name == "Overview" else name)
    settle(page)


def open_the_demo(page: Page, app: App) -> None:
    page.goto(app.url)
    expect(page.get_by_role("button", name="Open the demo")).to_be_visible()
    take(page, "Welcome")
    page.get_by_role("button", name="Open the demo").click()
    expect(page.get_by_text("Drawing the demo").first).to_be_visible(timeout=JOB)
    take(page, "Overview-drawing")
    expect(page.get_by_role("heading", name="Class sizes")).to_be_visible(timeout=JOB)


def look_for_everything(page: Page) -> None:
    """Copies, bad photos and wrong labels by the Overview's next step; twin classes by the Classes page."""
    page.get_by_role("button", name="Look for all of it").click()
    expect(page.get_by_text("Next: Review duplicates")).to_be_visible(timeout=JOB)
    go(page, "Classes")
    page.get_by_role("button", name="Look for classes that look like one and the same").click()
    expect(page.get_by_text("Are these one and the same class?")).to_be_visible(timeout=JOB)


def build_manifest(page: Page, app: App) -> Path:
    """Build one on its page; returns its folder."""
    before = set((app.workspaces / "demo" / "manifests").glob("*"))
    go(page, "Manifest")
    page.get_by_role("button", name="Build the manifest").click()
    expect(page.get_by_text("holds exactly this")).to_be_visible(timeout=JOB)
    settle(page)
    (built,) = set((app.workspaces / "demo" / "manifests").glob("*")) - before
    return built


def review_a_duplicate_group(page: Page) -> set[str]:
    """Accept what is suggested for the first group; returns what is excluded by that."""
    go(page, "Duplicates")
    group = page.locator("section[data-section]").first
    number = group.get_attribute("data-section")
    tiles = group.get_by_test_id("tile")
    copies = {path(tile) for tile in tiles.all() if tile.get_attribute("aria-selected") == "false"}
    group.get_by_role("button", name=f"Keep 1, exclude {len(copies)}").click()
    if group.get_by_text("different labels").count():
        expect(page.get_by_role("textbox", name="Which label is right?")).to_be_visible()
        page.keyboard.press("Enter")  # the first is that of the image to keep
    expect(page.locator(f"section[data-section='{number}']")).to_have_count(0)
    expect(page.get_by_text("1 of ")).to_be_visible()
    return copies


def proposed_pair(page: Page) -> tuple[str, str]:
    """The two classes of the first proposal: the one that a merge gives up, and the one that it keeps."""
    go(page, "Classes")
    buttons = page.get_by_role("button", name="Merge as ")
    kept, gone = (buttons.nth(i).get_by_test_id("stMarkdownContainer").inner_text().removeprefix("Merge as ") for i in (0, 1))
    return gone, kept


def merge_two_classes(page: Page, pair: tuple[str, str]) -> tuple[str, str]:
    assert proposed_pair(page) == pair
    page.get_by_role("button", name="Merge as ").first.click()
    expect(page.get_by_test_id("stSidebar").get_by_role("button", name="Undo: Merged")).to_be_visible()
    settle(page)
    return pair


def relabel_one_image(page: Page, leaving: tuple[str, str]) -> tuple[str, str]:
    """Follow the suggestion for the most doubtful image that is not about the classes `leaving`; returns path and label."""
    go(page, "Noise")
    for tile in page.get_by_test_id("tile").all():
        label, suggested = tile.locator(".hg-line").all_inner_texts()
        suggested = suggested.removeprefix("→ ")
        if not {label, suggested} & set(leaving):
            break
    chosen = path(tile)
    tile.click()
    page.get_by_role("button", name="Move to suggestion").click()
    expect(tile_of(page, chosen)).to_have_count(0)
    return chosen, suggested


def exclude_and_undo(page: Page) -> None:
    """Exclude the image in focus by its key, see that this was wrong, undo it on the Journal page."""
    go(page, "Noise")
    wrong = path(page.get_by_test_id("tile").first)
    page.keyboard.press("x")
    expect(page.get_by_test_id("tile").first).not_to_have_attribute("data-path", wrong)
    go(page, "Journal")
    page.get_by_role("button", name="Undo this batch").click()
    expect(page.get_by_role("button", name="Redo this batch")).to_be_visible()


def train_the_quick_preset(page: Page) -> None:
    go(page, "Training")
    page.get_by_test_id("stMain").get_by_text("quick", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_role("button", name="See which classes it confuses")).to_be_visible(timeout=JOB)
    page.get_by_role("button", name="See which classes it confuses").click()


def exclude_from_a_confusion(page: Page, app: App, leaving: set[str]) -> str:
    """Click the cell with the most errors, and exclude the first of its images that is not in `leaving`; returns its path."""
    expect(page.get_by_role("heading", name="Confusions")).to_be_visible()
    expect(page.get_by_test_id("matrix")).to_have_attribute("data-drawn", re.compile(r"\d"))
    settle(page)
    [run] = (app.workspaces / "demo" / "runs").glob("*/run.json")
    found = runs.load(run.parent).answers
    matrix = arranged(found.counts, found.classes, SHOWN_CLASSES)
    errors = matrix.counts * (1 - np.eye(len(matrix.names), dtype=np.int64))
    row, column = np.unravel_index(errors.argmax(), errors.shape)
    page.mouse.click(*cell(page, int(row), int(column)))
    title = page.get_by_text(f"{matrix.names[row]} predicted as {matrix.names[column]}")
    expect(title).to_be_visible()
    number = int(re.findall(r"· (\d+) image", title.inner_text())[0])
    expect(page.get_by_test_id("tile")).to_have_count(number)  # the gallery follows the title, and showed other images before
    settle(page)
    take(page, "Confusions-cell")
    tile = next(tile for tile in page.get_by_test_id("tile").all() if path(tile) not in leaving)
    chosen = path(tile)
    tile.click()
    page.get_by_role("button", name="Exclude", exact=True).click()
    expect(tile_of(page, chosen).get_by_test_id("badge")).to_have_text("excluded")
    return chosen


def path(tile: Locator) -> str:
    return str(tile.get_attribute("data-path"))


def tile_of(page: Page, path: str) -> Locator:
    return page.locator(f"[data-testid=tile][data-path={json.dumps(path, ensure_ascii=False)}]")


def labels(folder: Path) -> dict[str, str]:
    table = manifests.load(folder).table
    return dict(zip(table["path"], table["label"], strict=True))


def in_class(folder: Path, name: str) -> set[str]:
    return {path for path, label in labels(folder).items() if label == name}


def differences(old: Path, new: Path) -> set[tuple[str, str]]:
    return pairs_of(manifests.diff(manifests.load(old), manifests.load(new)))


def pairs_of(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(table["path"], table["change"], strict=True))


def expect_shown(page: Page, changes: set[tuple[str, str]]) -> None:
    """The Manifest page counts exactly these (path, change), and shows the first of each kind in a strip."""
    go(page, "Manifest")
    expect(page.get_by_test_id("stSelectbox").filter(has_text="What changed since")).to_be_visible()
    counts = Counter(change for _, change in changes)
    expect(page.get_by_test_id("strip").locator("[data-path]")).to_have_count(sum(min(n, STRIP) for n in counts.values()))
    shown = page.evaluate(SHOWN)
    assert {title: number for title, number, _ in shown} == {TITLES[change]: number for change, number in counts.items()}
    for title, number, paths in shown:
        kind = {path for path, change in changes if TITLES[change] == title}
        assert len(set(paths)) == min(number, STRIP)
        assert set(paths) <= kind


# The kinds of change under "What changed since": title, number of images, paths of the images in the strips below. Pairs of
# labels, "A → B · 3 images", divide a kind.
SHOWN = """() => {
  const kinds = [];
  for (const node of document.querySelectorAll("[data-testid=stMarkdown] p, [data-testid=strip] [data-path]")) {
    const title = node.textContent.match(/^(.+) · ([0-9]+) images?$/);
    if (node.dataset.path) kinds[kinds.length - 1][2].push(node.dataset.path);
    else if (title && !title[1].includes(" → ")) kinds.push([title[1], parseInt(title[2]), []]);
  }
  return kinds;
}"""


def take(page: Page, name: str) -> None:
    """A picture of the page as it is, at every size."""
    if not os.environ.get("HAI_SCREENSHOTS"):
        return
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        page.wait_for_timeout(400)  # charts grow into their new place
        picture(page, f"{name.lower()}-{width}")
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


def take_pictures(page: Page) -> None:
    """Every page with the demo's contents, to look at; only where HAI_SCREENSHOTS asks for them."""
    if not os.environ.get("HAI_SCREENSHOTS"):
        return
    go(page, "Clusters")
    page.get_by_role("button", name="Compute the map").click()
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible(timeout=JOB)
    for name in PAGES:
        go(page, name)
        take(page, name)
