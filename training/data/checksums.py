"""Checksums of a corpus: of the whole split, and of chunks, by which a change of the text is located."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.data.encoded import Text
from training.data.splitting import Split, line_starts, outside

PIECE_CHARS = 2**22
NUM_CHUNKS = 256
"""At most; a chunk has at least 256 characters."""


def split_sha256(train: Text, held_out: str) -> str:
    """Of both parts and the split between them; a text too long for memory enters by its own checksum."""
    part = train if isinstance(train, str) else train.sha256
    return hashlib.sha256(f"{part}\0{held_out}".encode()).hexdigest()


def split_at_record(
    text: str, recorded: Mapping[str, Any], file_starts: Sequence[int] = (0,)
) -> tuple[str, str] | None:
    """`text` split as the corpus with this record was, if it is the same text; None if it is another one."""
    train_chars = recorded.get("train_chars")
    if not isinstance(train_chars, int) or not 0 < train_chars < len(text):
        return None
    split = Split.from_record(recorded.get("split"))  # records of earlier versions have none: they held out the end
    spans = [(train_chars, len(text))]
    if split is not None and split.kind != "end":
        spans = split.spans(len(text), file_starts if split.kind == "files" else line_starts(text))
    train = "".join(text[start:end] for start, end in outside(spans, len(text)))
    held_out = "".join(text[start:end] for start, end in spans)
    parts = (train, hashlib.sha256(train.encode()).hexdigest())  # the second one if it was too long for memory
    return (train, held_out) if recorded.get("sha256") in [split_sha256(part, held_out) for part in parts] else None


@dataclass(frozen=True)
class ChunkChecksums:
    """CRC-32 of each chunk of `chunk_chars` characters of the training text, and of the held-out text."""

    train_chars: int
    held_out_chars: int
    chunk_chars: int
    crc32: tuple[str, ...]

    @classmethod
    def of(cls, train: Text, held_out: str) -> ChunkChecksums:
        """The checksums of a corpus."""
        size = max(256, -(-len(train) // NUM_CHUNKS))
        chunks = [_crc32(train, start, min(start + size, len(train))) for start in range(0, len(train), size)]
        return cls(len(train), len(held_out), size, (*chunks, _crc32(held_out, 0, len(held_out))))

    def difference(self, train: Text, held_out: str) -> str:
        """How a text differs from the one with these checksums, in words."""
        before, now = self.train_chars + self.held_out_chars, len(train) + len(held_out)
        counts = (
            f"it had {before:,} characters and has {now:,}" if now != before else f"it still has {now:,} characters"
        )
        size = self.chunk_chars
        for number, expected in enumerate(self.crc32[:-1]):
            start = number * size
            if _crc32(train, start, min(start + size, self.train_chars)) != expected:
                return f"{counts}, and differs first between the characters {start:,} and {start + size:,}"
        return f"{counts}, and differs in its held-out part"


def _crc32(text: Text, start: int, stop: int) -> str:
    """Of a part of a text, of which PIECE_CHARS characters are in memory at once."""
    value = 0
    for begin in range(start, stop, PIECE_CHARS):
        value = zlib.crc32(text[begin : min(stop, begin + PIECE_CHARS)].encode(), value)
    return f"{value:08x}"
