"""What an export holds besides the weights, as JSON: sizes, vocabulary with its reading rules, generation defaults."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import asdict
from functools import cache
from typing import Any

from hubcharlstm.model import CharLSTM
from hubcharlstm.vocabulary import PLAIN_SPELLING


def model_content(model: CharLSTM) -> dict[str, Any]:
    """The argument `content` of the class `Model` in runtime/model.js."""
    return {
        "name": model.name,
        "config": model.config.to_dict(),
        "vocabulary": {
            "chars": list(model.vocabulary.chars),
            "lowercase": model.vocabulary.lowercase,
            "plain": list(PLAIN_SPELLING.items()),
            "combining": combining_ranges(),
        },
        "generation": asdict(model.generation_config),
    }


@cache
def combining_ranges() -> list[tuple[int, int]]:
    """First and last of each run of combining characters, a property that JavaScript does not know."""
    ranges: list[tuple[int, int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.combining(chr(code)):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1] = ranges[-1][0], code
            else:
                ranges.append((code, code))
    return ranges
