import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_images import image_bytes, make_image
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from hai_core import catalog, pixels, workspace
from hai_core.findings.quality import COLUMNS, PROBLEMS, quality


def catalog_of(images: dict[str, Image.Image | str]) -> pd.DataFrame:
    """The catalog rows of images in memory, all of one class; a text stands for an unreadable file and says why."""
    rows = []
    for path, image in images.items():
        row = dict.fromkeys(catalog.COLUMNS) | {"path": path, "label": "sedan"}
        if isinstance(image, str):
            rows.append(row | {"status": "unreadable", "reason": image, "width": 0, "height": 0})
        else:
            rows.append(row | {"status": "ok", "reason": ""} | pixels.measure(image_bytes(image, quality=92))[0])
    return pd.DataFrame(rows).astype({"path": "str", "label": "str", "status": "str", "reason": "str"})


def photos(count: int = 40) -> dict[str, Image.Image | str]:
    return {f"photo {i:02}.jpg": make_image(i, (240 + 3 * i, 180 + 2 * i)) for i in range(count)}


def found(images: dict[str, Image.Image | str]) -> dict[str, set[str]]:
    return quality(catalog_of(images)).groupby("path")["problem"].agg(set).to_dict()


def text_card() -> Image.Image:
    card = Image.new("RGB", (256, 192), "white")
    ImageDraw.Draw(card).text((40, 80), "NO IMAGE AVAILABLE", fill="black")
    return card


def test_nothing_is_found_in_plain_photos() -> None:
    assert found(photos()) == {}


FAULTY: dict[str, tuple[Image.Image | str, str]] = {
    "dark": (ImageEnhance.Brightness(make_image(90)).enhance(0.06), "brightest parts"),
    "light": (Image.blend(make_image(91), Image.new("RGB", (320, 240), "white"), 0.93), "darkest parts"),
    "blurry": (make_image(92).filter(ImageFilter.GaussianBlur(8)), "fine detail"),
    "odd_size": (make_image(93, (40, 30)), "its size"),
    "odd_aspect_ratio": (make_image(94, (600, 100)), "width / height is 6"),
    "grayscale": (make_image(95).convert("L").convert("RGB"), "colours span 0.0%"),
    "unreadable": ("the file is empty", "the file is empty"),
}


@pytest.mark.parametrize("problem", FAULTY)
def test_each_problem_is_found_with_its_number(problem: str) -> None:
    image, reason = FAULTY[problem]
    table = quality(catalog_of(photos() | {"faulty.jpg": image}))
    assert list(table.columns) == COLUMNS
    row = table[table["problem"] == problem].iloc[0]
    assert (row["path"], row["label"]) == ("faulty.jpg", "sedan")
    assert 0 <= row["score"] < 0.5
    assert reason in row["reason"]
    assert set(table["path"]) == {"faulty.jpg"}


@pytest.mark.parametrize("image", [
    Image.new("RGB", (256, 192), (120, 40, 200)), text_card(), Image.new("L", (200, 200), 255),
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (192, 256, 3), dtype=np.uint8)),
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)),
], ids=["uniform", "text", "white", "noise", "large noise"])
def test_junk_has_no_information(image: Image.Image) -> None:
    assert "low_information" in found(photos() | {"junk.jpg": image})["junk.jpg"]


def test_a_blurred_photo_is_worse_the_more_it_is_blurred() -> None:
    blurred = {f"blurred {radius}.jpg": make_image(99).filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4, 8)}
    table = quality(catalog_of(photos() | blurred), all=True)
    blurry = table[(table["problem"] == "blurry") & table["path"].str.startswith("blurred")].sort_values("path")
    assert blurry["score"].is_monotonic_decreasing
    assert blurry["score"].iloc[0] > 0.8
    assert blurry["score"].iloc[-1] < 0.3


def test_a_dark_or_foggy_photo_is_not_called_blurry() -> None:
    problems = found(photos() | {"dark.jpg": FAULTY["dark"][0], "light.jpg": FAULTY["light"][0]})
    assert "blurry" not in problems["dark.jpg"] | problems["light.jpg"]


def test_all_gives_every_image_and_problem_and_the_same_findings() -> None:
    table = catalog_of(photos(10) | {"bad.jpg": "the file is empty", "dark.jpg": FAULTY["dark"][0]})
    every, findings = quality(table, all=True), quality(table)
    assert len(every) == 11 * len(PROBLEMS) + 1
    assert not every[["path", "problem"]].duplicated().any()
    assert every["score"].between(0, 1).all()
    assert every["score"].is_monotonic_increasing
    assert (every["reason"] != "").all()
    pd.testing.assert_frame_equal(every[every["score"] < 0.5], findings)


def test_limits_follow_the_set_but_only_between_the_guards() -> None:
    dim = {path: ImageEnhance.Brightness(image).enhance(0.35) for path, image in photos().items()}  # type: ignore[arg-type]
    night = {path: ImageEnhance.Brightness(image).enhance(0.05) for path, image in photos().items()}  # type: ignore[arg-type]
    assert not any("dark" in problems for problems in found(dim).values())
    assert all("dark" in problems for problems in found(night).values())
    assert len(found(night)) == len(night)


def test_one_fault_in_twenty_moves_no_limit() -> None:
    plain = quality(catalog_of(photos()), all=True)
    table = quality(catalog_of(photos() | {f"black {i}.jpg": Image.new("RGB", (300, 200)) for i in range(2)}), all=True)
    both = plain.merge(table, on=["path", "problem"])
    assert (both["score_x"] - both["score_y"]).abs().max() < 0.08


def test_grey_images_are_findings_only_in_a_set_of_colour_images() -> None:
    grey = {path: image.convert("L").convert("RGB") for path, image in photos().items()}  # type: ignore[union-attr]
    assert found(grey) == {}
    one_in_colour = grey | {"colour.jpg": make_image(50)}
    assert found(one_in_colour) == {}
    one_in_grey = photos() | {"grey.jpg": make_image(50).convert("L").convert("RGB")}
    assert found(one_in_grey) == {"grey.jpg": {"grayscale"}}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_images_are_judged_by_the_guards_alone(count: int) -> None:
    assert found(photos(count)) == {}
    assert "dark" in found({"a.jpg": FAULTY["dark"][0]})["a.jpg"]


def test_empty_and_unreadable_catalogs() -> None:
    nothing = catalog_of(photos(1)).iloc[:0]
    assert list(quality(nothing).columns) == COLUMNS
    assert len(quality(nothing, all=True)) == 0
    only_bad = quality(catalog_of({"b.jpg": "the file is empty", "a.jpg": "not an image in a known format"}))
    assert only_bad["path"].tolist() == ["a.jpg", "b.jpg"]
    assert only_bad["problem"].tolist() == ["unreadable", "unreadable"]
    assert only_bad["score"].tolist() == [0, 0]


def test_images_of_a_pixel_or_two_break_nothing() -> None:
    tiny = {f"{w}x{h}": Image.new("RGB", (w, h), (9, 99, 200)) for w, h in ((1, 1), (2, 2), (1, 500), (500, 1))}
    assert quality(catalog_of(photos() | tiny), all=True)["score"].notna().all()


@pytest.mark.shared
def test_planted_faults_are_found_among_real_photos(cars98: Path, tmp_path: Path) -> None:
    for folder in sorted((cars98 / "train").iterdir())[::6]:
        shutil.copytree(folder, tmp_path / "clean" / folder.name)
    tools, planted = cars98.parents[1] / "tools", tmp_path / "planted"
    plant = [sys.executable, tools / "plant_faults.py", tmp_path / "clean", planted, "--seed", "11"]
    subprocess.run(plant, check=True, capture_output=True)
    workspace.write_table(quality(catalog.scan(planted / "images", tmp_path / "store")), tmp_path / "found.csv")
    score = [sys.executable, tools / "score_findings.py", "quality", tmp_path / "found.csv", planted / "truth.csv"]
    figures = json.loads(subprocess.run(score, check=True, capture_output=True).stdout)
    assert (figures["unreadable"], figures["dark"], figures["junk"]) == (1, 1, 1)
    assert figures["blurry"] >= 0.75  # of four
    assert figures["false_alarms"] < 0.02 * len(list((tmp_path / "clean").rglob("*.jpg")))
