"""Fixtures for all tests. None touches the real cache or workspaces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from make_images import image_bytes, make_image

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path_factory.mktemp("hai")
    monkeypatch.setenv("HAI_CACHE", str(place / "cache"))
    monkeypatch.setenv("HAI_WORKSPACES", str(place / "workspaces"))
    monkeypatch.delenv("HAI_DATABASE_URL", raising=False)
    monkeypatch.setenv("HAI_RUNTIME", "torch")  # models in the tests count their batches


@pytest.fixture
def make_tree(tmp_path: Path) -> Callable[..., Path]:
    """make_tree(*paths): a folder with a different small JPEG at each relative path; more calls add to it."""
    root = tmp_path / "images"
    made: list[str] = []

    def make(*paths: str) -> Path:
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(image_bytes(make_image(len(made), (48, 36))))
            made.append(path)
        return root

    return make


@pytest.fixture(scope="session")
def cars98() -> Path:
    """The folder of real car photos that development machines have; tests that use it skip elsewhere."""
    if not (SHARED / "data" / "cars98").is_dir():
        pytest.skip(f"needs the photos in {SHARED}/data/cars98")
    return SHARED / "data" / "cars98"
