"""The review pages in a real browser on a large workspace, beside a plain Streamlit page that shows the same thumbnails.

    python -m benchmarks.review WORKSPACE [--turns 20] [--decisions 30] [--only gallery decisions map pages memory pair]

WORKSPACE is made by benchmarks/review_workspace.py; it is copied, so that what is decided here is not kept. HAI_CACHE must be
set as that script says. All times are by the browser's clock, from the key or click to the frame after every image on the page
is decoded and drawn. The plain page is `st.image` in `st.columns`, six in a row, with a button for the next page.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from hai_core.decisions import Journal
from hai_core.workspace import Workspace
from tests.browser.conftest import ARGUMENTS
from tests.browser.fetch import find

PAGES = ("", "duplicates", "noise", "clusters", "classes", "manifest", "training", "confusions", "journal")
A_PAGE = 50  # decisions of a person on a page of 60, before the next page
PARTS = ("gallery", "decisions", "map", "pages", "memory", "pair")
PLAIN = Path(__file__).parent / "plain_gallery.py"
# Milliseconds from `act` until the first and the last image are others than before, and all are decoded and drawn.
PAINTED = """async ([of, was, act]) => {
  const key = (image) => image && image.closest('[data-path]')?.dataset.path || image?.src;
  const start = performance.now();
  eval(act);
  for (;;) {
    await new Promise(requestAnimationFrame);
    const images = [...document.querySelectorAll(of)];
    const other = images.length && key(images[0]) !== was[0] && key(images.at(-1)) !== was[1];
    if (other && images.every((image) => image.src && image.complete && image.naturalWidth)) {
      const decoded = await Promise.allSettled(images.map((image) => image.decode()));
      if (decoded.some(({ status }) => status === 'rejected')) continue;
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      return performance.now() - start;
    }
    if (performance.now() - start > 20000) throw new Error("not painted");
  }
}"""
SHOWN = """(of) => {
  const key = (image) => image && image.closest('[data-path]')?.dataset.path || image?.src;
  const images = [...document.querySelectorAll(of)];
  return [key(images[0]), key(images.at(-1))];
}"""
OPENED = """(title) => document.querySelector('h1')?.textContent === title && !document.querySelector('[data-stale=true]')
  && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"""
OURS, THEIRS = "[data-testid=gallery] .hg-frame img", "[data-testid=stImage] img"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--decisions", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = Path(folder) / "review"
        shutil.copytree(arguments.workspace, workspace)
        browser = playwright.chromium.launch(executable_path=find(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        app, url = serve("app.py", workspace)
        try:
            if "gallery" in arguments.only:
                gallery(page, url, workspace, arguments.turns)
            if "decisions" in arguments.only:
                decisions(page, url, workspace, arguments.decisions)
            if "map" in arguments.only:
                image_map(page, url)
            if "pages" in arguments.only:
                pages(page, url)
            if "memory" in arguments.only:
                memory(page, url, app)
            if "pair" in arguments.only:
                pair(browser, url, workspace, 500)
        finally:
            app.kill()
            browser.close()


def serve(script: str, workspace: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"HAI_WORKSPACE": str(workspace), "HAI_AUTHOR": "benchmark"}
    process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)], env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)
            break
        except OSError:
            time.sleep(0.2)
    return process, url


def settle(page: Page, milliseconds: int = 400) -> None:
    """Until nothing runs, and a person would have looked."""
    page.wait_for_timeout(milliseconds)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")


def timed(page: Page, of: str, act: str) -> float:
    """Milliseconds from `act` (JavaScript) until other images than before are painted."""
    page.bring_to_front()
    took = float(page.evaluate(PAINTED, [of, page.evaluate(SHOWN, of), act]))
    settle(page)
    return took


def told(name: str, took: list[float], than: list[float] | None = None) -> list[float]:
    """Print median and 95th percentile, and how many times faster than `than`."""
    line = f"{name:44s} median {np.median(took):7.0f} ms   95th percentile {np.percentile(took, 95):7.0f} ms"
    if than:
        line += (f"   {np.median(than) / np.median(took):.1f} x and {np.percentile(than, 95) / np.percentile(took, 95):.1f} x "
                 "faster than plain")
    print(line, flush=True)
    return took


def gallery(page: Page, url: str, workspace: Path, turns: int) -> None:
    """The next page, a far page and another filter, in turns with the plain page: what else runs on the machine slows both."""
    plain, plain_url = serve(str(PLAIN), workspace)
    browser = page.context.browser
    assert browser
    other = browser.new_page(viewport={"width": 1440, "height": 900})
    other.set_default_timeout(60_000)
    click = "[...document.querySelectorAll('button')].find((b) => b.textContent.includes('{}')).click()"
    turn = "document.querySelector('[data-testid=next-page]').click()"
    jump = ("const p = document.querySelector('.hg-page'); p.value = {}; "
            "p.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true}}))")
    choose = "[...document.querySelectorAll('button, label')].find((node) => node.textContent === 'Outliers').click()"
    try:
        other.goto(plain_url)
        other.wait_for_selector(THEIRS)
        page.goto(f"{url}/noise")
        page.wait_for_selector(OURS)
        page.get_by_text("All images", exact=True).click()
        settle(page, 3000)
        in_turns("next page", turns, lambda _: timed(other, THEIRS, click.format("Next")), lambda _: timed(page, OURS, turn))
        in_turns("far page", turns, lambda _: timed(other, THEIRS, click.format("Far")),
                 lambda i: timed(page, OURS, jump.format(60 + 17 * i)))
        in_turns("other filter", turns, lambda _: timed_anew(other, plain_url, THEIRS, click.format("Filter")),
                 lambda _: timed_anew(page, f"{url}/noise", OURS, choose))
    finally:
        other.close()
        plain.kill()


def in_turns(name: str, turns: int, theirs: Callable[[int], float], ours: Callable[[int], float]) -> None:
    took = [(theirs(i), ours(i)) for i in range(turns)]
    told(f"plain st.image page: {name}", [one for one, _ in took])
    told(name, [one for _, one in took], [one for one, _ in took])


def timed_anew(page: Page, url: str, of: str, act: str) -> float:
    """`timed` in a new session, in which no image was shown before."""
    page.goto(url)
    page.wait_for_selector(of)
    settle(page, 2000)
    return timed(page, of, act)


def decisions(page: Page, url: str, workspace: Path, count: int) -> None:
    """From the key to the badge, and to the journal."""
    page.goto(f"{url}/noise")
    page.wait_for_selector(OURS)
    settle(page, 3000)
    badge, saved, journaled = [], [], []
    journal = Journal(Workspace.open(workspace))
    for i in range(count):
        before = journal.version()
        took = page.evaluate("""async (key) => {
          const tile = document.querySelector('[data-testid=gallery] .hg-on');
          const badge = () => [...document.querySelectorAll('[data-testid=tile]')].find(
            (other) => other.dataset.path === tile.dataset.path)?.querySelector('.hg-badge').textContent;
          const was = badge();
          const start = performance.now();
          const target = document.activeElement === document.body ? document.body : tile;
          target.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
          let first = null;
          for (;;) {
            await new Promise(requestAnimationFrame);
            const now = badge();
            if (first === null && now !== was) first = performance.now() - start;
            if (first !== null && now !== was && now !== 'saving…') return [first, performance.now() - start];
            if (performance.now() - start > 20000) throw new Error('not decided');
          }
        }""", "x" if i % 2 else "k")
        badge.append(took[0])
        saved.append(took[1])
        journaled.append(journal.version() > before)
        settle(page, 600)
    told("decision key to badge", badge)
    told("decision key to shown as saved", saved)
    print(f"in the journal when shown as saved: {sum(journaled)} of {count}", flush=True)


def image_map(page: Page, url: str) -> None:
    """First paint of the map, and a lasso of about 500 points to the painted gallery beside it."""
    first, lasso = [], []
    painted = "document.querySelector('[data-testid=map-selected]')?.textContent.includes('shown')"
    for _ in range(5):
        page.goto(url)
        settle(page, 2000)
        start = time.perf_counter()
        page.locator('[data-testid=stSidebarNav] a[href*="/clusters"]').click()
        page.wait_for_function(painted)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        first.append(1000 * (time.perf_counter() - start))
        settle(page, 1000)
    told("map: click in the sidebar to first paint", first)
    for i in range(10):
        box = page.get_by_test_id("map-canvas").bounding_box()
        assert box
        x, y = box["x"] + (0.35 + 0.02 * i) * box["width"], box["y"] + 0.45 * box["height"]
        side = 0.1 * box["width"]
        before = page.evaluate(SHOWN, OURS)
        page.mouse.move(x, y)
        page.mouse.down()
        for dx, dy in ((side, 0), (side, side), (0, side), (0, 2)):
            page.mouse.move(x + dx, y + dy, steps=4)
        page.evaluate(f"async (args) => {{ window.painted = ({PAINTED})(args); }}", [OURS, before, ""])
        page.mouse.up()
        lasso.append(float(page.evaluate("window.painted")))
        count = page.get_by_test_id("map-selected").inner_text()
        settle(page, 500)
        page.get_by_test_id("map-canvas").press("Escape")
        settle(page, 1000)
    told(f"lasso ({count}) to gallery painted", lasso)


def pages(page: Page, url: str) -> None:
    """Each page opened from another one by a click in the sidebar, until its script has ended; twice."""
    page.goto(url)
    settle(page, 3000)
    for turn in ("first", "again"):
        for name in PAGES:
            start = time.perf_counter()
            page.locator(f'[data-testid=stSidebarNav] a[href*="/{name}?"], [data-testid=stSidebarNav] a[href$="/{name}"]'
                         ).first.click()
            page.wait_for_function(OPENED, arg=name.capitalize() or "review")
            print(f"page {name or 'overview':12s} {turn}  {1000 * (time.perf_counter() - start):6.0f} ms", flush=True)
            page.wait_for_timeout(500)


def pair(browser: Browser, url: str, workspace: Path, count: int) -> None:
    """Two browsers decide at the same time, by keyboard, as fast as keys come."""
    ours = [browser.new_context(viewport={"width": 1440, "height": 900}).new_page() for _ in range(2)]
    for number, page in enumerate(ours):
        page.goto(f"{url}/noise")
        page.get_by_text("All images", exact=True).click()
        page.wait_for_selector(OURS)
        settle(page, 2000)
        page.get_by_label("Page", exact=True).fill(str(1 + 100 * number))
        page.keyboard.press("Enter")
        settle(page, 3000)
    start, done = time.perf_counter(), [0, 0]
    journal = Journal(Workspace.open(workspace))
    while min(done) < count:
        for number, page in enumerate(ours):
            if done[number] and done[number] % A_PAGE == 0:
                page.keyboard.press("PageDown")
            page.keyboard.press("x" if done[number] % 2 else "k")
            done[number] += 1
            page.wait_for_timeout(50)
    deadline = time.monotonic() + 900
    while len(journal.live()) < 2 * count and time.monotonic() < deadline:
        ours[0].wait_for_timeout(200)
    made = journal.live()
    print(f"two browsers: {len(made)} of {2 * count} decisions in the journal, about {len({d.path for d in made})} images, in "
          f"{time.perf_counter() - start:.0f} s", flush=True)


def memory(page: Page, url: str, app: subprocess.Popen[bytes]) -> None:
    for name in PAGES:
        page.goto(f"{url}/{name}")
        settle(page, 1500)
    print(f"memory of the app's process after all pages: {psutil.Process(app.pid).memory_info().rss / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
