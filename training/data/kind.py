"""What kind of text a corpus is: prose, a dialogue, a list of short records, code, or verse."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

from training.data.dialogue import UNSPACED, find_dialogue
from training.data.records import is_list

CODE_LINE = re.compile(
    r"\s*(?:(?:def|class|import|func|fn|let|const|var|public|private|static|void|package|using) |from \S+ import "
    r"|return\b|#include\b|#define\b|else\b.*[{:]$|(?:if|for|while) ?\(|//|/\*|\*/|@\w+$|\}|self\.)"
    r"|.*[;{}]\s*$|.*\)\s*[:{]$|\s+\S.*\(.*\)$"
    r"|\s*[\w.\[\]\"']+(?:, ?\w+)* [-+*/|&]?= [^=\s]|\s+# "
)
MIN_CODE_SHARE = 0.4
SAMPLE_LINES = 4000
KINDS = ("prose", "dialogue", "list", "code", "verse")

NOT_VERSE = re.compile(r"^[\w .-]{1,30}:\s|[\d=_{}|\\<>\[\]@/*#$]")
"""Fields, markup and numbers."""
MIN_VERSES, MAX_MEDIAN, MAX_VERSE, MIN_RAGGED, MIN_STANZA = 12, 60, 90, 0.35, 2
"""Of verse: lines, characters of the median and of nearly every line, ragged ones, and lines of a stanza."""


def kind_of(text: str, speakers: Collection[str] = ()) -> str:
    """One of `KINDS`; `text` is a sample of some 100,000 characters, `speakers` those that are known from its files."""
    if find_dialogue(text, speakers=speakers):
        return "dialogue"
    if is_code(text):
        return "code"
    return "list" if is_list(text) else "verse" if is_verse(text) else "prose"


def is_code(text: str) -> bool:
    """Whether most lines of a text are those of a program."""
    lines = [line for line in text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES] if line.strip()]
    return len(lines) >= 20 and sum(bool(CODE_LINE.match(line)) for line in lines) >= MIN_CODE_SHARE * len(lines)


def is_verse(text: str) -> bool:
    """Whether lines end before the margin, as verses do: the next word would often have fitted into the line."""
    lines = text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES]
    filled = [line.strip() for line in lines if line.strip()]
    if len(filled) < MIN_VERSES:
        return False
    lengths = sorted(map(len, filled))
    width = lengths[len(lengths) * 9 // 10]
    inner = [(one.strip(), other.strip()) for one, other in pairwise(lines) if one.strip() and other.strip()]
    if lengths[len(lengths) // 2] > MAX_MEDIAN or width > MAX_VERSE or not _has_words(filled):
        return False
    if len(inner) < (1 - 1 / MIN_STANZA) * len(filled) - 1:
        return False
    if sum(bool(NOT_VERSE.search(line)) for line in filled) > 0.2 * len(filled):
        return False
    if sum(bool(UNSPACED.search(line)) for line in filled) > 0.5 * len(filled):
        return True
    return sum(len(one) + 1 + len(other.split()[0]) <= width for one, other in inner) >= MIN_RAGGED * len(inner)


def _has_words(lines: Sequence[str]) -> bool:
    return sum(len(line.split()) >= 3 or bool(UNSPACED.search(line)) for line in lines) >= 0.7 * len(lines)
