"""How many of the words in a text occur in another."""

from __future__ import annotations

import re

from training.ids import Text

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
BLOCK, LONGEST = 4_000_000, 100


def known_words(text: str, source: Text) -> float | None:
    """The share of the words of `text`, case aside, that occur in `source`; None where it has none.

    A word is a run of letters, with apostrophes within it. The source is read in blocks, in bounded memory.
    """
    words = WORD.findall(text.casefold())
    unknown = set(words)
    for start in range(0, len(source), BLOCK):
        if not unknown:
            break
        unknown.difference_update(WORD.findall(source[start : start + BLOCK + LONGEST].casefold()))
    return sum(word not in unknown for word in words) / len(words) if words else None
