"""Characters to ids and back, and how a text is read: the rules travel with the model.

A token is one Unicode code point. Reading never raises on an unknown character and never maps it to
another id in silence: what was folded to a known character, and what was skipped, is returned.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """A text as the model reads it.

    `ids` and `text` agree one to one. `folded` holds each distinct (character, what it was read as),
    `skipped` each run of characters that has no counterpart in the vocabulary, both in order of
    first appearance.
    """

    ids: tuple[int, ...]
    text: str
    substituted: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """True if nothing was folded and nothing skipped."""
        return not self.substituted and not self.dropped

    def describe(self) -> str:
        """One quiet line for a person, such as `É read as E; 😀 skipped`; empty if all was read as it stands."""
        warnings = [f"{visible(old)} read as {visible(new)}" for old, new in self.substituted]
        warnings += [f"{visible(run)} skipped" for run in self.dropped]
        return "; ".join(warnings)


def visible(text: str) -> str:
    """`text` with what cannot be seen (controls, lone marks, surrogates, odd spaces) written as U+XXXX or by name."""
    names = {" ": "space", "\n": "line break", "\t": "tab"}
    if text in names:
        return names[text]
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Zs", "Zl", "Zp"}
    return "".join(
        f"U+{ord(c):04X}" if unicodedata.category(c) in hidden and c not in " \u200d\ufe0f" else c for c in text
    )


class Vocabulary:
    """The characters of a model in id order, and the reading rules stored with them.

    Rules: a byte-order mark at the start is dropped, line ends become `\\n`, upper case becomes lower
    case if `lowercase`, and the text is put into Unicode form NFC. None of these is reported as a
    change except case: the others do not change what a reader sees.

    Raises `ValueError` if `chars` is empty, repeats a character, or holds anything but single
    characters that a UTF-8 file can hold.
    """

    def __init__(self, chars: Iterable[str], *, lowercase: bool = False) -> None:
        self.chars: tuple[str, ...] = tuple(chars)
        self.lowercase = lowercase
        if not self.chars:
            raise ValueError("The vocabulary is empty; expected at least one character: give it a text that has some.")
        for char in self.chars:
            if not isinstance(char, str) or len(char) != 1 or 0xD800 <= ord(char) <= 0xDFFF:
                raise ValueError(
                    f"The vocabulary holds {char!r}; expected single characters that UTF-8 can encode: "
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
        """The vocabulary of `text`, characters in code point order, after the reading rules were applied to it."""
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
        """Read `text` by the rules of this vocabulary; never raises on an unknown character."""
        substituted: dict[str, str] = {}
        dropped: dict[str, None] = {}
        ids: list[int] = []
        run = ""
        for char in normalize(text, lowercase=self.lowercase):
            known = self._id_of.get(char)
            if known is not None:
                ids.append(known)
            elif plain := self._fold(char):
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
        """`folded` named by the characters of `text` itself, whose upper case was lowered before."""
        named: dict[str, str] = {}
        for char in normalize(text):
            lowered = char.lower()
            if lowered in substituted:
                named[char] = substituted[lowered]
            elif lowered != char and all(c in self._id_of for c in lowered):
                named[char] = lowered
        return named

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; raises `ValueError` on an id outside the vocabulary."""
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

    def _fold(self, char: str) -> str:
        """The closest spelling of `char` within the vocabulary, or "" if there is none."""
        decomposed = unicodedata.normalize("NFKD", char)
        without_marks = "".join(c for c in decomposed if not unicodedata.combining(c))
        for spelling in (PLAIN_SPELLING.get(char, ""), without_marks, PLAIN_SPELLING.get(without_marks, ""), char):
            for candidate in (spelling, spelling.lower(), spelling.upper()):
                if candidate and all(c in self._id_of for c in candidate):
                    return candidate
        return ""

    def to_dict(self) -> dict[str, Any]:
        """What `vocab.json` holds."""
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
        """The vocabulary that `vocab.json` holds; raises `ValueError` if `data` is anything else."""
        reading = data.get("reading") if isinstance(data, Mapping) else None
        if not isinstance(reading, Mapping) or not isinstance(data.get("chars"), list):
            raise ValueError(
                'vocab.json holds no "chars" list with a "reading" object; expected both: '
                "save the model again with save_pretrained."
            )
        lowercase = reading.get("lowercase")
        vocabulary = cls(data["chars"], lowercase=lowercase is True)
        if not isinstance(lowercase, bool) or dict(reading) != vocabulary.to_dict()["reading"]:
            raise ValueError(
                f"vocab.json has the reading rules {dict(reading)!r}, which this version does not know; "
                f"expected {vocabulary.to_dict()['reading']!r}: install the version of hubcharlstm that wrote it."
            )
        return vocabulary

    @property
    def sha256(self) -> str:
        """A hash of characters, their order and the reading rules; it stands in the weights' file and is checked."""
        canonical = json.dumps(self.to_dict(), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def normalize(text: str, *, lowercase: bool = False) -> str:
    """Apply the reading rules to `text`: byte-order mark, line ends, case, NFC. Applying them twice changes nothing."""
    text = text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n")
    if lowercase:
        # Character by character, since str.lower() looks at neighbours (the final sigma).
        text = text.translate({ord(c): c.lower() for c in set(text)})
    return unicodedata.normalize("NFC", text)
