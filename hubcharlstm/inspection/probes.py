"""Properties of a place in a text that a cell may follow, each as one number for each character of the text.

A cell is compared after it has read the character, so a probe tells of the text up to that character, but for those
that look one ahead.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

VOWELS = frozenset("aeiouyAEIOUYäöüÄÖÜáéíóúàèìòùâêîôûåæøœаеёиоуыэюяαεηιουω")
NAME = re.compile(r"^(?:[^\n:]{1,40}:|[^\na-zа-яα-ω]{2,40}$)", re.MULTILINE)
"""The part of a line before a colon, or a line without lower-case letters."""
ENCLOSED = re.compile(
    r"“[^”\n]{0,300}”?|\"[^\"\n]{0,300}\"?|«[^»\n]{0,300}»?|\([^()\n]{0,300}\)?|\[[^\[\]\n]{0,300}\]?"
)
LONGEST = {"line_position": 80, "word_depth": 12, "sentence_length": 200}
"""Distances are counted up to here."""


def each(is_true: Callable[[str], bool]) -> Callable[[str], Values]:
    """The probe that is 1 at the characters for which `is_true`, else 0."""
    return lambda text: np.array([is_true(char) for char in text], np.float32)


def next_char(is_true: Callable[[str], bool]) -> Callable[[str], Values]:
    """The probe that is 1 before such a character."""
    return lambda text: np.array([is_true(char) for char in text[1:]] + [False] * bool(text), np.float32)


def since(is_start: Callable[[str], bool], name: str) -> Callable[[str], Values]:
    """The number of characters since the last one for which `is_start`, up to `LONGEST`."""

    def count(text: str) -> Values:
        counts, number = [], 0
        for char in text:
            number = 0 if is_start(char) else number + 1
            counts.append(min(number, LONGEST[name]))
        return np.array(counts, np.float32)

    return count


def within(pattern: re.Pattern[str]) -> Callable[[str], Values]:
    """The probe that is 1 inside what `pattern` finds."""

    def inside(text: str) -> Values:
        values = np.zeros(len(text), np.float32)
        for found in pattern.finditer(text):
            values[found.start() : found.end()] = 1
        return values

    return inside


def after_empty_line(text: str) -> Values:
    """1 at an empty line and up to 20 characters after it."""
    values = np.zeros(len(text), np.float32)
    for found in re.finditer("\n\n", text):
        values[found.start() : found.end() + 20] = 1
    return values


PROBES: dict[str, tuple[str, Callable[[str], Values]]] = {
    "line_position": ("how far into the line", since(lambda char: char == "\n", "line_position")),
    "line_end": ("the line ends here", next_char(lambda char: char == "\n")),
    "speaker_name": ("inside a speaker's name or a heading", within(NAME)),
    "near_empty_line": ("near an empty line", after_empty_line),
    "upper_case": ("an upper-case letter", each(str.isupper)),
    "next_upper_case": ("an upper-case letter comes next", next_char(str.isupper)),
    "in_word": ("inside a word", each(str.isalpha)),
    "word_depth": ("how deep inside a word", since(lambda char: not char.isalpha(), "word_depth")),
    "word_end": ("the word ends here", next_char(lambda char: not char.isalnum())),
    "after_punctuation": ("after punctuation", each(lambda char: char in ".,;:!?…—")),
    "in_quotes_or_brackets": ("inside quotes or brackets", within(ENCLOSED)),
    "next_vowel": ("a vowel comes next", next_char(VOWELS.__contains__)),
    "vowel": ("a vowel", each(VOWELS.__contains__)),
    "digit": ("a digit", each(str.isdigit)),
    "sentence_length": ("how long the sentence is", since(lambda char: char in ".!?…", "sentence_length")),
}
"""Description and function by name."""


def probe_values(text: str) -> Values:
    """All probes, (len(PROBES), len(text))."""
    return np.stack([function(text) for _, function in PROBES.values()])
