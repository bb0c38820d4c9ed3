"""Texts as arrays of one- or two-byte ids, in memory or, for long texts, on disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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


def encode(text: str, vocabulary: Vocabulary) -> Tensor:
    """Ids (N,) int64 of a text whose every character is in the vocabulary."""
    return torch.from_numpy(id_table(vocabulary.chars)[code_points(text)])


def smallest_dtype(count: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned integer type that holds ids below `count`."""
    return np.uint8 if count <= 2**8 else np.uint16 if count <= 2**16 else np.uint32


class LongText(Protocol):
    """A text too long for memory, as ids on disk. `len` counts characters; slices are strings."""

    chars: tuple[str, ...]

    @property
    def ids(self) -> Ids:
        """Ids by the text's own `chars`."""

    @property
    def sha256(self) -> str:
        """Of the text in UTF-8."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice) -> str: ...


class Ids(Protocol):
    """What a NumPy array (N,) of ids and one in several files have in common: `ids[positions]`, `ids[start:stop]`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Array: ...


Text = str | LongText


class TrainIds:
    """The ids of a text by a vocabulary, converted on access: ids[positions] -> int64."""

    def __init__(self, text: Text, vocabulary: Vocabulary) -> None:
        self._table: NDArray[np.int64] | None = None
        self._ids: Ids
        if not isinstance(text, str):
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
        all_ids = self._ids[:]
        last = int((all_ids if self._table is None else self._table).max())
        dtype = np.uint8 if last < 2**8 else np.int32
        ids: Array = all_ids.astype(dtype) if self._table is None else self._table.astype(dtype)[all_ids]
        return ids
