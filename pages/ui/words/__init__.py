"""What the interface says, in the language that the person chose. One catalogue a language: en.yaml, ko.yaml.

A catalogue maps section -> key -> sentence with `{named}` gaps. Names that people chose (files, classes) fill gaps, and are
escaped by the caller for where they go (`pages.ui.text`). What `hai_core` says (errors, logs) is English; of the reasons in its
findings the section `reasons` has each sentence, in English as `hai_core` writes it, and what it says of training options and
presets stands in the sections `option_help` and `preset_about` of the other languages.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
import yaml

LANGUAGES = {"en": "English", "ko": "한국어"}
LANGUAGE = "language"  # session key: one of LANGUAGES


def language() -> str:
    """As chosen in the sidebar, else the browser's if there is a catalogue for it, else English."""
    wanted = st.session_state.get(LANGUAGE) or (st.context.locale or "en").split("-")[0]
    return wanted if wanted in LANGUAGES else "en"


@cache
def catalogue(name: str) -> dict[str, str]:
    """`section.key` -> sentence."""
    sections = yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))
    return {f"{section}.{key}": sentence for section, entries in sections.items() for key, sentence in entries.items()}


def say(key: str, **values: Any) -> str:
    """The sentence `section.key`, its gaps filled with `values`. An unknown key is a bug and raises KeyError."""
    sentence = catalogue(language())[key]
    return sentence.format(**values) if values else sentence


def in_own_words(key: str, english: str) -> str:
    """What `hai_core` says in English, here called `section.key`, in the person's language."""
    return english if language() == "en" else catalogue(language())[key]


def section(name: str) -> dict[str, str]:
    """Key -> sentence of a whole section, gaps unfilled: what a component's browser side gets."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): text for key, text in catalogue(language()).items() if key.startswith(prefix)}


def reason(told: str) -> str:
    """Why a detector found something, which `hai_core` says in English, in the person's language."""
    if language() == "en":
        return told
    for pattern, sentence in _reasons(language()):
        told = pattern.sub(lambda match, sentence=sentence: sentence.format(**match.groupdict()), told)  # type: ignore[misc]
    return told


@cache
def _reasons(name: str) -> list[tuple[re.Pattern[str], str]]:
    """What a reason holds in English, gaps matching a word or number, and its sentence in another language; longest first."""
    english, other = (
        {key: said for key, said in catalogue(one).items() if key.startswith("reasons.")} for one in ("en", name))
    found = []
    for key in sorted(english, key=lambda key: -len(english[key])):
        pieces = re.split(r"\{(\w+)\}", english[key])  # text, name, text, name, ...
        found.append((re.compile("".join(rf"(?P<{piece}>[\w.%-]+)" if at % 2 else re.escape(piece)
                                         for at, piece in enumerate(pieces))), other[key]))
    return found


def count(n: int, unit: str) -> str:
    """`1 image`, `2,000 images`; `unit` is a key of the section `count`, whose sentences are 'one|many'."""
    one, _, many = catalogue(language())[f"count.{unit}"].partition("|")
    return (one if n == 1 or not many else many).format(n=f"{n:,}")
