"""Characters that occur too rarely to be learned: substituted by the closest other one, or left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import regex

from hubcharlstm import Vocabulary
from hubcharlstm.vocabulary import visible

MANY_CHARACTERS = 256
RARE_COUNT = 3
"""In a text of more than MANY_CHARACTERS different characters, those that occur less often are substituted."""

SEQUENCE = regex.compile(
    r"\p{Regional_Indicator}{2}"
    r"|[\p{Extended_Pictographic}0-9#*][\uFE0F\u20E3\p{Emoji_Modifier}]*"
    r"(?:\u200d\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*)+"
    r"|[\p{Extended_Pictographic}0-9#*][\uFE0F\u20E3\p{Emoji_Modifier}]+"
)
"""Emoji of several characters (Unicode TR 51): families, flags, skin tones, keycaps. Half of one is another sign."""


@dataclass(frozen=True)
class RareCharacters:
    """min_count: the count below which a character is rare. table: by code point, what stands for it, "" for nothing.

    note: for the user, "" if none is rare.
    """

    min_count: int
    table: dict[int, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def of(cls, counts: Counter[str], min_count: int | None) -> RareCharacters:
        """Those of a text with these counts.

        min_count: None substitutes none, unless there are more than MANY_CHARACTERS: then those that occur less than
        RARE_COUNT times. Raises `ValueError` if no character occurs that often.
        """
        if min_count is None:
            has_many = len(counts) > MANY_CHARACTERS and max(counts.values()) >= RARE_COUNT
            min_count = RARE_COUNT if has_many else 1
        rare = sorted(char for char, count in counts.items() if count < min_count)
        if rare and len(rare) == len(counts):
            raise ValueError(
                f"min_count is {min_count}, but no character occurs that often; expected some to remain: lower it."
            )
        if not rare:
            return cls(min_count)
        frequent = Vocabulary(sorted(counts.keys() - set(rare)))
        shown = " ".join(visible(char) for char in rare[:12]) + (" ..." if len(rare) > 12 else "")
        places = sum(counts[char] for char in rare)
        note = (
            f"{len(rare)} of {len(counts)} different characters occur fewer than {min_count} times "
            f"({places:,} places in all) and are read as the closest other one or left out: {shown}; "
            "--min-count 1 keeps them"
        )
        return cls(min_count, {ord(char): frequent.encode(char).text for char in rare}, note)

    def substitute(self, text: str) -> str:
        """`text` without rare characters; a sequence that would lose a part is left out as a whole."""
        if not self.table:
            return text
        if any(ord(char) in self.table for char in set(text)):
            text = self._without_broken(text).translate(self.table)
        return text

    def _without_broken(self, text: str) -> str:
        """Without emoji sequences that hold a rare character, and without marks on a base that is left out."""
        dropped = "".join(chr(point) for point, other in self.table.items() if not other)
        text = SEQUENCE.sub(lambda found: "" if any(ord(char) in self.table for char in found[0]) else found[0], text)
        if not dropped:
            return text
        return regex.sub(rf"[{regex.escape(dropped)}][\p{{M}}\u200c\u200d]+", "", text)
