"""Every page for people who use a screen reader, little contrast or a keyboard: axe-core finds nothing serious."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import App, settle
from tests.browser.test_review_pages import photos, store_findings

PAGES = ("", "duplicates", "noise", "clusters", "classes", "manifest", "training", "confusions", "journal")


@pytest.fixture(scope="module")
def app(start_with, tmp_path_factory) -> App:
    return start_with(tmp_path_factory.mktemp("access"), photos, store_findings)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_violation(chromium: Browser, app: App, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": 1024, "height": 768}, color_scheme=scheme)
    page = context.new_page()
    found = []
    for name in PAGES:
        page.goto(f"{app.url}/{name}?w=cars")
        expect(page.get_by_test_id("stSidebarNav")).to_contain_text("Journal")
        settle(page)
        page.wait_for_timeout(500)
        violations = Axe().run(page).response["violations"]
        found += [(name, violation["id"], violation["nodes"][0]["html"][:200]) for violation in violations
                  if violation["impact"] in ("serious", "critical")]
        wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
        assert wide <= 0, f"{name} scrolls sideways"
    context.close()
    assert found == []
