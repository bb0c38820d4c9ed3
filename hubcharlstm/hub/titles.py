"""Words for people from a model's record: a title of the model, and names as one writes them in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hubcharlstm.hub.training_record import valid_record

MAX_SUBJECT = 60
"""Characters of a title before ", one letter at a time"."""

WORKS_OF = re.compile(
    r"(?:the )?(?:complete |collected |selected )?"
    r"(?:works|plays|poems|novels|stories|letters|sonnets|tales|essays|speeches) (?:of|by) (?=\S)",
    re.IGNORECASE,
)
FILE_ENDING = re.compile(r"\.[A-Za-z]\w{0,4}$")
NAME_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
ROMAN_NUMERAL = re.compile(r"(?=.)X{0,3}(?:IX|IV|V?I{0,3})")
SMALL_WORDS = frozenset(
    [
        "and",
        "da",
        "das",
        "de",
        "del",
        "der",
        "di",
        "do",
        "dos",
        "du",
        "et",
        "la",
        "le",
        "of",
        "the",
        "und",
        "van",
        "von",
        "y",
    ]
)


def display_title(record: Mapping[str, Any], fallback: str) -> str:
    """Such as "Shakespeare, one letter at a time". fallback: for a record without a corpus or a name."""
    return f"{subject(record, fallback)}, one letter at a time"


def subject(record: Mapping[str, Any], fallback: str) -> str:
    """What a model has read, as a title: "Shakespeare" of "the plays of Shakespeare", "My notes" of "my-notes.txt"."""
    known = valid_record(record)
    title = known.get("corpus", {}).get("title") or known.get("name", "").removeprefix("charlstm-") or fallback
    title = " ".join(title.split())
    if FILE_ENDING.search(title) or " " not in title:
        title = re.sub(r"[-_ ]+", " ", FILE_ENDING.sub("", title)).strip() or title
    title = WORKS_OF.sub("", title, count=1) if WORKS_OF.match(title) else title
    if len(title) > MAX_SUBJECT:
        title = title[: MAX_SUBJECT - 1].rstrip() + "…"
    return title[:1].upper() + title[1:]


def proper_name(name: str) -> str:
    """A speaker's name as in a sentence: "Prince Henry" for "PRINCE HENRY"; one not in capitals stays as it is."""

    def in_lower_case(found: re.Match[str]) -> str:
        word, lower = found[0], found[0].lower()
        if found.start() > 0 and (ROMAN_NUMERAL.fullmatch(word) or lower in SMALL_WORDS):
            return word if lower not in SMALL_WORDS else lower
        return word[0] + lower[1:]

    return NAME_WORD.sub(in_lower_case, name) if len(name) > 1 and name.isupper() else name
