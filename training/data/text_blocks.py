"""A text in blocks, held in memory or read again from its files at each pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.data.encoded import EncodedText, Text, code_points
from training.data.rare_characters import RareCharacters
from training.data.splitting import SpanSplitter, outside
from training.data.text_files import FileStats, ReadingOptions, iter_blocks

LINE_FEED = 10


@dataclass
class TextBlocks:
    """A text and what one pass over it finds.

    blocks: iterates anew at each call, over (number of the file from 1, block). in_memory: whether they are held.
    counts: of each character. line_starts: see `splitting.line_starts`. file_starts, file_names: where files begin,
    and their paths.
    """

    blocks: Callable[[], Iterable[tuple[int, str]]]
    in_memory: bool
    counts: Counter[str] = field(default_factory=Counter)
    length: int = 0
    line_starts: list[int] = field(default_factory=list)
    file_starts: list[int] = field(default_factory=list)
    file_names: Sequence[str] = ()

    @classmethod
    def of_files(cls, path: Path, options: ReadingOptions, stats: FileStats, *, max_cached_chars: int) -> TextBlocks:
        """Read a file or folder once, which completes `stats`; a text of up to `max_cached_chars` stays in memory."""

        def numbered(stats: FileStats) -> Iterator[tuple[int, str]]:
            return ((stats.files, block) for block in iter_blocks(path, options, stats))

        cached: list[tuple[int, str]] | None = []
        text = cls(lambda: cached if cached is not None else numbered(FileStats(options.encoding)), in_memory=True)

        def caching() -> Iterator[tuple[int, str]]:
            nonlocal cached
            for number, block in numbered(stats):
                if cached is not None:
                    cached.append((number, block))
                    if text.length + len(block) > max_cached_chars:
                        cached, text.in_memory = None, False
                yield number, block

        text._examine(caching())
        text.file_names = stats.names
        return text

    @classmethod
    def of_text(cls, text: str) -> TextBlocks:
        """A normalized text that is in memory."""
        blocks = cls(lambda: [(1, text)], in_memory=True)
        blocks._examine(blocks.blocks())
        return blocks

    def substituted(self, rare: RareCharacters) -> TextBlocks:
        """The same text without its rare characters."""
        if not rare.table:
            return self
        text = TextBlocks(
            lambda: ((number, rare.substitute(block)) for number, block in self.blocks()),
            self.in_memory,
            file_names=self.file_names,
        )
        text._examine(text.blocks())
        return text

    def _examine(self, blocks: Iterable[tuple[int, str]]) -> None:
        last_file, starts, after_break = 0, [np.zeros(1, np.int64)], False
        for number, block in blocks:
            if number != last_file:
                last_file = number
                self.file_starts.append(self.length)
            points = code_points(block)
            numbers = np.bincount(points) if len(points) else np.empty(0, dtype=np.int64)
            for point in np.flatnonzero(numbers).tolist():
                self.counts[chr(point)] += int(numbers[point])
            if block:
                is_break = points == LINE_FEED
                follows = np.concatenate([[after_break], is_break[:-1]])  # whether a line break stands before
                starts.append(np.flatnonzero(follows & ~is_break) + self.length)
                after_break = bool(is_break[-1])
            self.length += len(block)
        self.line_starts = np.concatenate(starts).tolist()

    @property
    def chars(self) -> tuple[str, ...]:
        """Its different characters, sorted."""
        return tuple(sorted(self.counts))

    def sample(self, size: int) -> str:
        """Its first `size` characters; all of them if it is in memory."""
        parts, length = [], 0
        for _, block in self.blocks():
            parts.append(block)
            length += len(block)
            if length >= size and not self.in_memory:
                break
        return "".join(parts)

    def split(self, spans: Sequence[tuple[int, int]], store: Path | None) -> tuple[Text, str]:
        """The text outside the spans, and the text within them.

        store: the folder on whose disk the former is stored if it is too long for memory.
        """
        if self.in_memory:
            text = "".join(block for _, block in self.blocks())
            rest = "".join(text[start:end] for start, end in outside(spans, self.length))
            return rest, "".join(text[start:end] for start, end in spans)
        splitter = SpanSplitter((block for _, block in self.blocks()), spans)
        length = self.length - sum(end - start for start, end in spans)
        encoded = EncodedText.write(splitter.rest(), length, self.chars, store)
        return encoded, splitter.inside
