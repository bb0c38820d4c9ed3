"""Whether a text is English, by the share of its commonest words."""

from __future__ import annotations

import re

COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        the and of to a in that it is was i he for you with as his on be at by this had not are but from have they
        which one all were her she there we my or an so will if
        """,
    )
)
MIN_SHARE = 0.25
MIN_WORDS = 40
WORD = re.compile(r"[A-Za-z']+")


def is_english(text: str) -> bool:
    """Whether a quarter of its words or more are among the commonest of English, and its letters are Latin.

    In English prose, verse and chats these words make up 30 to 50 %; in German, French or Dutch below 10 %.
    """
    words = [word.lower() for word in WORD.findall(text)]
    letters = sum(char.isalpha() for char in text)
    if len(words) < MIN_WORDS or sum(map(len, words)) < 0.8 * letters:
        return False
    return sum(word in COMMON for word in words) >= MIN_SHARE * len(words)
