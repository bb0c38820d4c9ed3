"""Characters to token ids and back. The normalization rules are part of the vocabulary and are saved with it.

A token is one Unicode code point. Encoding never raises on an unknown character and never maps it to another id
silently: the result lists every substituted and every dropped character.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubcharlstm.arguments import shown

BYTE_ORDER_MARK = "\ufeff"

# Characters with a plain spelling that Unicode's own compatibility decomposition does not give.
PLAIN_SPELLING: dict[str, str] = {
    **dict.fromkeys("‘’‚‛′ʼ`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–−", "-"),
    **dict.fromkeys("—―", "--"),
    **dict.fromkeys("\t\u00a0", " "),
    **dict.fromkeys("\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
    "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ß": "ss", "ẞ": "SS",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i",
    "⁄": "/", "×": "x", "•": "*", "·": ".",
}  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """A text as token ids.

    ids and text correspond one to one. substituted: each distinct (character, its replacement). dropped: each run of
    characters without a counterpart in the vocabulary. Both are in order of first appearance.
    """

    ids: tuple[int, ...]
    text: str
    substituted: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        changed = f", {len(self.substituted)} substituted, {len(self.dropped)} dropped" if not self.exact else ""
        return f"Encoding({shorten(self.text)!r}, {len(self.ids)} ids{changed})"

    @property
    def exact(self) -> bool:
        """True if no character was substituted or dropped."""
        return not self.substituted and not self.dropped

    def describe(self) -> str:
        """One line for a person, such as `É read as E; 😀 skipped`; empty if the encoding is exact."""
        warnings = [f"{visible(old)} read as {visible(new)}" for old, new in self.substituted]
        warnings += [f"{visible(run)} skipped" for run in self.dropped]
        return "; ".join(warnings)


def shorten(text: str, length: int = 30) -> str:
    """The beginning of `text`, with an ellipsis if it is longer, for a `repr` of one line."""
    return text if len(text) <= length else text[: length - 1] + "…"


def visible(text: str) -> str:
    """`text` with invisible characters (controls, lone marks, surrogates, unusual spaces) as U+XXXX or by name."""
    names = {" ": "space", "\n": "line break", "\t": "tab"}
    if text in names:
        return names[text]
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Zs", "Zl", "Zp"}
    return "".join(
        f"U+{ord(c):04X}" if unicodedata.category(c) in hidden and c not in " \u200d\ufe0f" else c for c in text
    )


class Vocabulary:
    """The characters of a model in id order, with the normalization rules that belong to them.

    Rules: byte-order marks at the start are dropped, line ends become `\\n`, upper case becomes lower case if
    `lowercase`, and the text is converted to Unicode form NFC. Only a change of case is reported as a substitution:
    the other rules do not change what a text looks like.

    Raises `ValueError` if `chars` is empty, repeats a character, or holds anything but single characters that UTF-8
    can encode.
    """

    def __init__(self, chars: Iterable[str], *, lowercase: bool = False) -> None:
        self.chars: tuple[str, ...] = tuple(chars)
        self.lowercase = lowercase
        if not self.chars:
            raise ValueError("The vocabulary is empty; expected at least one character: give it a text that has some.")
        for char in self.chars:
            if not isinstance(char, str) or len(char) != 1 or 0xD800 <= ord(char) <= 0xDFFF:
                raise ValueError(
                    f"The vocabulary holds {shown(char)}; expected single characters that UTF-8 can encode: "
                    "rebuild it from the corpus."
                )
        self._id_of: dict[str, int] = {char: i for i, char in enumerate(self.chars)}
        if len(self._id_of) != len(self.chars):
            twice = next(c for i, c in enumerate(self.chars) if self._id_of[c] != i)
            raise ValueError(
                f"The vocabulary lists {twice!r} more than once; expected each character once: "
                "rebuild it from the corpus."
            )

    @classmethod
    def from_text(cls, text: str, *, lowercase: bool = False) -> Vocabulary:
        """The vocabulary of `text` after normalization, in code point order."""
        return cls(sorted(set(normalize(text, lowercase=lowercase))), lowercase=lowercase)

    def __len__(self) -> int:
        return len(self.chars)

    def __contains__(self, char: object) -> bool:
        return char in self._id_of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.chars, self.lowercase) == (other.chars, other.lowercase)

    def __hash__(self) -> int:
        return hash((self.chars, self.lowercase))

    def __repr__(self) -> str:
        return f"Vocabulary({''.join(self.chars)!r}, lowercase={self.lowercase})"

    def encode(self, text: str) -> Encoding:
        """Normalize `text` and map it to ids; never raises on an unknown character."""
        substituted: dict[str, str] = {}
        dropped: dict[str, None] = {}
        ids: list[int] = []
        run = ""
        for char in normalize(text, lowercase=self.lowercase):
            known = self._id_of.get(char)
            if known is not None:
                ids.append(known)
            elif plain := self._substitute(char):
                substituted[char] = plain
                ids.extend(self._id_of[c] for c in plain)
            else:
                run += char
                continue
            if run:
                dropped[run] = None
                run = ""
        if run:
            dropped[run] = None
        if self.lowercase:
            substituted = self._with_case(text, substituted)
        return Encoding(tuple(ids), self.decode(ids), tuple(substituted.items()), tuple(dropped))

    def _with_case(self, text: str, substituted: dict[str, str]) -> dict[str, str]:
        """`substituted` keyed by the characters of `text` itself, before they were lower-cased."""
        named: dict[str, str] = {}
        for char in normalize(text):
            lowered = char.lower()
            if lowered in substituted:
                named[char] = substituted[lowered]
            elif lowered != char and all(c in self._id_of for c in lowered):
                named[char] = lowered
        return named

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; raises `ValueError` for an id outside the vocabulary."""
        try:
            if ids and min(ids) < 0:
                raise IndexError
            return "".join([self.chars[i] for i in ids])
        except IndexError:
            wrong = next(i for i in ids if not 0 <= i < len(self.chars))
            raise ValueError(
                f"Token id {wrong} is outside this vocabulary; expected 0 to {len(self.chars) - 1}: "
                "decode with the vocabulary that the ids came from."
            ) from None

    def _substitute(self, char: str) -> str:
        """The closest spelling of `char` within the vocabulary, or "" if there is none."""
        decomposed = unicodedata.normalize("NFKD", char)
        unaccented = "".join(c for c in decomposed if not unicodedata.combining(c))
        for spelling in (PLAIN_SPELLING.get(char, ""), unaccented, PLAIN_SPELLING.get(unaccented, ""), char):
            for candidate in (spelling, spelling.lower(), spelling.upper()):
                if candidate and all(c in self._id_of for c in candidate):
                    return candidate
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The content of `vocab.json`; its key "reading", a part of the published format, holds the rules."""
        return {
            "chars": list(self.chars),
            "reading": {
                "lowercase": self.lowercase,
                "unicode": "NFC",
                "line_ends": "\\n",
                "byte_order_mark": "dropped",
            },
        }

    @classmethod
    def from_dict(cls, data: Any) -> Vocabulary:
        """The vocabulary of a parsed `vocab.json`; raises `ValueError` if `data` is anything else."""
        rules = data.get("reading") if isinstance(data, Mapping) else None
        if not isinstance(rules, Mapping) or not isinstance(data.get("chars"), list):
            raise ValueError(
                'vocab.json holds no "chars" list with a "reading" object; expected both: '
                "save the model again with save_pretrained."
            )
        lowercase = rules.get("lowercase")
        vocabulary = cls(data["chars"], lowercase=lowercase is True)
        if not isinstance(lowercase, bool) or dict(rules) != vocabulary.to_dict()["reading"]:
            raise ValueError(
                f"vocab.json has the normalization rules {shown(dict(rules))}, which this version does not know; "
                f"expected {vocabulary.to_dict()['reading']!r}: install the version of hubcharlstm that wrote it."
            )
        return vocabulary

    @property
    def sha256(self) -> str:
        """A hash of the characters, their order and the rules; the weights file stores it, and loading compares."""
        canonical = json.dumps(self.to_dict(), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def normalize(text: str, *, lowercase: bool = False) -> str:
    """Apply the rules of `Vocabulary` to `text`: byte-order marks, line ends, case, NFC. Idempotent."""
    text = text.lstrip(BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n")
    if lowercase:
        # Character by character, since str.lower() looks at neighbours (the final sigma).
        text = text.translate({ord(c): c.lower() for c in set(text)})
    return unicodedata.normalize("NFC", text)
