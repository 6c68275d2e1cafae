"""What the interface says, in the language that the person chose. One catalogue a language: en.yaml, ko.yaml.

A catalogue maps section -> key -> sentence with `{named}` gaps. Names that people chose (files, classes) fill gaps, and are
escaped by the caller for where they go (`pages.ui.text`). What `hai_core` says (errors, logs, findings) is English.
"""

from __future__ import annotations

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


def section(name: str) -> dict[str, str]:
    """Key -> sentence of a whole section, gaps unfilled: what a component's browser side gets."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): text for key, text in catalogue(language()).items() if key.startswith(prefix)}


def count(n: int, unit: str) -> str:
    """`1 image`, `2,000 images`; `unit` is a key of the section `count`, whose sentences are 'one|many'."""
    one, _, many = catalogue(language())[f"count.{unit}"].partition("|")
    return (one if n == 1 or not many else many).format(n=f"{n:,}")
