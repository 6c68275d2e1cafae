"""Names as Streamlit renders them in a real browser: shown literally, and copied exactly."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from hai_core.workspace import repository_root
from tests.browser.conftest import App, settle

NAMES = [
    "*a*", "**a**", "_a_", "~~a~~", "`a`", "$x$", "$$x$$", ":smile:", ":material/add:", ":material_add:", ":streamlit:",
    ":red[a]", ":color[a]", "[a](b)", "![a](b)", "<img src=x onerror=alert(1)>", "<b>a</b>", "&lt;b&gt;", "&#42;", "=1+1",
    "# a", "- a", "+ a", "1. a", "> a", "---", "| a | b |", "[^1]", "[ ] a", "http://x.y", "HTTPS://x.yz/a?b=c", "www.x.com",
    "WWW.x.com", "mailto:a@b.com", "a@b.com", "a -> b", "-> -- <- <-> >= <= ~=", "a--b", "say \"a\" or 'a'", "a\\b",
    "\\*a\\*", "C:\\a\\b", "a\\", " a ", "  a  b  ", "    a", "\ta", "라브4, 5세대", "10:30:45", "a_b_c*d*e",
    "python -m hai_core index -w '/a b/c' --x=1",
]
SCRIPT = """
import json, sys
from pathlib import Path
import streamlit as st
sys.path.insert(0, {root!r})
from pages.ui.text import bold, text
st.html(Path({root!r}) / "pages" / "ui" / "style.css")
for at, name in enumerate(json.loads({names!r})):
    with st.container(key=f"name-{{at}}"):
        st.markdown(f"A {{bold(name)}} is bold")
        st.error(text(name))
        st.caption(f"Do {{text(name)}}")
        st.button(f"Do {{text(name)}}", key=f"button-{{at}}")
        st.expander(f"Do {{text(name)}}")
        st.subheader(f"Do {{text(name)}}")
"""


@pytest.fixture(scope="module")
def app(start_app, tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = tmp_path_factory.mktemp("names")
    script = folder / "names.py"
    script.write_text(SCRIPT.format(root=str(repository_root()), names=json.dumps(NAMES)), encoding="utf-8")
    return start_app(folder, str(script))


def copied(page: Page, selector: str) -> str:
    """What a person copies who marks the first such element."""
    return str(page.evaluate("""selector => {
        const marked = getSelection();
        marked.selectAllChildren(document.querySelector(selector));
        return marked.toString();
    }""", selector))


def test_names_are_shown_literally_and_copied_exactly(page: Page, app: App) -> None:
    page.goto(app.url)
    expect(page.locator(f".st-key-name-{len(NAMES) - 1} h3")).to_be_visible()
    settle(page)
    for at, name in enumerate(NAMES):
        box = f".st-key-name-{at}"
        assert copied(page, f"{box} [data-testid=stMarkdown] strong") == name
        assert copied(page, f"{box} [data-testid=stAlert] p") == name
        for words in ("[data-testid=stCaptionContainer] p", "button p", "summary p", "h3 [data-heading-text]"):
            shown = page.locator(f"{box} {words}").first.inner_text()  # where a run of spaces looks like one
            assert shown.split() == ["Do", *name.split()]
        made = page.locator(f"{box} :is([data-testid=stMarkdownContainer], h3)").locator(
            "a:not([aria-label='Link to heading']), img, em, del, code, ul, ol, hr, table, input, blockquote, .katex, "
            "[role=img]")
        assert made.count() == 0, name
