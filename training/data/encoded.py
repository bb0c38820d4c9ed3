"""Texts as ids of one or two bytes, in memory or, where they are long, in a file that is mapped into it."""

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
    return np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)


def table_of(chars: Iterable[str]) -> NDArray[np.int64]:
    """Ids by code point; -1 where there is none."""
    points = [ord(char) for char in chars]
    table = np.full(max(points) + 1, -1, dtype=np.int64)
    table[points] = np.arange(len(points))
    return table


def smallest_type(count: int) -> type[np.unsignedinteger[Any]]:
    """The unsigned integers that hold ids below `count`."""
    return np.uint8 if count <= 2**8 else np.uint16 if count <= 2**16 else np.uint32


class EncodedText:
    """A long text as ids in a mapped file: `len`, slices as strings, and the ids by a vocabulary.

    The file has no name, so nothing is left behind however the process ends.
    """

    def __init__(self, ids: Array, chars: tuple[str, ...], sha256: str) -> None:
        self.ids, self.chars, self.sha256 = ids, chars, sha256
        self._points = np.array([ord(char) for char in chars], dtype=np.uint32)

    @classmethod
    def write(cls, blocks: Iterable[str], length: int, chars: tuple[str, ...], folder: Path | None) -> EncodedText:
        """Encode `length` characters of `blocks`, one block at a time; the file lies on the disk of `folder`."""
        kind, table, digest, done = smallest_type(len(chars)), table_of(chars), hashlib.sha256(), 0
        with tempfile.TemporaryFile(dir=folder) as file:
            for block in blocks:
                block = block[: length - done]
                if not block:
                    break
                table[code_points(block)].astype(kind).tofile(file)
                digest.update(block.encode("utf-8"))
                done += len(block)
            assert done == length
            file.flush()
            return cls(np.memmap(file, dtype=kind, mode="r"), chars, digest.hexdigest())

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> str:
        return str(self._points[self.ids[part]].tobytes(), "utf-32-le")


Text = str | EncodedText


class TrainIds:
    """The ids of a text by a vocabulary, looked up as they are asked for: ids[positions] -> int64."""

    def __init__(self, text: Text, vocabulary: Vocabulary) -> None:
        self._table: NDArray[np.int64] | None = None
        if isinstance(text, EncodedText):
            self._ids = text.ids
            if text.chars != vocabulary.chars:
                by_point = table_of(vocabulary.chars)
                self._table = by_point[[ord(char) for char in text.chars]]
        else:
            self._ids = table_of(vocabulary.chars)[code_points(text)].astype(smallest_type(len(vocabulary)))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: Any) -> Array:
        ids = self._ids[index]
        found: Array = ids.astype(np.int64) if self._table is None else self._table[ids]
        return found

    def whole(self) -> Array:
        """All of them, uint8 where they fit, else int32: for a device that is to hold the text itself."""
        last = int((self._ids if self._table is None else self._table).max())
        kind = np.uint8 if last < 2**8 else np.int32
        ids: Array = self._ids.astype(kind) if self._table is None else self._table.astype(kind)[self._ids]
        return ids
