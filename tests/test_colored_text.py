"""Whatever a text holds is shown as text; each character has the colour of its value."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcharlstm.colored_text import colored, diverging, escape, sequential


class Parsed(HTMLParser):
    """Tags and text of a fragment."""

    def __init__(self, fragment: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])))
def test_any_text_is_shown_as_it_is(text: str) -> None:
    parsed = Parsed(colored(text, [0.5] * len(text), diverging))
    assert parsed.text == text
    assert {tag for tag, _ in parsed.tags} <= {"pre", "span"}
    assert "\n" not in colored(text, [0.5] * len(text), diverging)


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "</pre><img src=x onerror=a()>", "`*[a](javascript:x)*`", "{{ 7 * 7 }}", "\"'"],
)
def test_hostile_text_makes_no_element_and_no_markdown(text: str) -> None:
    shown = colored(text, [1.0] * len(text), diverging)
    assert Parsed(shown).text == text
    assert not re.search(r"[`*{}\[\]]|<(?!/?(span|pre))", shown)
    titled = Parsed(colored("a", [1.0], diverging, titles=[text]))
    assert titled.tags[-1][1]["title"] == text


def test_characters_that_would_change_the_direction_are_named() -> None:
    assert escape("a\u202eb\x00\n\u2028") == "aU+202EbU+0000&#10;U+2028"


def test_neighbours_of_one_level_share_an_element() -> None:
    shown = colored("aabbc", [1, 1, -1, -1, 0], diverging)
    assert shown.count("<span") == 3 and "0,114,178,0.65" in shown and "230,159,0,0.65" in shown
    assert shown.endswith("c</span></pre>")
    assert diverging(-3) == ("230,159,0", 1.0) and sequential(4)[1] == 0.5 and sequential(-0.0)[1] == 0
    with pytest.raises(ValueError, match="zip"):
        colored("ab", [1], diverging)
