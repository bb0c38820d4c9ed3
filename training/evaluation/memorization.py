"""How much of one text stands in another as it is: runs of characters compared by 64-bit hashes, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.encoded import Text, code_points

LENGTHS = (20, 40, 80)
BLOCK = 4_000_000
SKETCH_LENGTH, SKETCH_SIZE = 40, 256

Hashes = NDArray[np.uint64]
BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))


def copied_shares(texts: Sequence[str], source: Text) -> dict[str, float]:
    """The share of the 20-, 40- and 80-grams of `texts` that stand in `source`, by length; none for one too long."""
    shares = {}
    for length in LENGTHS:
        wanted = np.concatenate([run_hashes(text, length) for text in texts])
        if len(wanted):
            shares[str(length)] = round(float(_stands_in(wanted, source, length).mean()), 6)
    return shares


def sketch(source: Text) -> list[str]:
    """The least of the hashes of all 40-grams: a fingerprint by which `overlap` knows them again."""
    least = np.empty(0, dtype=np.uint64)
    for block in _blocks(source, SKETCH_LENGTH):
        least = np.unique(np.concatenate([least, run_hashes(block, SKETCH_LENGTH)]))[:SKETCH_SIZE]
    return [f"{int(value):016x}" for value in least]


def overlap(text: Text, known: Any) -> float | None:
    """About which share of the 40-grams of `text` stood in the text that the sketch `known` was made of.

    None where that cannot be told: `known` is no sketch, or none of its grams would be among so few of the text.
    """
    try:
        least = np.array(sorted(int(value, 16) for value in known), dtype=np.uint64)
    except (TypeError, ValueError, OverflowError):
        return None
    if not len(least):
        return None
    whole = len(least) < SKETCH_SIZE  # then it holds every 40-gram there was
    seen = hits = 0
    for block in _blocks(text, SKETCH_LENGTH):
        hashes = np.unique(run_hashes(block, SKETCH_LENGTH))
        comparable = hashes if whole else hashes[hashes <= least[-1]]
        seen += len(comparable)
        hits += int(np.isin(comparable, least).sum())
    return hits / seen if seen else None


def run_hashes(text: str, length: int) -> Hashes:
    """A hash for each run of `length` characters, in order; the sum of x_j B^(-j) over a run, moved to its start."""
    if len(text) < length:
        return np.empty(0, dtype=np.uint64)
    values = _mixed(code_points(text).astype(np.uint64))
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(len(values), INVERSE)) * BASE  # B^0, B^-1, ...
        sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(values * powers)])
        starts = np.cumprod(np.full(len(values) - length + 1, BASE)) * INVERSE  # B^0, B^1, ...
        return _mixed((sums[length:] - sums[:-length]) * starts)


def _mixed(values: Hashes) -> Hashes:
    """The finalizer of SplitMix64 (Steele et al. 2014): every bit depends on every other."""
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def _stands_in(wanted: Hashes, source: Text, length: int) -> NDArray[np.bool_]:
    different, where = np.unique(wanted, return_inverse=True)
    there = np.zeros(len(different), dtype=bool)
    for block in _blocks(source, length):
        there |= np.isin(different, run_hashes(block, length))
    return there[where]


def _blocks(source: Text, length: int) -> Iterator[str]:
    """Parts that overlap, so that no run of `length` characters is missed."""
    for start in range(0, len(source), BLOCK):
        yield source[start : start + BLOCK + length - 1]


WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")


BLOCK, LONGEST = 4_000_000, 100


def known_words(text: str, source: Text) -> float | None:
    """The share of the words of `text`, case aside, that occur in `source`; None where it has none.

    A word is a run of letters, with apostrophes within it. The source is read in blocks, in bounded memory.
    """
    words = WORD.findall(text.casefold())
    unknown = set(words)
    for start in range(0, len(source), BLOCK):
        if not unknown:
            break
        unknown.difference_update(WORD.findall(source[start : start + BLOCK + LONGEST].casefold()))
    return sum(word not in unknown for word in words) / len(words) if words else None
