"""A text in blocks, held in memory, and what a pass over it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.data.encoded import code_points
from training.data.rare_characters import RareCharacters
from training.data.splitting import outside
from training.data.text_files import FileStats, ReadingOptions, iter_files

LINE_FEED = 10


@dataclass
class TextBlocks:
    """A text and what one pass over it finds.

    blocks: pairs (number of the file from 1, block). counts: of each character. line_starts: see
    `splitting.line_starts`. file_starts, file_names: where files begin, and their paths. stats: of the files.
    """

    blocks: Sequence[tuple[int, str]]
    counts: Counter[str] = field(default_factory=Counter)
    length: int = 0
    line_starts: Sequence[int] = ()
    file_starts: list[int] = field(default_factory=list)
    stats: FileStats = field(default_factory=lambda: FileStats("utf-8"))

    @classmethod
    def of_files(cls, path: Path, options: ReadingOptions, *, max_chars: int) -> TextBlocks | None:
        """Hold the text of a file or folder; None if it has more than `max_chars` characters."""
        stats, blocks, length = FileStats(options.encoding), list[tuple[int, str]](), 0
        for number, block in _numbered(path, options, stats):
            blocks.append((number, block))
            length += len(block)
            if length > max_chars:
                return None
        return cls(blocks, stats=stats)._examined()

    @classmethod
    def of_text(cls, text: str) -> TextBlocks:
        """A normalized text."""
        return cls([(1, text)])._examined()

    def substituted(self, rare: RareCharacters) -> TextBlocks:
        """The same text without its rare characters."""
        if not rare.table:
            return self
        blocks = [(number, rare.substitute(block)) for number, block in self.blocks]
        return TextBlocks(blocks, stats=self.stats)._examined()

    def _examined(self) -> TextBlocks:
        last_file, starts, after_break = 0, [np.zeros(1, np.int64)], False
        for number, block in self.blocks:
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
        return self

    @property
    def chars(self) -> tuple[str, ...]:
        """Its different characters, sorted."""
        return tuple(sorted(self.counts))

    @property
    def file_names(self) -> Sequence[str]:
        """The paths of its files."""
        return self.stats.names

    def sample(self, size: int) -> str:
        """All of it: the part of a long text from which its kind is inferred."""
        return "".join(block for _, block in self.blocks)

    def split(self, spans: Sequence[tuple[int, int]]) -> tuple[str, str]:
        """The text outside the spans, and the text within them."""
        text = "".join(block for _, block in self.blocks)
        rest = "".join(text[start:end] for start, end in outside(spans, self.length))
        return rest, "".join(text[start:end] for start, end in spans)


def _numbered(path: Path, options: ReadingOptions, stats: FileStats) -> Iterator[tuple[int, str]]:
    for _, blocks in iter_files(path, options, stats):
        if stats.files > 1:
            yield stats.files - 1, "\n"
        yield from ((stats.files, block) for block in blocks)
