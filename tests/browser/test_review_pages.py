"""Overview, Duplicates, Noise and Journal in a real browser: by mouse, by keyboard, with hostile names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.records import Decision
from hai_core.workspace import Workspace
from tests.browser.conftest import PATIENCE, App, settle

CLASSES = ["<img src=x onerror=alert(1)>", "K5_2019", "라브4, 5세대"]
EACH = 45  # images a class: several gallery pages


@pytest.fixture(scope="module")
def app(start_with, tmp_path_factory) -> App:
    """An app with a workspace `cars` whose first images are doubtful, and two groups of copies."""
    return start_with(tmp_path_factory.mktemp("review"), photos, store_findings)


def photos(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for i in range(EACH):
            pixels = np.full((60, 80, 3), rng.integers(40, 216, 3), dtype=np.uint8)
            pixels[20:40, 10 + i : 20 + i, number] = 255
            Image.fromarray(pixels).save(folder / name / f"a\"b<c>,d' {i:02}.png")
    return folder


def store_findings(workspace: Workspace) -> None:
    images = catalog.load(workspace)[["path", "label"]]
    scores = np.linspace(0.01, 0.99, len(images))
    suggested = np.where(images["label"] == "K5_2019", "라브4, 5세대", "K5_2019")
    noise = images.assign(suggested_label=suggested, score=scores, self_confidence=scores, loss=1.0, flagged=scores < 0.7)
    copies = images.iloc[[0, 1, 2, 40, 41]].assign(
        group=[0, 0, 0, 1, 1], kind="exact", distance=0.0, unit="bits", keep=[True, False, False, True, False],
        reason="larger", cross_class=False)
    workspace.findings.mkdir(parents=True)
    for kind, table in (("noise", noise), ("duplicates", copies)):
        table.to_parquet(workspace.findings / f"{kind}.parquet", index=False)


@pytest.fixture
def workspace(app: App, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("HAI_CACHE", str(app.cache))
    return Workspace.open(app.workspaces / "cars")


def open_(page: Page, app: App, path: str) -> None:
    page.goto(f"{app.url}{path}?w=cars")
    expect(page.get_by_test_id("stSidebarNav")).to_contain_text("Journal")
    settle(page)


def paths(page: Page) -> list[str]:
    expect(page.get_by_test_id("tile").first).to_be_visible()
    return [str(tile.get_attribute("data-path")) for tile in page.get_by_test_id("tile").all()]


def live(workspace: Workspace) -> list[tuple[str, str, str]]:
    return [(d.action, d.path, d.value) for d in Journal(workspace).live()]


def wait_for(page: Page, workspace: Workspace, decided: list[tuple[str, str, str]]) -> None:
    """Until the journal holds this: after several quick keys the page may look the same halfway."""
    for _ in range(PATIENCE // 200):
        if live(workspace) == decided:
            break
        page.wait_for_timeout(200)
    settle(page)
    assert live(workspace) == decided


@pytest.fixture(autouse=True)
def undone_afterwards(workspace: Workspace):
    yield
    journal = Journal(workspace)
    batches = journal.batches()
    for batch in batches.loc[batches["live"], "id"].iloc[::-1]:
        journal.undo(batch, catalog=catalog.load(workspace), author="tester")


def test_the_first_visitor_may_come_by_any_page(page: Page, app: App) -> None:
    open_(page, app, "/noise")  # the first test of this server: Streamlit would take `pages` for its old kind of pages
    expect(page.get_by_role("heading", name="Noise")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_contain_text([
        "Overview", "Duplicates", "Noise", "Clusters", "Classes", "Manifest", "Training", "Confusions", "Journal"])


def test_hostile_names_are_shown_as_text_everywhere(page: Page, app: App) -> None:
    for path in ("/", "/duplicates", "/noise", "/journal"):
        open_(page, app, path)
        assert page.locator("img[src=x]").count() == 0
    open_(page, app, "/noise")
    expect(page.get_by_test_id("tile").first).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.get_by_test_id("picture")).to_contain_text("a\"b<c>,d' 00.png")


def test_tiles_are_selected_by_click_range_and_key_and_pages_turned(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    first = paths(page)
    assert len(first) == 60
    count = page.get_by_test_id("selection-count")
    tiles = page.get_by_test_id("tile")
    tiles.nth(1).click()
    expect(count).to_have_text("1 selected")
    tiles.nth(4).click(modifiers=["Shift"])
    expect(count).to_have_text("4 selected")
    page.keyboard.press("Control+a")
    expect(count).to_have_text("60 selected")
    page.get_by_test_id("next-page").click()
    expect(tiles.first).not_to_have_attribute("data-path", first[0])
    expect(page.get_by_test_id("next-page")).to_be_disabled()
    page.get_by_test_id("previous-page").click()
    expect(tiles.first).to_have_attribute("data-path", first[0])


def test_a_review_by_keyboard_alone(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    first, second, third = paths(page)[:3]
    page.keyboard.press("k")  # nothing was clicked: keys are for the gallery
    expect(page.get_by_test_id("tile").first).to_have_attribute("data-path", second)
    page.keyboard.press("x")
    expect(page.get_by_test_id("tile").first).to_have_attribute("data-path", third)
    page.keyboard.press("l")
    page.keyboard.type("라브4")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("tile").first).not_to_have_attribute("data-path", third)
    assert live(workspace) == [("label_ok", first, ""), ("exclude", second, ""), ("relabel", third, "라브4, 5세대")]
    settle(page)
    page.keyboard.press("z")
    expect(page.get_by_test_id("tile").first).to_have_attribute("data-path", third)
    assert live(workspace) == [("label_ok", first, ""), ("exclude", second, "")]


def test_keys_pressed_before_a_decision_is_saved_wait_for_it_and_none_is_lost(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    page.keyboard.press("x")
    for key in ("k", "ArrowRight", "u", "l", "5", "Backspace", "K", "5", "Enter", "x", "x"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("tile").nth(1)).to_have_attribute("data-path", shown[7])
    settle(page)
    assert live(workspace) == [
        ("exclude", shown[0], ""), ("label_ok", shown[1], ""), ("unsure", shown[3], ""), ("relabel", shown[4], "K5_2019"),
        ("exclude", shown[5], ""), ("exclude", shown[6], "")]


def test_a_key_held_down_decides_on_one_image(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    first, second = paths(page)[:2]
    for _ in range(5):
        page.keyboard.down("x")  # from the second time on as the key repeats itself
    page.keyboard.up("x")
    expect(page.get_by_test_id("tile").first).to_have_attribute("data-path", second)
    settle(page)
    assert live(workspace) == [("exclude", first, "")]


def test_keys_wait_for_a_page_and_for_an_undo(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    for key in ("x", "z", "PageDown", "x", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("2 of ")).to_be_visible()
    settle(page)
    assert [action for action, _, _ in live(workspace)] == ["exclude", "exclude"]
    assert not {path for _, path, _ in live(workspace)} & set(shown)


def test_two_groups_are_decided_by_two_quick_keys_and_a_double_click_decides_once(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/duplicates")
    for _ in range(2):  # puts the focus there, and changes nothing
        page.get_by_test_id("tile").first.click()
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(page.get_by_text("Nothing left here")).to_be_visible()
    assert len({path for _, path, _ in live(workspace)}) == len(live(workspace)) == 3
    page.get_by_test_id("stSidebar").get_by_role("button", name="Undo").click()
    settle(page)
    page.locator("section[data-section]").get_by_role("button", name="Not duplicates").dblclick()
    expect(page.get_by_text("Nothing left here")).to_be_visible()
    settle(page)
    assert [action for action, _, _ in live(workspace)][-2:] == ["exclude", "not_duplicates"]


def test_after_a_refusal_the_keys_that_waited_are_dropped_and_the_refusal_goes_with_the_page(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    Journal(workspace).append([Decision("drop_class", label="K5_2019")], catalog.load(workspace), author="another")
    for key in ("m", "x"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("stAlert")).to_contain_text("K5_2019")
    settle(page)
    assert [(action, path) for action, path, _ in live(workspace)] == [("drop_class", "")]
    assert paths(page)[0] == shown[0]
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Journal").click()
    expect(page.get_by_role("heading", name="Journal")).to_be_visible()
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_after_a_refusal_no_quick_key_is_lost_while_its_notice_comes_and_goes(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    page.evaluate("document.querySelector('[data-testid=gallery]').dataset.mounted = 'once'")
    Journal(workspace).append([Decision("drop_class", label="K5_2019")], catalog.load(workspace), author="another")
    page.keyboard.press("l")
    page.keyboard.type("K5_2019")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("K5_2019")
    expect(page.get_by_text("saving…")).to_have_count(0)  # keys from before the gallery knows of the refusal are dropped
    for key in ("x", "k", "u", "x"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("tile").first).to_have_attribute("data-path", shown[4])
    settle(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    assert [(action, path) for action, path, _ in live(workspace)][1:] == [
        ("exclude", shown[0]), ("label_ok", shown[1]), ("unsure", shown[2]), ("exclude", shown[3])]
    assert page.get_by_test_id("gallery").get_attribute("data-mounted") == "once"


def test_after_an_undo_the_next_key_is_for_what_was_brought_back(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    for key in ("x", "ArrowRight", "ArrowRight", "z"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("picture")).to_contain_text(shown[0])
    expect(page.get_by_text("Undone: Excluded · 1 image")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_test_id("picture")).to_contain_text(shown[1])
    page.keyboard.press("x")
    page.keyboard.press("PageDown")
    expect(page.get_by_test_id("previous-page")).to_be_enabled()
    page.keyboard.press("z")
    page.keyboard.press("u")
    wait_for(page, workspace, [("unsure", shown[1], "")])


def test_what_was_decided_and_undone_together_is_selected_together(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    tiles = page.get_by_test_id("tile")
    shown = paths(page)
    tiles.nth(2).click()
    tiles.nth(4).click(modifiers=["Shift"])
    for key in ("x", "z", "k"):
        page.keyboard.press(key)
    wait_for(page, workspace, [("label_ok", path, "") for path in shown[2:5]])


HANGUL = {"k": ("ㅏ", "KeyK"), "x": ("ㅌ", "KeyX"), "z": ("ㅋ", "KeyZ")}


def test_keys_work_in_capitals_and_with_a_hangul_layout(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    first, second = paths(page)[:2]
    tiles = page.get_by_test_id("tile")
    page.keyboard.press("X")
    expect(tiles.first).to_have_attribute("data-path", second)
    page.keyboard.press("Z")
    expect(tiles.first).to_have_attribute("data-path", first)
    for letter in ("x", "z", "k"):
        key, code = HANGUL[letter]
        page.evaluate("""([key, code]) => document.activeElement.dispatchEvent(
            new KeyboardEvent("keydown", {key, code, bubbles: true, cancelable: true}))""", [key, code])
    wait_for(page, workspace, [("label_ok", first, "")])


def test_another_image_of_a_group_is_kept_by_two_keys_and_the_help_tells_them(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/duplicates")
    first, _, third = sorted(paths_of(workspace)[:3])
    assert first in paths(page)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("Keep the marked images, exclude the others of the group")
    expect(keys).to_contain_text("mark only the first … ninth image of the group")
    page.keyboard.press("Escape")
    for key in ("2", "k"):
        page.keyboard.press(key)
    expect(page.locator("section[data-section='0']")).to_have_count(0)
    assert {(action, path) for action, path, _ in live(workspace)} == {("exclude", first), ("exclude", third)}
    settle(page)
    page.keyboard.press("z")
    expect(page.locator("section[data-section='0']")).to_have_count(1)
    page.wait_for_function("paths => paths.includes(document.activeElement.dataset.path)", arg=[first, third])


def test_the_large_view_opens_moves_and_closes_by_key(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    first, second = paths(page)[:2]
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Large view")
    expect(dialog).to_contain_text(first)
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text(second)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_test_id("tile").first.dblclick()
    expect(dialog).to_contain_text(first)


def test_a_group_of_copies_is_decided_as_it_is_shown(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/duplicates")
    group = page.locator("section[data-section='0']")
    tiles = group.get_by_test_id("tile")
    expect(group.get_by_role("button", name="Keep 1, exclude 2")).to_be_visible()
    tiles.nth(1).click()
    group.get_by_role("button", name="Keep 2, exclude 1").click()
    expect(group).to_have_count(0)
    first, second, third = sorted(paths_of(workspace)[:3])
    assert live(workspace) == [("exclude", third, ""), ("not_duplicates", first, "")]
    assert Journal(workspace).live()[1].other == second
    expect(page.get_by_text("1 of 2 groups done")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_role("button", name="Undo").click()
    expect(group).to_have_count(1)
    assert live(workspace) == []


def test_a_copy_that_is_excluded_already_is_not_counted_again_and_comes_back_when_it_is_chosen(
        page: Page, app: App, workspace: Workspace) -> None:
    first, second, third = sorted(paths_of(workspace)[:3])
    Journal(workspace).append([Decision("exclude", path=first)], catalog.load(workspace), author="another")
    open_(page, app, "/duplicates")
    group = page.locator("section[data-section='0']")
    expect(group.get_by_role("button", name="Keep 1, exclude 1")).to_be_visible()
    expect(page.get_by_test_id("selection-count")).to_have_text("Marked on this page: 2 to keep, 2 to exclude")
    for tile in group.get_by_test_id("tile").all()[:2]:  # keep the excluded one instead of the next best
        tile.click()
    group.get_by_role("button", name="Keep 1, exclude 2").click()
    expect(group).to_have_count(0)
    assert [(action, path) for action, path, _ in live(workspace)][1:] == [
        ("restore", first), ("exclude", second), ("exclude", third)]


def paths_of(workspace: Workspace) -> list[str]:
    return list(catalog.load(workspace)["path"])


def test_a_decision_made_elsewhere_is_seen_on_the_next_look(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    first = paths(page)[0]
    Journal(workspace).append([Decision("exclude", path=first)], catalog.load(workspace), author="another")
    page.reload()
    expect(page.get_by_test_id("tile").first).not_to_have_attribute("data-path", first)
    page.goto(f"{app.url}/journal?w=cars")
    expect(page.get_by_role("heading", name="Batch")).to_be_visible()
    page.get_by_role("button", name="Undo this batch").click()
    expect(page.get_by_role("button", name="Redo this batch")).to_be_visible()
    assert live(workspace) == []


def test_a_link_and_a_refresh_keep_the_workspace_and_the_kind(page: Page, app: App) -> None:
    open_(page, app, "/")
    page.get_by_test_id("stMain").get_by_role("link", name="Quality").click()
    expect(page.get_by_text("Not looked for yet")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Not looked for yet")).to_be_visible()
    assert "w=cars" in page.url
    page.get_by_test_id("stMain").get_by_text("Doubtful labels").click()
    expect(page.get_by_test_id("tile").first).to_be_visible()
