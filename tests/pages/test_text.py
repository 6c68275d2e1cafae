import html

import pytest

from pages.ui.text import bold, count, markup, plotly, shortened, shortened_apart, text

HOSTILE = ["<img src=x onerror=alert(1)>", "a\"b<c>,d'.jpg", "*x* _y_ `z` $k$", ":red[x] :material/add:", "[l](http://x.com)",
           "a -> b -- c", "&lt;b&gt; &amp;amp;", "라브4_5세대_2019_2024", "=1+1", "# x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_every_markdown_mark_is_escaped_and_nothing_else_is_lost(name):
    shown = text(name)
    assert shown.replace(":color[]", "").replace("\\", "") == name
    assert shown.isascii() or not name.isascii()  # nothing invisible is copied along
    for at, letter in enumerate(shown := shown.replace(":color[]", "")):
        if letter in "<>*_`$[]:#&" and shown[at - 1 : at] != "\\":
            pytest.fail(f"{letter!r} at {at} of {shown!r} is not escaped")


def test_text_keeps_streamlit_from_making_arrows_links_and_its_logo():
    assert "\\-\\>" not in text("a -> b")
    assert "\\:\\/\\/" not in text("http://x.com")
    assert "WWW\\." not in text("WWW.x.com")
    assert "\\:streamlit\\:" not in text(":streamlit:")
    assert "\\:material" not in text(":material_home:")


def test_spaces_that_markdown_would_lose_are_written_as_entities():
    assert text(" a  b\n    c\t") == "&#32;a &#32;b&#10;&#32;&#32;&#32;&#32;c&#9;"
    assert bold(" a ") == "**&#32;a&#32;**"  # `** a **` is not bold


@pytest.mark.parametrize("name", HOSTILE)
def test_plotly_names_hold_no_tag_and_come_back(name):
    assert "<" not in plotly(name)
    assert html.unescape(plotly(name)) == name


def test_markup_can_stand_in_an_attribute():
    assert markup("a\"b<c>'") == "a&quot;b&lt;c&gt;&#x27;"


def test_shortened_keeps_both_ends():
    assert shortened("short") == "short"
    name = shortened("Chevrolet Silverado 1500 Extended Cab 2012", 20)
    assert len(name) == 20
    assert name.startswith("Chevrolet")
    assert name.endswith("Cab 2012")


def test_count():
    assert [count(1, "image"), count(2000, "image"), count(2, "class")] == ["1 image", "2,000 images", "2 classes"]


def test_two_names_never_look_alike_when_they_are_shortened():
    alike = ["더 뉴 그랜저 IG 하이브리드 2019_2022", "더 뉴 그랜저 IG 2.5 가솔린 2019_2022"]
    assert len({shortened(name, 19) for name in alike}) == 1
    assert shortened_apart([*alike, "Chevrolet Silverado 1500 2012", "short"], 19) == [
        *alike, shortened("Chevrolet Silverado 1500 2012", 19), "short"]
