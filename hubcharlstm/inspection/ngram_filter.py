"""Which runs of a text stand in a training text: a Bloom filter (Bloom 1970) of the training text's n-grams.

A run of `RUN` characters that stands in the training text has all its n-grams in the filter, so none is missed. Another
run passes if each of its n-grams is in the filter by itself or by chance. The n-grams are as long as the room allows: a
short text has room to tell those of `RUN` characters apart, a longer one only
to test several shorter ones in a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hubcharlstm.inspection.ngram_hashes import Hashes, ngram_hashes
from hubcharlstm.vocabulary import Vocabulary

RUN = 20
"""Characters of the shortest run that is told."""
MAX_BYTES = 1_900_000
BITS_PER_NGRAM = 20
"""As many as a short text gets: 7 of 100,000 other n-grams pass."""
CHANCE = 3e-4
"""About how many of the runs pass by chance alone that share nothing with the training text."""
MIN_NGRAM, MAX_HASHES = 13, 32
BLOCK = 2_000_000
"""Characters of a long text that are hashed at once."""


class Text(Protocol):
    """A text in memory or on a disk: slices are strings."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> str: ...


@dataclass(frozen=True)
class NgramFilter:
    """The n-grams of a training text.

    ngram: their length. num_hashes: bits that each sets. bits (bytes,) uint8. errors: how often the filter is wrong
    about what the model writes, as `fit` has measured it: "windows", the share of other stretches of `RUN` characters
    that pass, and "runs", the share of the runs told that hold no stretch of `RUN` characters of the training text.
    """

    ngram: int
    num_hashes: int
    bits: NDArray[np.uint8]
    errors: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"NgramFilter({self.ngram}-grams, {len(self.bits):,} bytes)"

    def __post_init__(self) -> None:
        is_good = MIN_NGRAM <= self.ngram <= RUN and 1 <= self.num_hashes <= MAX_HASHES
        if (
            not is_good
            or not 1 <= len(self.bits) <= MAX_BYTES
            or not all(0 <= one <= 1 for one in self.errors.values())
        ):
            raise ValueError(
                f"The filter has n-grams of {self.ngram} characters, {self.num_hashes} hashes and {len(self.bits):,} "
                f"bytes; expected {MIN_NGRAM} to {RUN}, at most {MAX_HASHES} and at most {MAX_BYTES:,}, with errors "
                "from 0 to 1: take all files from one save."
            )

    @classmethod
    def of(cls, text: Text) -> Self | None:
        """The filter of a training text; None for one shorter than a run, and for one too long for `MAX_BYTES`."""
        count = len(text) - RUN + 1
        if count < 1:
            return None
        size = min(MAX_BYTES, math.ceil(count * BITS_PER_NGRAM / 8))
        num_hashes = max(1, round(8 * size / count * math.log(2)))
        passing = (1 - math.exp(-num_hashes * count / (8 * size))) ** num_hashes  # the chance of another n-gram
        if passing ** (RUN + 1 - MIN_NGRAM) > CHANCE:
            return None
        ngram = RUN + 1 - math.ceil(math.log(CHANCE) / math.log(passing))
        is_set = np.zeros(8 * size, dtype=bool)
        for start in range(0, len(text), BLOCK):
            block = text[start : start + BLOCK + ngram - 1]
            for places in hashed_places(ngram_hashes(block, ngram), num_hashes, len(is_set)):
                is_set[places] = True
        return cls(ngram, num_hashes, np.packbits(is_set, bitorder="little"))

    def windows(self, text: str) -> NDArray[np.bool_]:
        """Whether each stretch of `RUN` characters of `text` passes, (N - RUN + 1,)."""
        hashes = ngram_hashes(text, self.ngram)
        passes = np.ones(len(hashes), dtype=bool)
        for places in hashed_places(hashes, self.num_hashes, 8 * len(self.bits)):
            passes &= (self.bits[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8) & 1).astype(bool)
        needed = RUN - self.ngram + 1
        if len(passes) < needed:
            return np.zeros(0, dtype=bool)
        sums = np.concatenate([[0], np.cumsum(passes)])
        complete: NDArray[np.bool_] = sums[needed:] - sums[:-needed] == needed
        return complete


def hashed_places(hashes: Hashes, num_hashes: int, size: int) -> list[Hashes]:
    """The bits of each hash, by two halves of it (Kirsch and Mitzenmacher 2006)."""
    first, second = hashes & np.uint64(2**32 - 1), hashes >> np.uint64(32)
    return [(first + np.uint64(n) * second) % np.uint64(size) for n in range(num_hashes)]


def runs_of(windows: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of the runs that neighbouring stretches which pass add up to; they may overlap."""
    edges = np.diff(np.concatenate([[0], windows.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist()
    return [(start, end + RUN - 1) for start, end in zip(starts, ends, strict=True)]


@dataclass(frozen=True)
class CopiedRuns:
    """The runs of a text that stand in a model's training text.

    text: the text as encoded. runs: [start, stop) of each, at least `RUN` characters long with what stands before the
    text. errors: see `NgramFilter`. warnings: substituted and dropped characters, for a person.
    """

    text: str
    runs: tuple[tuple[int, int], ...]
    errors: Mapping[str, float]
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"CopiedRuns({len(self.text):,} characters, {len(self.runs)} runs)"

    @property
    def texts(self) -> tuple[str, ...]:
        """The runs themselves."""
        return tuple(self.text[start:stop] for start, stop in self.runs)


def copied_runs(ngrams: NgramFilter | None, vocabulary: Vocabulary, text: str, *, before: str = "") -> CopiedRuns:
    """The runs of `text` that stand in the text of the filter. before: what stands before it, where a run may begin.

    Raises `ValueError` without a filter.
    """
    if ngrams is None:
        raise ValueError(
            "The model has no filter of its training text; expected one that `fit` has written with its model: take "
            "another, or train it again."
        )
    encoding, context = vocabulary.encode(text), vocabulary.encode(before).text
    offset = len(context)
    found = runs_of(ngrams.windows(context + encoding.text))
    runs = tuple((max(0, start - offset), stop - offset) for start, stop in found if stop > offset)
    return CopiedRuns(encoding.text, runs, ngrams.errors, () if encoding.exact else (encoding.describe(),))
