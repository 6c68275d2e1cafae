"""Names that people chose (files, classes, tags) as text: shown as they are, never interpreted.

Streamlit reads the text of labels, captions and messages as Markdown, and Plotly reads a subset of HTML.
`st.text`, table cells and select boxes show plain text and need none of this.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence

from pages.ui.words import count as count

WRAPPED = 66  # pixels of a table's row in which Streamlit wraps long names: it does from 4rem on

# Made into arrows, dashes, links, icons and a logo after Markdown's escapes are resolved, in each stretch of plain text by
# itself: an element without content, which leaves no trace in what a person copies, divides the stretch.
_LIGATURE = r"(?<=[-<>=~])(?=[->=])|(?<=:)(?=//|streamlit:|material_)|(?<=www)(?=\.)|(?<=@)"
_DIVIDER = ":color[]"
_MARK = r"[!-/:-@\[-`{-~]"
_LOST_SPACE = r"^\s|\s$|(?<=\s)\s|[^\S ]"  # Markdown trims it, joins it, or takes what follows for code
_SPECIAL = re.compile(f"(?P<ligature>{_LIGATURE})|(?P<mark>{_MARK})|(?P<space>{_LOST_SPACE})", re.IGNORECASE)


def text(name: object) -> str:
    """`name` for anything that Streamlit renders as Markdown; what is copied from the page is `name` again."""
    return _SPECIAL.sub(_literal, str(name))


def _literal(found: re.Match[str]) -> str:
    if found["space"]:
        return f"&#{ord(found['space'])};"
    return f"\\{found['mark']}" if found["mark"] else _DIVIDER


def bold(name: object) -> str:
    """`text` in bold, to stand between spaces or punctuation."""
    return f"**{text(name)}**"


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


def shortened_apart(names: Sequence[str], limit: int = 28) -> list[str]:
    """`shortened`, but no two different names come out alike: those that would stay whole."""
    short = {name: shortened(name, limit) for name in names}
    often = Counter(short.values())
    return [short[name] if often[short[name]] == 1 else name for name in names]
