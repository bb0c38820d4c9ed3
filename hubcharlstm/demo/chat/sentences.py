"""Where a text that reached its length is cut, so that it ends in a whole sentence."""

from __future__ import annotations

import re

SENTENCE_END = re.compile(r"[.!?…؟।]+[\"'”’»)\]]*(?=\s|\Z)|[。！？]+[」』”’）]*")
"""The signs that end a sentence with the quotes and brackets after them; only Chinese and Japanese need no space."""


def cut_after_sentence(text: str, start: int = 0) -> str:
    """`text` up to its last whole sentence that ends after `start`; all of it if none does."""
    ends = [found.end() for found in SENTENCE_END.finditer(text, start)]
    return text[: ends[-1]] if ends else text
