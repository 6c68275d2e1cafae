"""The Confusions page in a real browser, with two made-up runs on a large workspace.

    python -m benchmarks.confusions WORKSPACE [--clicks 15]

WORKSPACE is made by benchmarks/review_workspace.py; it is copied. HAI_CACHE must be set as that script says. The runs' answers
are drawn at random: one image in seven is taken for another class, mostly for one of its group of four. Times are by the
browser's clock, from the click to the frame after every image of the gallery's page is decoded and drawn; drawing alone is what
the matrix says of itself.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from playwright.sync_api import Page, sync_playwright

from benchmarks.review import OURS, PAINTED, SHOWN, serve, settle, told
from hai_core import catalog as catalogs
from hai_core import manifest as manifests
from hai_core.manifest import Manifest
from hai_core.members import config
from hai_core.records import OK
from hai_core.runs import FINISHED
from hai_core.workspace import Workspace, write_atomic, write_table
from tests.browser.conftest import ARGUMENTS
from tests.browser.fetch import find

WRONG, NEAR, GROUP = 0.15, 0.7, 4
PLACE = """() => {
  const { left, across, down, rows } = document.querySelector('[data-testid=matrix]').dataset;
  return [left, across, down, rows];
}"""


def plant(workspace: Workspace, name: str, seed: int) -> Path:
    """A finished run on all readable images, with everything that the pages read."""
    images = catalogs.load(workspace)
    images = images[(images["status"] == OK) & (images["label"] != "")]
    classes = sorted(images["label"].unique())
    table = images.assign(original_label=images["label"], series="", group=-1, split="train")[manifests.COLUMNS]
    manifest = Manifest(table.sort_values("path", ignore_index=True), classes, {c: c for c in classes}, {}, {})
    run = manifests.save(manifest, workspace.runs / name)
    labels = pd.Index(classes).get_indexer(pd.Index(manifest.table["label"]))
    probabilities = answers(labels, len(classes), np.random.default_rng(seed))
    oof = manifest.table[["path", "label"]].assign(fold=np.arange(len(labels)) % 5)
    write_table(pd.concat([oof, pd.DataFrame(probabilities, columns=[f"p:{c}" for c in classes])], axis=1), run / "oof.parquet")
    right = float((probabilities.argmax(1) == labels).mean())
    metrics = {"log_loss": float(-np.log(probabilities[np.arange(len(labels)), labels]).mean()), "accuracy": right}
    write_atomic(run / "metrics.json", json.dumps({"metrics": metrics, "recipes": [], "members": []}))
    write_atomic(run / "config.yaml", config.from_values({"name": name}).to_yaml())
    write_atomic(run / "run.json", json.dumps({
        "id": name, "state": FINISHED, "key": name, "manifest": manifest.digest, "config": "", "classes": classes,
        "images": len(labels), "versions": {}, "started": datetime.now(UTC).isoformat(), "seconds": 1.0, "command": "",
        "error": "", "process": {}}))
    return run


def answers(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Probabilities (N, K), most of them on two classes."""
    wrong, near = rng.random(len(labels)) < WRONG, rng.random(len(labels)) < NEAR
    group = np.minimum(labels // GROUP * GROUP + rng.integers(0, GROUP, len(labels)), size - 1)
    other = np.where(near, group, rng.integers(0, size, len(labels)))
    first = rng.uniform(0.5, 0.95, len(labels)).astype(np.float32)
    probabilities = np.full((len(labels), size), 0.02 / size, np.float32)
    rows = np.arange(len(labels))
    np.add.at(probabilities, (rows, np.where(wrong, other, labels)), first)
    np.add.at(probabilities, (rows, np.where(wrong, labels, other)), 0.98 - first)
    return probabilities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--clicks", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        copy = Path(folder) / "review"
        shutil.copytree(arguments.workspace, copy)
        workspace = Workspace.open(copy)
        for seed, name in enumerate(("first", "second")):
            plant(workspace, name, seed)
        app, url = serve("app.py", copy)
        browser = playwright.chromium.launch(executable_path=find(), args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        try:
            measure(page, url, arguments.clicks)
        finally:
            app.kill()
            browser.close()


def measure(page: Page, url: str, clicks: int) -> None:
    page.goto(url)
    settle(page, 3000)
    for turn in ("first", "again"):
        start = time.perf_counter()
        page.locator('[data-testid=stSidebarNav] a[href*="/confusions"]').click()
        page.wait_for_function("document.querySelector('[data-testid=matrix]')?.dataset.drawn")
        page.wait_for_selector(OURS)
        print(f"page, {turn}: {1000 * (time.perf_counter() - start):.0f} ms to matrix and gallery", flush=True)
        settle(page, 2000)
        page.locator('[data-testid=stSidebarNav] a[href*="/journal"]').click()
        settle(page, 1500)
    page.locator('[data-testid=stSidebarNav] a[href*="/confusions"]').click()
    settle(page, 3000)
    clicked(page, clicks, "40 classes")
    start = time.perf_counter()
    drawn = page.get_by_test_id("matrix").get_attribute("data-drawn")
    page.get_by_text(re.compile("^all [0-9]")).click()
    page.wait_for_function("(was) => document.querySelector('[data-testid=matrix]').dataset.drawn !== was", arg=drawn)
    print(f"from 40 classes to all: {1000 * (time.perf_counter() - start):.0f} ms to the matrix", flush=True)
    settle(page, 2000)
    clicked(page, clicks, "all classes")


def clicked(page: Page, clicks: int, what: str) -> None:
    """From a click on a cell, or the end of a box, to the painted gallery."""
    told(f"{what}: click on a cell to gallery painted", [drag(page, 0.05 + 0.06 * i, 0) for i in range(clicks)])
    told(f"{what}: box over cells to gallery painted", [drag(page, 0.02 + 0.06 * i, 0.05) for i in range(clicks)])
    milliseconds = page.get_by_test_id("matrix").get_attribute("data-milliseconds")
    print(f"{what}: drawing takes {milliseconds} ms", flush=True)


def drag(page: Page, place: float, size: float) -> float:
    """A box of `size` (share of the matrix) on the diagonal, or a click on the cell of the diagonal there."""
    box = page.get_by_test_id("matrix-canvas").bounding_box()
    assert box
    left, across, down, shown = (float(value) for value in page.evaluate(PLACE))
    place = round(place * shown) + 0.5  # the middle of a cell
    before = page.evaluate(SHOWN, OURS)
    page.mouse.move(box["x"] + left + place * across, box["y"] + place * down)
    page.mouse.down()
    if size:
        end = place + size * shown
        page.mouse.move(box["x"] + left + end * across, box["y"] + end * down, steps=4)
    page.evaluate(f"async (args) => {{ window.painted = ({PAINTED})(args); }}", [OURS, before, ""])
    page.mouse.up()
    took = float(page.evaluate("window.painted"))
    settle(page)
    return took


if __name__ == "__main__":
    main()
