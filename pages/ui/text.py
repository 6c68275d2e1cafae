"""Names that people chose (files, classes, tags) as text: shown as they are, never interpreted.

Streamlit reads the text of labels, captions and messages as Markdown, and Plotly reads a subset of HTML.
`st.text`, table cells and select boxes show plain text and need none of this.
"""

from __future__ import annotations

import html
import re

_MARKS = re.compile(r"([!-/:-@\[-`{-~])")
# Turned into arrows, dashes, links and a logo after Markdown's escapes are resolved; an invisible word joiner prevents it.
_LIGATURES = re.compile(r"(?<=[-<>=~])(?=[->=])|(?<=:)(?=//|streamlit:)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_JOINER = "\u2060"


def text(name: object) -> str:
    """`name` for anything that Streamlit renders as Markdown."""
    return _MARKS.sub(r"\\\1", _LIGATURES.sub(_JOINER, str(name)))


def plotly(name: object) -> str:
    """`name` for Plotly's labels and hover texts; `html.unescape` gives it back."""
    return html.escape(str(name), quote=False)


def markup(name: object) -> str:
    """`name` for HTML content and quoted attribute values."""
    return html.escape(str(name))


def shortened(name: object, limit: int = 28) -> str:
    """`name` cut in the middle, so that both the model and the year of a class name stay readable."""
    name = str(name)
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return name[: limit - 1 - tail] + "…" + name[-tail:]


def count(n: int, unit: str) -> str:
    """`1 image`, `2,000 images`, `3 classes`."""
    plural = unit if n == 1 else unit + ("es" if unit.endswith("s") else "s")
    return f"{n:,} {plural}"
