"""The catalogues say the same things, and the pages say nothing that is not in them."""

from __future__ import annotations

import re
import string

import pytest

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
    assert set(other) == set(english)
    different = {key for key in english if gaps(english[key]) != gaps(other[key])}
    assert not different
    assert not [key for key, sentence in other.items() if not sentence.strip()]


def test_every_key_that_is_said_exists():
    found = {key for key in USED.findall(sources()) if "{" not in key}
    found |= {f"count.{unit}" for unit in COUNTED.findall(sources())}
    unknown = found - set(words.catalogue("en"))
    assert found
    assert not unknown


def test_counts_follow_the_number():
    assert words.count(1, "class") == "1 class"
    assert words.count(2000, "image") == "2,000 images"
