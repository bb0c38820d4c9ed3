"""The kind of a text, by which examples and reports are chosen."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable

import pytest

from tests.support import talks
from training.data.kind import kind_of

HINDI = "सीता: भाई नमस्ते नहीं आज शाम\nमोहन: मुझे हूँ नमस्ते पढ़नी क्या\nमोहन: नहीं भाई आज हो थी\n" * 40
PROSE = "It was a bright cold day in April, and the clocks were striking thirteen. Nobody looked up. " * 40
CHINESE = "道可道非常道名可名非常名無名天地之始有名萬物之母故常無欲以觀其妙" * 40
CHINESE_POEM = "牀前明月光\n疑是地上霜\n舉頭望明月\n低頭思故鄉\n\n" * 30
C = """static int width(const char *name)
{
    /* The last one is empty. */
    int total = 0;
    for (int n = 0; name[n]; n++) {
        total += sizes[n];
    }
    return total;
}

"""
NAMES = [f"{one}{two}{three}" for one in ("Ba", "Ko", "Mi", "Su") for two in ("ren", "la", "di") for three in "aeiouy"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PROSE, "prose"),
        (textwrap.fill(PROSE, 60), "prose"),
        (CHINESE, "prose"),
        (CHINESE_POEM, "verse"),
        (talks.poem(), "verse"),
        (talks.lyrics(), "verse"),
        (talks.python(), "code"),
        (talks.css(), "code"),
        (C * 20, "code"),
        ("\n".join(random.Random(1).sample([f"{one}{end}" for one in NAMES for end in ("n", "s", "th")], 200)), "list"),
        (HINDI, "dialogue"),
        (talks.chat(), "dialogue"),
        (talks.interview(), "dialogue"),
    ],
    ids=range(13),
)
def test_the_kind_of_a_text(text: str, kind: str) -> None:
    """A Hindi chat of short lines without points passed for a list of names."""
    assert kind_of(text) == kind


@pytest.mark.parametrize("make", [talks.git_log, talks.changes, talks.yaml, talks.html, talks.log, talks.book_list])
def test_fields_and_markup_are_neither_verse_nor_a_dialogue_nor_a_list(make: Callable[[], str]) -> None:
    assert kind_of(make()) == "prose"


def test_speakers_that_are_known_make_a_dialogue() -> None:
    text = "".join(f"{name}: {said}\n" for said in ("no", "yes", "ok") for name in ("mira", "Anselm")) * 20
    assert kind_of(text, ("mira", "Anselm")) == "dialogue"
