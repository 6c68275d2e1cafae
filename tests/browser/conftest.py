"""A real app server and a real Chromium for the tests of this folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hai_core import catalog
from hai_core.workspace import Workspace, repository_root
from tests.browser.fetch import find

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE = 20_000  # milliseconds that a page may take on a busy machine before a test fails


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="HAI_SKIP_BROWSER is set")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if os.environ.get("HAI_SKIP_BROWSER"):
                item.add_marker(skip)


@dataclass
class App:
    """A running app: where it answers, and where it keeps its things."""

    url: str
    workspaces: Path
    cache: Path
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="session")
def start_app() -> Iterator[object]:
    """Function (folder, script) -> App: runs the app, or another script, on a free port; all it keeps is in `folder`."""
    running: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, script: str = "app.py") -> App:
        port = _free_port()
        environment = os.environ | {"HAI_WORKSPACES": str(folder / "workspaces"), "HAI_CACHE": str(folder / "cache"),
                                    "HAI_AUTHOR": "tester", "OMP_NUM_THREADS": "1"}
        for name in ("HAI_WORKSPACE", "HAI_DATABASE_URL", "HAI_RUNTIME"):
            environment.pop(name, None)
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "server.log"
        with open(log, "wb") as output:
            process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)],
                                       cwd=repository_root(), env=environment, stdout=output, stderr=subprocess.STDOUT)
        running.append(process)
        app = App(f"http://127.0.0.1:{port}", folder / "workspaces", folder / "cache", process, log)
        _wait_until_it_answers(app)
        return app

    yield start
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # on a busy machine a page may still be running
            process.kill()
            process.wait(10)


@pytest.fixture(scope="session")
def start_with(start_app) -> object:
    """Function (folder, photos, findings) -> App with an indexed workspace `cars`.

    `photos(folder)` writes the images and returns their folder; `findings(workspace)` stores what the pages show.
    """

    def start(folder: Path, photos: Callable[[Path], Path], findings: Callable[[Workspace], None]) -> App:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HAI_CACHE", str(folder / "cache"))
            workspace = Workspace.create(folder / "workspaces" / "cars", photos(folder / "photos"))
            catalog.index(workspace, workers=1)
            findings(workspace)
        return start_app(folder)

    return start


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(app: App) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{app.url}/_stcore/health", timeout=2):
                return
        except OSError:
            assert app.process.poll() is None, app.log.read_text()
            assert time.monotonic() < deadline, f"the app does not answer: {app.log.read_text()}"
            time.sleep(0.2)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    executable = find()
    assert executable, "no Chromium was found: run `python -m tests.browser.fetch`, or set HAI_SKIP_BROWSER"
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of 1440 x 900. The test fails when a script fails, a dialog opens, or anything leaves this machine."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(f"a dialog opened: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: _is_local(request.url) or wrong.append(f"request to {request.url}"))
    yield page
    context.close()
    assert wrong == []


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


def settle(page: Page) -> None:
    """Wait until the app has finished what it is doing."""
    page.wait_for_timeout(150)  # a click reaches the server, which then shows that it runs
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=PATIENCE)
    page.wait_for_timeout(100)


def picture(page: Page, name: str) -> None:
    """Keep a screenshot where HAI_SCREENSHOTS points, to look at."""
    if folder := os.environ.get("HAI_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
