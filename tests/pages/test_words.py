"""The catalogues say the same things, and the pages say nothing that is not in them."""

from __future__ import annotations

import re
import string

import numpy as np
import pandas as pd
import pytest

from hai_core.findings import keep, quality
from hai_core.members.config import OPTIONS, Config, presets
from hai_core.workspace import repository_root
from pages.ui import words

LANGUAGES = sorted(words.LANGUAGES)
PAGES = repository_root() / "pages"
USED = re.compile(r"""\bsay\(\s*f?["']([a-z0-9_.{}\- ]+)["']""")
COUNTED = re.compile(r"""\bcount\([^"'\n]*?,\s*["']([a-z ]+)["']\)""")


def gaps(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def sources() -> str:
    return "\n".join(file.read_text("utf-8") for file in [repository_root() / "app.py", *PAGES.rglob("*.py")])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_catalogue_has_the_same_keys_and_gaps(language):
    english, other = words.catalogue("en"), words.catalogue(language)
    own = {key for key in other if key.startswith(("option_help.", "preset_about."))}
    assert set(other) - own == set(english)
    different = {key for key in english if gaps(english[key]) != gaps(other[key])}
    assert not different
    assert not [key for key, sentence in other.items() if not sentence.strip()]


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_options_and_presets_are_told_of_in_every_language(language):
    told = words.catalogue(language)
    options = {name for name in Config.model_fields if name not in OPTIONS}
    options |= {f"{section}.{name}" for section, model in OPTIONS.items() for name in model.model_fields}
    assert {key for key in told if key.startswith("option_help.")} == {f"option_help.{name}" for name in options}
    assert {key for key in told if key.startswith("preset_about.")} == {f"preset_about.{one.name}" for one in presets()}


def test_every_key_that_is_said_exists():
    found = {key for key in USED.findall(sources()) if "{" not in key}
    found |= {f"count.{unit}" for unit in COUNTED.findall(sources())}
    unknown = found - set(words.catalogue("en"))
    assert found
    assert not unknown


def test_counts_follow_the_number():
    assert words.count(1, "class") == "1 class"
    assert words.count(2000, "image") == "2,000 images"


DIFFERENCES = [
    "the same bytes", "the same pixels in another file", "saved anew; 0 of 64 hash bits differ",
    "mirror image, with a border, grey, shows less at the edges; cosine 0.9",
    "90 x 60 instead of 120 x 80 pixels, compressed more; cosine 0.91",
    "grey; 3 of 64 hash bits differ", "shows more at the edges; cosine 0.99"]


def told_by_detectors() -> list[str]:
    """Every kind of reason: those of quality and of what is kept as the functions say them."""
    noisy, calm = np.array([1.0, 5.0]), np.array([0.2, 0.2])
    columns = ["luma_p05", "luma_p95", "contrast", "entropy", "sharpness", "brightness", "colorfulness", "width", "height"]
    judged = [quality._dark(np.array([0.01, 0.9])), quality._light(np.array([0.9, 0.01])),
              quality._blurry(np.array([np.nan, 0.05])),
              quality._low_information(np.array([8.0, 1.0]), noisy), quality._low_information(np.array([1.0, 8.0]), calm),
              *quality._judge(pd.DataFrame(0.5, index=range(3), columns=columns))]
    said = [one.reason(row) for one in judged for row in (0, 1)]
    differs = {"border": [True, False], "grey": [True, False], "detail": [9.0, 1.0], "label": ["a", "b"],
               "excluded": [True, False]}
    for name in (*differs, ""):
        of = {key: np.array(values if key == name else [values[-1]] * 2) for key, values in differs.items()}
        images = pd.DataFrame({"label": of["label"], "excluded": of["excluded"]})
        said.append(keep.best([0, 1], images, keep.Quality(of["border"], of["grey"], of["detail"], of["detail"]))[1])
    images = pd.DataFrame({"label": ["a", "b", "b"], "excluded": False})
    flat = np.zeros(3)
    said.append(keep.best([0, 1, 2], images, keep.Quality(flat > 0, flat > 0, flat, flat))[1])
    return sorted({*said, *DIFFERENCES})


def test_reasons_of_findings_are_told_in_the_language_chosen(monkeypatch):
    said = told_by_detectors()
    assert len(said) > 20
    assert [words.reason(told) for told in said] == said
    monkeypatch.setattr(words, "language", lambda: "ko")
    left = {told: words.reason(told) for told in said}
    assert not {told: korean for told, korean in left.items() if re.search("[a-wyzA-Z]{2}", korean)}
    assert words.reason("90 x 60 instead of 120 x 80 pixels; cosine 0.91") == "120 x 80 대신 90 x 60 픽셀; 코사인 0.91"
    numbers = {told: sorted(re.findall(r"[\d.%-]*\d[\d.%]*", told)) for told in said}
    assert numbers == {told: sorted(re.findall(r"[\d.%-]*\d[\d.%]*", korean)) for told, korean in left.items()}
