"""Which part of a text is held out: its end, blocks or lines spread over it, or whole files."""

from __future__ import annotations

import bisect
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MAX_HELD_OUT = 500_000
"""Characters; more would slow down every evaluation and measure the loss no better."""
MIN_HELD_OUT = 20
NUM_BLOCKS = 20
"""Blocks of a spread held-out part: enough to meet every region of a text, each long enough for a carried state."""
MIN_BLOCK = 200
"""Characters of a block; a short text has fewer blocks."""
PLACES = ("auto", "end", "spread")


@dataclass(frozen=True)
class Split:
    """How a text is split, so that it can be split again.

    kind: "end", "blocks", "lines" or "files". val_fraction: the share that is held out. num_blocks: of "blocks".
    """

    kind: str = "end"
    val_fraction: float = 0.1
    num_blocks: int = NUM_BLOCKS

    def to_record(self) -> dict[str, Any]:
        return {"kind": self.kind, "val_fraction": self.val_fraction, "num_blocks": self.num_blocks}

    @classmethod
    def from_record(cls, data: Any) -> Split | None:
        """What `to_record` made; None for anything else."""
        if not isinstance(data, dict):
            return None
        kind, fraction, num_blocks = (data.get(name) for name in ("kind", "val_fraction", "num_blocks"))
        if kind not in ("end", "blocks", "lines", "files") or not isinstance(num_blocks, int) or num_blocks < 1:
            return None
        return cls(kind, fraction, num_blocks) if isinstance(fraction, float) and 0 < fraction <= 0.5 else None

    def spans(self, length: int, boundaries: Sequence[int]) -> list[tuple[int, int]]:
        """The held-out spans of a text of `length` characters, in order.

        boundaries: where lines begin, or for "files" where files begin; 0 is one of them.
        """
        wanted = held_out_chars(length, self.val_fraction)
        if self.kind == "lines":
            return _line_spans(length, boundaries, wanted)
        if self.kind == "files":
            return _file_spans(length, boundaries, wanted)
        if self.kind == "blocks":
            return _block_spans(length, boundaries, wanted, self.num_blocks)
        return [(length - wanted, length)]


def held_out_chars(length: int, val_fraction: float) -> int:
    """How many characters of a text of `length` are held out."""
    return min(MAX_HELD_OUT, max(MIN_HELD_OUT, int(length * val_fraction)))


def _line_spans(length: int, starts: Sequence[int], wanted: int) -> list[tuple[int, int]]:
    """One line of every n: of a sorted list, every letter has its share.

    Each is drawn: of a list whose records have n lines, every n-th line would be the same field.
    """
    step, draw = (
        max(2, round(length / wanted)),
        random.Random(0),
    )  # random() gives the same numbers in every version of Python
    chosen = [first + int(draw.random() * step) for first in range(0, len(starts), step)]
    lines = len(starts)  # of a long text it is a sequence on disk
    spans = [(starts[n], starts[n + 1] if n + 1 < lines else length) for n in chosen if n < lines]
    return spans or [(starts[lines - 1], length)]


def _file_spans(length: int, starts: Sequence[int], wanted: int) -> list[tuple[int, int]]:
    """Files spread over the order of their paths, without those that are a large part of the text."""
    ends = [*starts[1:], length]
    sizes = [end - start for start, end in zip(starts, ends, strict=True)]
    suitable = [n for n, size in enumerate(sizes) if 0 < size <= wanted]
    chosen: list[int] = []
    step = max(2, round(length / wanted))
    for first in range(step):
        for n in suitable[(first + step // 2) % step :: step]:
            if sum(sizes[n] for n in chosen) + sizes[n] <= 1.2 * wanted:
                chosen.append(n)
        if sum(sizes[n] for n in chosen) >= 0.8 * wanted:
            break
    return [(starts[n], ends[n]) for n in sorted(chosen)]


def _block_spans(length: int, starts: Sequence[int], wanted: int, num_blocks: int) -> list[tuple[int, int]]:
    """Blocks of about equal length, each at the end of its part of the text, from the start of a line to that of one.

    Where a part has no line that begins near, it is cut between two characters.
    """
    num_blocks = max(1, min(num_blocks, wanted // MIN_BLOCK))
    part, size = length / num_blocks, wanted / num_blocks
    spans: list[tuple[int, int]] = []
    for n in range(num_blocks):
        nominal_end = length if n == num_blocks - 1 else round((n + 1) * part)
        end = nominal_end if nominal_end == length else _snapped(nominal_end, starts, size)
        start = _snapped(round(nominal_end - size), starts, size)
        start = max(start, spans[-1][1] if spans else 0)
        if start < end:
            spans.append((start, end))
    return spans


def _snapped(position: int, starts: Sequence[int], size: float) -> int:
    """The nearest line start, if there is one within half a block."""
    count_before = getattr(starts, "count_before", None)  # of a long text, whose lines are found from its shards
    place = count_before(position) if count_before else bisect.bisect_left(starts, position)
    near = [starts[n] for n in (place - 1, place) if 0 <= n < len(starts)]
    best = min(near, key=lambda start: abs(start - position), default=position)
    return best if abs(best - position) <= size / 2 else position


def line_starts(text: str) -> list[int]:
    """Where the lines of a text begin; an empty line belongs to the one before it."""
    return [0, *(match.end() for match in re.finditer("\n+", text) if match.end() < len(text))]


def outside(spans: Sequence[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    """The spans between `spans`, which are in order and apart."""
    position = 0
    for start, end in spans:
        if position < start:
            yield position, start
        position = end
    if position < length:
        yield position, length
