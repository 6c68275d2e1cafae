"""Confusions in a real browser: the images of what was chosen come into view, and are decided by keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from hai_core import backbones, catalog, compare, manifest, runs
from hai_core.answers import Answers
from hai_core.compare import BROKEN, FIXED, WRONG
from hai_core.decisions import Journal
from hai_core.members import config
from hai_core.workspace import Workspace
from pages.ui.matrix import Matrix, arranged
from tests.browser.conftest import App, picture, settle

CLASSES = ("=A", "B, \"b\"", "가", "D")


@pytest.fixture(scope="module")
def app(start_app, tmp_path_factory) -> App:
    """An app with a workspace `cars` of noise and a run that cannot tell its classes apart; `two` has another one too."""
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
        two = workspace.root.with_name("two")
        shutil.copytree(workspace.root, two)
        runs.train(frozen, config.from_values(options, ["seed=1"]), images=workspace.images, runs=two / "runs", command="test")
    return start_app(folder)


SHOWN_CLASSES = 40


def photos(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(folder / name / f"{i}.png")
    return folder


def open_(page: Page, app: App, workspace: str = "cars") -> None:
    page.goto(f"{app.url}/confusions?w={workspace}")
    expect(page.get_by_test_id("tile").first).to_be_attached()
    settle(page)


def in_view(page: Page) -> bool:
    box = page.get_by_test_id("tile").first.bounding_box()
    return box is not None and 0 <= box["y"] < (page.viewport_size or {})["height"] - 60


def cell(page: Page, row: float, column: float) -> tuple[float, float]:
    """Where the middle of a cell is on the screen."""
    matrix = page.get_by_test_id("matrix")
    left, across, down = (float(matrix.get_attribute(f"data-{name}") or "nan") for name in ("left", "across", "down"))
    box = page.get_by_test_id("matrix-canvas").bounding_box()
    assert box is not None
    return box["x"] + left + (column + 0.5) * across, box["y"] + (row + 0.5) * down


def expected(app: App) -> tuple[Answers, Matrix]:
    """What the run answered, and the matrix as the page shows it."""
    found = runs.load(next((app.workspaces / "cars" / "runs").glob("*/run.json")).parent).answers
    return found, arranged(found.counts, found.classes, SHOWN_CLASSES)


def expect_shown(page: Page, paths: set[str]) -> None:
    """Wait until the gallery holds just these images."""
    page.wait_for_function("""(paths) => {
      const tiles = [...document.querySelectorAll('[data-testid=tile]')].map((tile) => tile.dataset.path);
      return tiles.sort().join('\\n') === paths.sort().join('\\n');
    }""", arg=sorted(paths))


def images_of(found: Answers, labels: Sequence[str], predicted: Sequence[str]) -> set[str]:
    about = found.about(found.rows(labels, predicted))
    return set(about["path"])


def test_in_a_narrow_window_the_images_of_a_clicked_cell_come_into_view(page: Page, app: App) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    open_(page, app)
    assert not in_view(page)
    found, matrix = expected(app)
    for row, column in np.argwhere(matrix.counts)[:2]:
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
        page.mouse.click(*cell(page, row, column))
        expect(page.locator(".st-key-confusions-close")).to_be_visible()
        settle(page)
        page.wait_for_timeout(900)  # the page scrolls there
        assert in_view(page)
        expect_shown(page, images_of(found, [matrix.names[row]], [matrix.names[column]]))


def test_a_box_shows_the_errors_in_it_and_can_be_looked_at_alone(page: Page, app: App) -> None:
    open_(page, app)
    found, matrix = expected(app)
    picture(page, "confusions")
    page.mouse.move(*cell(page, 0, 1))
    page.mouse.down()
    page.mouse.move(*cell(page, 1, 3), steps=5)
    page.mouse.up()
    expect(page.locator(".st-key-confusions-close")).to_be_visible()
    settle(page)
    errors = images_of(found, matrix.names[:2], matrix.names[1:]) - images_of(found, [matrix.names[1]], [matrix.names[1]])
    assert errors
    expect_shown(page, errors)
    page.get_by_text("Zoom into the box").click()
    expect(page.get_by_text("Whole matrix")).to_be_visible()
    settle(page)
    assert page.get_by_test_id("matrix").get_attribute("data-rows") == "2"
    page.mouse.click(*cell(page, *np.argwhere(matrix.counts[:2, 1:])[0]))
    settle(page)
    row, column = np.argwhere(matrix.counts[:2, 1:])[0]
    expect_shown(page, images_of(found, [matrix.names[row]], [matrix.names[column + 1]]))
    page.get_by_text("Whole matrix").click()
    expect(page.get_by_test_id("matrix")).to_have_attribute("data-rows", "4")


def test_the_matrix_can_be_read_and_used_by_keyboard(page: Page, app: App) -> None:
    open_(page, app)
    found, matrix = expected(app)
    row, column = next((r, c) for r, c in np.argwhere(matrix.counts) if r != c)
    canvas = page.get_by_test_id("matrix-canvas")
    canvas.focus()
    canvas.press("ArrowRight")
    card = page.get_by_test_id("matrix-hover")
    expect(card).to_contain_text(f"label {matrix.names[row]}")
    expect(card).to_contain_text(f"predicted {matrix.names[column]}")
    canvas.press("Enter")
    expect(page.locator(".st-key-confusions-close")).to_be_visible()
    settle(page)
    expect_shown(page, images_of(found, [matrix.names[row]], [matrix.names[column]]))
    canvas.press("Escape")
    expect(page.locator(".st-key-confusions-close")).to_have_count(0)


def test_two_runs_are_compared_cell_by_cell(page: Page, app: App) -> None:
    open_(page, app, "two")
    page.get_by_role("combobox", name="Compared with").click()
    page.get_by_role("option").click()
    expect(page.get_by_text("better than before")).to_be_visible()
    settle(page)
    picture(page, "confusions-two")
    second, first = (runs.load(path) for path in runs.list_runs(app.workspaces / "two" / "runs")["path"])
    found = compare.out_of_fold(first, second)
    matrix = arranged(found.counts(found.after), found.classes, SHOWN_CLASSES, found.counts(found.before))
    assert matrix.before is not None
    row, column = next((r, c) for r, c in np.argwhere(matrix.counts != matrix.before) if r != c)
    label, predicted = matrix.names[row], matrix.names[column]
    page.mouse.move(*cell(page, row, column))
    expect(page.get_by_test_id("matrix-hover")).to_contain_text(
        f"{matrix.before[row, column]} before, {matrix.counts[row, column]} now")
    page.mouse.click(*cell(page, row, column))
    expect(page.locator(".st-key-confusions-close")).to_be_visible()
    expect_shown(page, set(found.about(found.rows([BROKEN, FIXED, WRONG], [label], [predicted]))["path"]))


def test_the_matrix_is_exported_with_names_as_they_are(page: Page, app: App) -> None:
    open_(page, app)
    found, _ = expected(app)
    page.get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.locator(".st-key-confusions-export-matrix button").click()
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    table = pd.read_csv(Path(download.value.path()), encoding="utf-8-sig", keep_default_na=False)
    assert table.columns.tolist() == ["label", *found.classes]
    assert (table[found.classes].to_numpy() == found.counts).all()


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_with_a_matrix_has_no_serious_violation(chromium: Browser, app: App, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": 1024, "height": 768}, color_scheme=scheme)
    page = context.new_page()
    open_(page, app)
    page.mouse.click(*cell(page, *np.argwhere(expected(app)[1].counts)[0]))
    expect(page.locator(".st-key-confusions-close")).to_be_visible()
    settle(page)
    found = [(violation["id"], violation["nodes"][0]["html"][:200]) for violation in Axe().run(page).response["violations"]
             if violation["impact"] in ("serious", "critical")]
    assert found == []
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth") <= 0
    context.close()
