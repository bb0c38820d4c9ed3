"""Texts as arrays of one- or two-byte ids, in memory or, for long texts, in a memory-mapped file."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubcharlstm import Vocabulary

Array = NDArray[Any]


def code_points(text: str) -> NDArray[np.uint32]:
    """The Unicode code points of a text (N,)."""
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def id_table(chars: Iterable[str]) -> NDArray[np.int64]:
    """Ids by code point; -1 for a code point that is not in `chars`."""
    points = [ord(char) for char in chars]
    table = np.full(max(points) + 1, -1, dtype=np.int64)
    table[points] = np.arange(len(points))
    return table


def smallest_dtype(count: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned integer type that holds ids below `count`."""
    return np.uint8 if count <= 2**8 else np.uint16 if count <= 2**16 else np.uint32


class EncodedText:
    """A long text as ids in a memory-mapped file. `len` counts characters; slices are strings.

    The file is unlinked, so that the process leaves nothing behind however it ends.
    """

    def __init__(self, ids: Array, chars: tuple[str, ...], sha256: str) -> None:
        self.ids, self.chars, self.sha256 = ids, chars, sha256
        self._points = np.array([ord(char) for char in chars], dtype=np.uint32)

    @classmethod
    def write(cls, blocks: Iterable[str], length: int, chars: tuple[str, ...], folder: Path | None) -> EncodedText:
        """Encode the first `length` characters of `blocks`, block by block, into a file on the disk of `folder`."""
        dtype, table, digest, done = smallest_dtype(len(chars)), id_table(chars), hashlib.sha256(), 0
        with tempfile.TemporaryFile(dir=folder) as file:
            for block in blocks:
                block = block[: length - done]
                if not block:
                    break
                table[code_points(block)].astype(dtype).tofile(file)
                digest.update(block.encode("utf-8"))
                done += len(block)
            assert done == length
            file.flush()
            return cls(np.memmap(file, dtype=dtype, mode="r"), chars, digest.hexdigest())

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> str:
        return str(self._points[self.ids[part]].tobytes(), "utf-32-le")


Text = str | EncodedText


class TrainIds:
    """The ids of a text by a vocabulary, converted on access: ids[positions] -> int64."""

    def __init__(self, text: Text, vocabulary: Vocabulary) -> None:
        self._table: NDArray[np.int64] | None = None
        if isinstance(text, EncodedText):
            self._ids = text.ids
            if text.chars != vocabulary.chars:
                by_point = id_table(vocabulary.chars)
                self._table = by_point[[ord(char) for char in text.chars]]
        else:
            self._ids = id_table(vocabulary.chars)[code_points(text)].astype(smallest_dtype(len(vocabulary)))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: Any) -> Array:
        ids = self._ids[index]
        converted: Array = ids.astype(np.int64) if self._table is None else self._table[ids]
        return converted

    def to_array(self) -> Array:
        """All ids (N,), uint8 if they fit, else int32: for a device that holds the whole text."""
        last = int((self._ids if self._table is None else self._table).max())
        dtype = np.uint8 if last < 2**8 else np.int32
        ids: Array = self._ids.astype(dtype) if self._table is None else self._table.astype(dtype)[self._ids]
        return ids
