"""Notes on characters that nobody sees: invisible ones, controls, and bytes that were read in a wrong encoding."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

from training.data.sources import source_files
from training.data.text_encoding import SAMPLE_BYTES, guess_encoding
from training.data.text_files import ReadingOptions

MEANINGFUL = "\n\t \u3000\u200c\u200d"
"""White space that is typed, the wide space of Chinese and Japanese, and the joiners of emoji, Persian and Hindi."""
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Co", "Cn"})
NAMES = {"\xad": "soft hyphen", "\xa0": "no-break space", "\ufffd": "replacement character"}


def invisible_note(counts: Counter[str]) -> str:
    """A note on invisible characters with their counts, "" if there is none."""
    found = [
        (char, count)
        for char, count in sorted(counts.items())
        if char == "\ufffd" or (unicodedata.category(char) in HIDDEN_CATEGORIES and char not in MEANINGFUL)
    ]
    if not found:
        return ""
    named = ", ".join(f"{count:,} x {_name(char)}" for char, count in found[:8]) + (", ..." if len(found) > 8 else "")
    controls = any(unicodedata.category(char) == "Cc" for char, _ in found)
    what = "control and invisible characters" if controls else "invisible characters"
    return f"the text has {what}, which are learned like letters: {named}"


def _name(char: str) -> str:
    name = NAMES.get(char) or unicodedata.name(char, "control").lower()
    return f"U+{ord(char):04X} ({name})"


def encoding_note(path: Path, options: ReadingOptions) -> str:
    """A note if the first file's bytes read better in another encoding than the one that was named, else ""."""
    if options.encoding in ("auto", "utf-8") or options.encoding.startswith(("utf-16", "utf-32")):
        return ""
    data = source_files(path)[0].head(SAMPLE_BYTES)
    guess = guess_encoding(data)
    if guess is None or guess.name == options.encoding:
        return ""
    here, there = (data.decode(name, errors="replace") for name in (options.encoding, guess.name))
    if here == there or not _is_worse(here, there):
        return ""
    return (
        f"the text may rather be in {guess.name}, which reads {guess.line!r}: compare it with --encoding {guess.name}"
    )


def _is_worse(text: str, other: str) -> bool:
    """Whether `text` has controls that the other reading has not, or the other is in another script."""
    return _controls(text) > _controls(other) or _script(text) != _script(other)


def _controls(text: str) -> int:
    return sum("\x7f" <= char <= "\x9f" for char in text)


def _script(text: str) -> str:
    """The script of most letters beyond ASCII, such as LATIN or CYRILLIC."""
    names = Counter(unicodedata.name(char, "?").split()[0] for char in text if ord(char) > 127 and char.isalpha())
    return names.most_common(1)[0][0] if names else ""
