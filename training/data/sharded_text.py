"""A text in shards, or a part of it: ids and slices as of one text, where its lines begin, its checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from training.data.cache import locked
from training.data.encoded import Array
from training.data.shards import LINE_FEED, Manifest, open_shard
from training.data.splitting import outside

PIECE_CHARS = 2**22
"""Characters that are held in memory at once."""
Spans = Sequence[tuple[int, int]]


class Shards:
    """The shards of a manifest as one array of ids (N,); each is mapped, and its checksum compared, when it is needed.

    Processes that map the same shards share the memory, and each one maps only those that it needs.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.infos = folder, list(manifest.shards)
        lengths = [shard.length for shard in self.infos]
        self.starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        widest = max((np.dtype(shard.dtype) for shard in self.infos), key=lambda dtype: dtype.itemsize)
        self.dtype = widest
        self._mapped: dict[int, Array] = {}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def mapped(self, number: int) -> Array:
        """The ids of one shard; raises `ValueError` if it is damaged."""
        if number not in self._mapped:
            self._mapped[number] = open_shard(self.folder, self.infos[number])
        return self._mapped[number]

    def span(self, start: int, stop: int) -> Iterator[Array]:
        """The ids of a span, in parts."""
        first = int(np.searchsorted(self.starts, start, side="right")) - 1
        while start < stop:
            begin, end = int(self.starts[first]), int(self.starts[first + 1])
            yield self.mapped(first)[start - begin : min(stop, end) - begin]
            start, first = min(stop, end), first + 1

    def at(self, positions: NDArray[np.int64]) -> Array:
        """The ids at positions (N,)."""
        numbers = np.searchsorted(self.starts, positions, side="right") - 1
        ids = np.empty(len(positions), dtype=self.dtype)
        for number in np.unique(numbers).tolist():
            here = numbers == number
            ids[here] = self.mapped(number)[positions[here] - self.starts[number]]
        return ids


class PartIds:
    """The ids of the spans of a text in shards, as one array (N,)."""

    def __init__(self, shards: Shards, spans: Spans) -> None:
        self._shards, self.spans = shards, list(spans)
        lengths = [stop - start for start, stop in spans]
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        self._offsets = np.array([start for start, _ in spans], dtype=np.int64) - self._starts[:-1]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._shards.dtype

    def __getitem__(self, index: Any) -> Array:
        """index: a slice without a step, or positions of any shape."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            assert step == 1
            parts = [np.empty(0, dtype=self.dtype), *self._span(start, stop)]
            return np.concatenate(parts).astype(self.dtype, copy=False)
        positions = np.asarray(index, dtype=np.int64)
        flat = positions.ravel()
        if len(flat) and not (flat.min() >= 0 and flat.max() < len(self)):
            raise IndexError(f"position {flat.min()} or {flat.max()} in a text of {len(self)} characters")
        part = np.searchsorted(self._starts, flat, side="right") - 1
        return self._shards.at(flat + self._offsets[part]).reshape(positions.shape)

    def _span(self, start: int, stop: int) -> Iterator[Array]:
        part = int(np.searchsorted(self._starts, start, side="right")) - 1
        while start < stop:
            end = min(stop, int(self._starts[part + 1]))
            offset = int(self._offsets[part])
            yield from self._shards.span(start + offset, end + offset)
            start, part = end, part + 1


class ShardedText:
    """The text of the spans of shards; a `LongText`."""

    def __init__(self, shards: Shards, chars: str, spans: Spans) -> None:
        self.chars, self._shards = tuple(chars), shards
        self.ids = PartIds(shards, [(start, stop) for start, stop in spans if start < stop])
        self._points = np.array([ord(char) for char in chars], dtype=np.uint32)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice) -> str:
        return str(self._points[self.ids[part]].tobytes(), "utf-32-le")

    def pieces(self, start: int = 0) -> Iterator[str]:
        """The text from `start` on, in pieces."""
        for begin in range(start, len(self), PIECE_CHARS):
            yield self[begin : begin + PIECE_CHARS]

    @property
    def sha256(self) -> str:
        """Of the text in UTF-8; computed once, and noted beside the shards."""
        spans = hashlib.sha256(json.dumps(self.ids.spans).encode()).hexdigest()[:16]
        noted = self._shards.folder / f"sha256-{spans}.txt"
        with locked(self._shards.folder / "sha256"):
            if not noted.is_file():
                digest = hashlib.sha256()
                for piece in self.pieces():
                    digest.update(piece.encode("utf-8"))
                unfinished = noted.with_suffix(".new")
                unfinished.write_text(digest.hexdigest(), encoding="ascii")
                unfinished.replace(noted)
        return noted.read_text(encoding="ascii")


class LineStarts(Sequence[int]):
    """Where the lines of a text in shards begin, as `splitting.line_starts` finds them; looked up shard by shard."""

    def __init__(self, shards: Shards, line_feed: int) -> None:
        """line_feed: the id of a line feed, -1 if the text has none."""
        self._shards, self._line_feed = shards, line_feed
        counts = [shard.num_lines for shard in shards.infos]
        counts[0] += 1  # the first line
        self._firsts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
        self._cached: tuple[int, NDArray[np.int64]] = -1, np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f"line {index} of {len(self)}")
        shard = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return int(self._of_shard(shard)[index - self._firsts[shard]])

    def count_before(self, position: int) -> int:
        """How many lines begin before `position`, as `bisect.bisect_left` finds it."""
        shard = int(np.searchsorted(self._shards.starts, position, side="right")) - 1
        if shard >= len(self._shards.infos):
            return len(self)
        return int(self._firsts[shard]) + int(np.searchsorted(self._of_shard(shard), position))

    def _of_shard(self, shard: int) -> NDArray[np.int64]:
        if self._cached[0] != shard:
            begin, end = (int(place) for place in self._shards.starts[shard : shard + 2])
            found = [np.zeros(int(shard == 0), dtype=np.int64)]
            for start in range(begin, end, PIECE_CHARS):
                before = max(0, start - 1)
                ids = np.concatenate(list(self._shards.span(before, min(end, start + PIECE_CHARS))))
                is_break = ids == self._line_feed
                found.append(np.flatnonzero(is_break[:-1] & ~is_break[1:]) + before + 1)
            self._cached = shard, np.concatenate(found)
        return self._cached[1]


def line_starts_of(shards: Shards, chars: str) -> LineStarts:
    """Where the lines of the whole text begin."""
    return LineStarts(shards, chars.find(LINE_FEED))


def parts(shards: Shards, chars: str, spans: Spans) -> tuple[ShardedText, str]:
    """The text outside the spans, and the text within them."""
    inside = ShardedText(shards, chars, spans)
    return ShardedText(shards, chars, list(outside(spans, len(shards)))), inside[:]
