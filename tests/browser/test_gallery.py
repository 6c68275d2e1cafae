"""The gallery in a real browser: pages sent ahead, all that match, comparing, more like this, and two people at once."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from hai_core import catalog
from hai_core.decisions import Journal
from hai_core.records import Decision
from hai_core.workspace import Workspace
from tests.browser.conftest import PATIENCE, App, settle
from tests.browser.test_review_pages import live, open_, paths, photos, store_findings, wait_for

EACH_DECIDES = 60  # decisions of each of two browsers


@pytest.fixture
def app(start_with, tmp_path: Path) -> App:
    """An app with a workspace `cars` of its own: what a test decides is nobody else's."""
    return start_with(tmp_path, photos, store_findings)


@pytest.fixture
def workspace(app: App, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("HAI_CACHE", str(app.cache))
    return Workspace.open(app.workspaces / "cars")


def show_all(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    page.get_by_text("All images", exact=True).click()
    settle(page)
    expect(page.get_by_text("1–60 of 135")).to_be_visible()
    expect(page.get_by_test_id("gallery")).to_have_count(1)  # the one before is gone


def test_the_next_page_is_shown_without_asking_the_server(page: Page, app: App) -> None:
    show_all(page, app)
    page.wait_for_timeout(500)
    first = paths(page)
    shown = page.evaluate("""() => {
      document.querySelector('[data-testid=next-page]').click();
      const tiles = [...document.querySelectorAll('[data-testid=tile]')]; // in the same breath: no answer can have come
      return tiles.map((tile) => [tile.dataset.path, tile.querySelector('img').src.slice(0, 22)]);
    }""")
    assert len(shown) == 60
    assert not {path for path, _ in shown} & set(first)
    assert {src for _, src in shown} == {"data:image/jpeg;base64"}
    expect(page.get_by_text("61–120 of 135")).to_be_visible()
    page.get_by_label("Page", exact=True).fill("3")
    page.keyboard.press("Enter")
    expect(page.get_by_text("121–135 of 135")).to_be_visible()
    page.keyboard.press("PageUp")
    expect(page.get_by_text("61–120 of 135")).to_be_visible()
    page.keyboard.press("PageUp")
    expect(page.get_by_text("1–60 of 135")).to_be_visible()
    assert paths(page) == first


def test_a_page_being_typed_is_not_disturbed_by_an_answer(page: Page, app: App, workspace: Workspace) -> None:
    show_all(page, app)
    box = page.get_by_label("Page", exact=True)
    box.fill("3")
    Journal(workspace).append([Decision("exclude", path=paths(page)[0])], catalog.load(workspace), author="another")
    page.wait_for_timeout(4500)  # the gallery hears of it meanwhile
    expect(box).to_be_focused()
    expect(box).to_have_value("3")
    page.keyboard.press("Enter")
    expect(page.get_by_text("121–135 of 135")).to_be_visible()


def test_all_that_match_are_decided_and_taken_back_as_one(page: Page, app: App, workspace: Workspace) -> None:
    show_all(page, app)
    page.get_by_role("button", name="Select all 135").click()
    expect(page.get_by_test_id("selection-count")).to_have_text("135 selected")
    page.get_by_role("button", name="Unsure (135)").click()
    notice = page.get_by_test_id("notice")
    expect(notice).to_contain_text("135 changed, 0 skipped")
    assert len(live(workspace)) == 135
    assert len(Journal(workspace).batches()) == 1
    notice.get_by_role("button", name="Undo").click()
    expect(page.get_by_test_id("notice")).to_contain_text("Undone")
    assert live(workspace) == []


def test_two_images_of_a_group_are_compared_by_slider_and_by_blinking(page: Page, app: App) -> None:
    open_(page, app, "/duplicates")
    paths(page)
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Large view")
    expect(dialog.locator(".hg-side")).to_have_count(2)
    page.get_by_label("Where one image ends and the other begins").focus()
    second = dialog.locator(".hg-layer").nth(1)
    before = second.get_attribute("style")
    page.keyboard.press("ArrowRight")
    expect(second).not_to_have_attribute("style", str(before))
    page.keyboard.press("b")
    expect(dialog.locator(".hg-shown")).to_have_count(1)
    dialog.get_by_role("button", name="Blink").focus()
    page.keyboard.press("ArrowLeft")  # the divider's, wherever the focus is
    expect(dialog.locator(".hg-side")).to_have_count(2)
    expect(dialog.locator(".hg-blinking")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.wait_for_function("document.activeElement.dataset.testid === 'tile'")


def test_an_image_whose_decision_is_taken_back_at_once_looks_undecided(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    first = paths(page)[0]
    badge = page.locator(f"[data-testid=tile][data-path={json.dumps(first)}] .hg-badge")
    before = str(badge.text_content())
    page.keyboard.press("x")
    expect(badge).to_have_text("excluded")
    page.keyboard.press("z")
    expect(badge).to_have_text(before)
    assert live(workspace) == []


def selected(page: Page) -> list[str]:
    return [str(tile.get_attribute("data-path")) for tile in page.locator("[data-testid=tile][aria-selected=true]").all()]


def test_images_are_selected_by_keyboard_in_a_row_or_one_by_one_and_stay_so_after_a_look(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    page.keyboard.press("ArrowRight")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    assert selected(page) == shown[1:5]
    page.keyboard.press("Shift+ArrowLeft")
    assert selected(page) == shown[1:4]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Large view")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("selection-count")).to_have_text("3 selected")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    for key in (" ", "ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    assert selected(page) == [shown[2], shown[4]]


def test_the_large_view_shows_what_the_next_key_is_for(page: Page, app: App, workspace: Workspace) -> None:
    show_all(page, app)
    first, second, third = paths(page)[:3]
    large = page.get_by_role("dialog", name="Large view")
    page.get_by_test_id("tile").first.focus()
    page.keyboard.press("Enter")
    for key, next_one in (("x", second), ("k", third), ("z", second), ("ArrowRight", third)):
        page.keyboard.press(key)
        expect(large.locator(".hg-path")).to_have_text(next_one)
    page.keyboard.press("PageDown")
    expect(page.get_by_text("61–120 of 135")).to_be_visible()
    expect(large.locator(".hg-path")).to_have_text(paths(page)[0])
    for key in ("PageUp", "Escape"):  # the second one waits for the answer to the first
        page.keyboard.press(key)
    expect(large).to_be_hidden()
    settle(page)
    assert live(workspace) == [("exclude", first, "")]


def test_all_of_a_list_can_be_decided_in_the_large_view(page: Page, app: App, workspace: Workspace) -> None:
    images = catalog.load(workspace)
    flagged = pd.read_parquet(workspace.findings / "noise.parquet").query("flagged")["path"].tolist()
    before = [Decision("label_ok", path=path) for path in flagged[3:]]
    Journal(workspace).append(before, images, author="another")
    open_(page, app, "/noise")
    shown = paths(page)
    assert set(shown) == set(flagged[:3])
    page.keyboard.press("Enter")
    large = page.get_by_role("dialog", name="Large view")
    for path in shown:
        expect(large.locator(".hg-path")).to_have_text(path)
        page.keyboard.press("k")
    expect(large).to_be_hidden()
    wait_for(page, workspace, [("label_ok", path, "") for path in [*flagged[3:], *shown]])


def test_another_label_is_chosen_from_the_large_view(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    first = paths(page)[0]
    label = sorted({str(name) for name in catalog.load(workspace)["label"]})[-1]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Large view")).to_be_visible()
    page.keyboard.press("l")
    expect(page.locator(".hg-input")).to_be_focused()
    page.keyboard.type(label)
    page.keyboard.press("Enter")
    wait_for(page, workspace, [("relabel", first, label)])


def test_zoom_and_pan_in_the_large_view(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    paths(page)
    page.keyboard.press("Enter")
    image = page.get_by_role("dialog", name="Large view").locator("img")
    expect(image).to_be_visible()
    settle(page)
    page.keyboard.press("+")
    assert "scale(1.25)" in str(image.get_attribute("style"))
    page.mouse.move(700, 400)
    page.mouse.wheel(0, -100)
    page.mouse.down()
    page.mouse.move(760, 430)
    page.mouse.up()
    assert "translate(0px, 0px)" not in str(image.get_attribute("style"))
    page.keyboard.press("0")
    assert "translate(0px, 0px) scale(1)" in str(image.get_attribute("style"))


def test_more_like_this_says_what_to_do_without_features(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    paths(page)
    page.keyboard.press("f")
    expect(page.get_by_role("dialog", name="Images like this one")).to_contain_text("no features")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Images like this one")).to_be_hidden()


def test_the_interface_speaks_korean(page: Page, app: App) -> None:
    open_(page, app, "/noise")
    page.get_by_label("Language").click()
    page.get_by_role("option", name="한국어").click()
    expect(page.get_by_role("link", name="중복")).to_be_visible()
    expect(page.get_by_role("button", name="라벨이 맞음")).to_be_visible()


def test_labels_chosen_lately_come_first_then_those_of_the_series_of_the_image_in_focus(
        page: Page, app: App, workspace: Workspace) -> None:
    images = catalog.load(workspace).set_index("path")
    open_(page, app, "/noise")
    label = str(images["label"][paths(page)[0]])
    *others, last = sorted({str(name) for name in images["label"]} - {label})
    Journal(workspace).append([Decision("series", label=name, value="own") for name in (label, last)], images.reset_index(),
                              author="another")
    page.reload()
    offered = page.locator(".hg-row")
    expect(page.get_by_test_id("tile").first).to_contain_text(label)
    page.keyboard.press("l")
    for at, name in enumerate(sorted([label, last])):
        expect(offered.nth(at)).to_have_text(name)
    page.keyboard.type(last)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Relabelled to").first).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("tile").first).to_contain_text(label)
    page.keyboard.press("l")
    for at, name in enumerate([last, label, *others]):
        expect(offered.nth(at)).to_have_text(name)
    page.keyboard.press("Escape")
    for _ in paths(page):  # on to an image of another series
        page.keyboard.press("ArrowRight")
        focused = str(images["label"][page.evaluate("document.activeElement.dataset.path")])
        if focused not in (label, last):
            break
    assert focused not in (label, last)
    settle(page)
    page.keyboard.press("l")
    for at, name in enumerate([last, *sorted([label, *others])]):
        expect(offered.nth(at)).to_have_text(name)


def test_a_link_clicked_while_decisions_are_on_their_way_is_followed_when_they_are_saved(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    for key in ("x", "x", "x", "x", "x", "x"):
        page.keyboard.press(key)
    page.evaluate("document.querySelector('[data-testid=stSidebarNavLink][href*=journal]').click()")
    expect(page.get_by_role("heading", name="Journal")).to_be_visible()
    assert [path for _, path, _ in live(workspace)] == shown[:6]


def test_other_images_are_asked_for_when_the_decisions_on_their_way_are_saved(
        page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)
    for key in ("x", "x", "x"):
        page.keyboard.press(key)
    page.evaluate("[...document.querySelectorAll('button, label')].find((node) => node.textContent === 'All images').click()")
    expect(page.get_by_text("1–60 of 135")).to_be_visible()
    assert [path for _, path, _ in live(workspace)] == shown[:3]


def test_a_decision_that_was_swallowed_on_its_way_is_sent_again_and_made_once(
        page: Page, app: App, workspace: Workspace) -> None:
    swallowed: list[bytes] = []

    def connect(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if isinstance(message, bytes) and b'"act"' in message and not swallowed:
                swallowed.append(message)
            else:
                server.send(message)

        socket.on_message(pass_on)

    page.route_web_socket(re.compile(".*/_stcore/stream"), connect)
    open_(page, app, "/noise")
    first, second = paths(page)[:2]
    for key in ("x", "k"):
        page.keyboard.press(key)
    wait_for(page, workspace, [("exclude", first, ""), ("label_ok", second, "")])
    assert swallowed


def test_keys_held_while_typing_are_not_decisions(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    paths(page)
    page.get_by_label("Page", exact=True).focus()
    page.keyboard.type("xku")
    page.wait_for_timeout(300)
    assert live(workspace) == []


def decide(page: Page, count: int) -> None:
    for i in range(count):
        page.keyboard.press("x" if i % 2 else "k")


def test_two_people_decide_at_the_same_time_and_nothing_is_lost_or_made_twice(
        chromium: Browser, app: App, workspace: Workspace) -> None:
    pages = [chromium.new_context(viewport={"width": 1440, "height": 900}).new_page() for _ in range(2)]
    for page, start in zip(pages, (0, 60), strict=True):
        show_all(page, app)
        if start:
            page.get_by_test_id("next-page").click()
            expect(page.get_by_text("61–120 of 135")).to_be_visible()
        settle(page)
    for i in range(EACH_DECIDES // 2):
        for page in pages:
            page.keyboard.press("x" if i % 2 else "k")
    wanted = EACH_DECIDES
    deadline = time.monotonic() + 3 * PATIENCE / 1000
    while len(live(workspace)) < wanted and time.monotonic() < deadline:
        pages[0].wait_for_timeout(100)
    made = live(workspace)
    assert len(made) == wanted
    assert len({path for _, path, _ in made}) == wanted
    undone = Journal(workspace).undo(catalog=catalog.load(workspace), author="a third").target
    back = next(d.path for d in Journal(workspace).entries().itertuples() if d.batch == undone)
    badges = [page.locator(f"[data-testid=tile][data-path={json.dumps(back)}] .hg-badge") for page in pages]
    shown = next(badge for badge in badges if badge.count())
    expect(shown).to_contain_text("%")  # its score again, without anything done in that browser
    for page in pages:
        page.context.close()


def test_a_server_killed_in_a_bulk_decision_leaves_all_of_it_or_none(page: Page, app: App, workspace: Workspace) -> None:
    rng = np.random.default_rng(0)
    show_all(page, app)
    page.get_by_role("button", name="Select all 135").click()
    threading.Timer(float(rng.uniform(0.0, 0.1)), app.process.kill).start()
    page.get_by_role("button", name="Unsure (135)").click(no_wait_after=True)
    app.process.wait(20)
    assert len(live(workspace)) in (0, 135)


def test_what_is_shown_as_saved_survives_a_kill(page: Page, app: App, workspace: Workspace) -> None:
    open_(page, app, "/noise")
    shown = paths(page)[:5]
    for i, path in enumerate(shown):
        page.keyboard.press("x" if i % 2 else "k")
        expect(page.locator(f"[data-testid=tile][data-path={json.dumps(path)}] .hg-badge")).to_have_text(
            "excluded" if i % 2 else "label ok")
    app.process.kill()
    app.process.wait(20)
    assert [(action, path) for action, path, _ in live(workspace)] == [
        ("exclude" if i % 2 else "label_ok", path) for i, path in enumerate(shown)]
