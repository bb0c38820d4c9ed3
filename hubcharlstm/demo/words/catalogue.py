"""The catalogue of the page's own words: a JSON file for each language, with the same keys and the same placeholders.

An entry is a text, or its forms by the plural category of `n`: {"one": "{n} character", "other": "{n} characters"}. The
page resolves keys in its own language (`page/static/words.js`); Python knows the English, which programs get.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANGUAGES = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "ja": "日本語",
    "zh-CN": "简体中文",
    "ar": "العربية",
}
"""The name of each language in itself, by its tag."""

RTL_LANGUAGES = ("ar",)

FOLDER = Path(__file__).parent
INSIDE = "inside"
"""The part of the catalogue that the page loads with the view "Look inside": a folder of such files."""

Entry = str | dict[str, str]


@functools.cache
def catalogue(language: str, part: str = "") -> dict[str, Entry]:
    """All entries of a language, by key; of the words that every page holds, or of a part that a view loads."""
    entries: dict[str, Entry] = json.loads((FOLDER / part / f"{language}.json").read_text(encoding="utf-8"))
    return entries


@dataclass(frozen=True)
class Sentence:
    """Words with their parameters: numbers, texts, sentences, or a list of the first two. As a `str` it is English.

    The first argument of an exception may be one: its own text is then English, and the page shows its own language.
    """

    key: str
    params: Mapping[str, Any]

    def __str__(self) -> str:
        entry = catalogue("en")[self.key]
        if isinstance(entry, dict):
            entry = entry["one" if self.params.get("n") == 1 else "other"]
        return re.sub(r"\{(\w+)\}", lambda found: self._shown(found[1]), entry)

    def _shown(self, name: str) -> str:
        value = self.params[name]
        if isinstance(value, (list, tuple)):
            *others, last = map(str, value)
            return f"{', '.join(others)} and {last}" if others else last
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)

    def as_json(self) -> dict[str, Any]:
        """What `wordsOf` of the page takes."""
        params = {name: as_json(value) for name, value in self.params.items()}
        return {"key": self.key, "params": params}


def sentence(key: str, **params: Any) -> Sentence:
    """Words for a visitor, with the values of their placeholders."""
    return Sentence(key, params)


def said_by(error: Exception) -> str | Sentence:
    """The sentence of an exception; the text of one that has none, such as one of the library."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Sentence) else str(error)


def as_json(message: Any) -> Any:
    """A `Sentence` as the page takes it; anything else, such as a text of the library, as it is."""
    return message.as_json() if isinstance(message, Sentence) else message
