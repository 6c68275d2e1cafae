from __future__ import annotations

import ast
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

PAGES = Path(__file__).parents[2] / "pages"


def script() -> None:
    import streamlit as st

    from pages.ui import fragments

    def part(said: str) -> None:
        st.button(said)

    st.title("before")
    fragments.draw(part, "inside")
    st.title("after")


def test_nothing_stands_beside_a_fragment():
    at = AppTest.from_function(script).run()
    assert [element.value for element in at.title] == ["before", "after"]
    place = at.main.children[1]
    assert place.type != "title"
    assert list(place.children) == [0]
    assert at.main.children[2].value == "after"
    at.button[0].click().run()
    assert [element.value for element in at.title] == ["before", "after"]


@pytest.mark.parametrize("file", sorted(PAGES.rglob("*.py")), ids=lambda file: file.name)
def test_every_fragment_is_drawn_by_fragments(file: Path):
    if file.name == "fragments.py":
        return
    uses = [node.lineno for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute) and node.attr == "fragment"]
    assert not uses, f"{file.name}, line {uses[:1]}: use pages.ui.fragments.draw"
