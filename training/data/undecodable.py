"""Errors about bytes that cannot be decoded: what is wrong with the file, and the option that reads it."""

from __future__ import annotations

import codecs

from training.data.sources import SourceFile
from training.data.text_encoding import MAX_BAD_SHARE, SAMPLE_BYTES, guess_encoding

MAX_FAULTS = 2000
"""Bytes of a block that are looked for."""


def nul_error(file: SourceFile, offset: int, data: bytes) -> ValueError:
    """For a NUL byte at `offset` of a file, in the block `data`."""
    guess = guess_encoding(data[:SAMPLE_BYTES])
    if guess is not None:
        return ValueError(
            f"{file.shown} has a NUL byte at offset {offset}, but reads as text in {guess.name}, such as "
            f"{guess.line!r}; expected UTF-8: read it with --encoding {guess.name}."
        )
    if data.count(0) <= MAX_BAD_SHARE * len(data):
        return ValueError(
            f"{file.shown} has a NUL byte at offset {offset} in what is text otherwise; expected none: remove it, or "
            "read it with --errors replace, which leaves such bytes out."
        )
    return ValueError(
        f"{file.shown} has a NUL byte at offset {offset}, so it looks binary; expected a text file: convert it to "
        "plain text first."
    )


def encoding_error(file: SourceFile, encoding: str, fault: str) -> ValueError:
    """What is wrong with a file that is not in `encoding`, and the option that reads it, by a look at its bytes."""
    bad, size, sample = 0, 0, b""
    for data in file.chunks():
        faults = _undecodable(data)
        if faults and not bad:
            start = max(0, faults[0] - SAMPLE_BYTES // 2)
            sample = data[start : start + SAMPLE_BYTES]
        bad, size = bad + len(faults), size + len(data)
    guess = guess_encoding(sample) if encoding == "utf-8" else None
    advice = []
    if guess is not None:
        advice.append(f"read it with --encoding {guess.name} if this line is right: {guess.line!r}")
    if encoding != "utf-8" and not bad:
        advice.append("read it with --encoding utf-8, which it is")
    elif encoding == "utf-8" and bad <= MAX_BAD_SHARE * size:
        advice.append(f"correct it, for all but {bad} of its bytes are, or replace such bytes with --errors replace")
    elif guess is None:
        advice.append("it may be no text at all: convert it to UTF-8 first")
    return ValueError(f"{file.shown} has {fault} is not {encoding}; expected {encoding} text: {', or '.join(advice)}.")


def _undecodable(data: bytes) -> list[int]:
    """Offsets of bytes that are no UTF-8, at most MAX_FAULTS; an incomplete character at either end does not count."""
    offsets: list[int] = []
    view, start = memoryview(data), 0
    while len(offsets) < MAX_FAULTS:
        try:
            codecs.utf_8_decode(view[start:], "strict", False)
            break
        except UnicodeDecodeError as error:
            offsets.append(start + error.start)
            start += error.start + 1
    return [offset for offset in offsets if 3 <= offset < len(data) - 3]
