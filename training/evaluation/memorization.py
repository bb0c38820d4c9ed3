"""How much of one text occurs verbatim in another: n-grams compared by 64-bit hashes, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubcharlstm.inspection.ngram_filter import RUN, NgramFilter, runs_of
from hubcharlstm.inspection.ngram_hashes import Hashes, ngram_hashes
from training.data.encoded import Text

LENGTHS = (20, 40, 80)
BLOCK = 4_000_000
"""Characters that are held in memory at once."""
WORD, MAX_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*"), 100
SKETCH_LENGTH, SKETCH_SIZE = 40, 256
TABLE_BITS = 22
TABLE_MASK = np.uint64(2**TABLE_BITS - 1)


def copied_shares(texts: Sequence[str], source: Text) -> dict[str, float]:
    """The shares of the 20-, 40- and 80-grams of `texts` that occur in `source`, by length, if there are any."""
    shares = {}
    for length in LENGTHS:
        wanted = np.concatenate([ngram_hashes(text, length) for text in texts])
        if len(wanted):
            shares[str(length)] = round(float(_occurs_in(wanted, source, length).mean()), 6)
    return shares


def bottom_k_sketch(source: Text) -> list[str]:
    """The SKETCH_SIZE smallest hashes of the 40-grams of `source` (Broder 1997), in hex, for `sketch_overlap`."""
    least = np.empty(0, dtype=np.uint64)
    for block in _blocks(source, SKETCH_LENGTH):
        hashes = ngram_hashes(block, SKETCH_LENGTH)
        if len(least) == SKETCH_SIZE:
            hashes = hashes[hashes < least[-1]]
        hashes = _smallest(hashes)
        least = np.unique(np.concatenate([least, hashes]))[:SKETCH_SIZE]
    return [f"{int(value):016x}" for value in least]


def _smallest(hashes: Hashes) -> Hashes:
    """Some of them that hold the SKETCH_SIZE smallest different ones, without sorting all."""
    for count in (16 * SKETCH_SIZE, 256 * SKETCH_SIZE):
        if len(hashes) > count:
            few: Hashes = hashes[hashes <= np.partition(hashes, count)[count]]
            if len(np.unique(few)) >= SKETCH_SIZE:
                return few
    return hashes


def sketch_overlap(text: Text, sketch: Any) -> float | None:
    """An estimate of the share of the 40-grams of `text` that occur in the text of the bottom-k sketch.

    None if `sketch` is no sketch, or if `text` is too short for an estimate.
    """
    try:
        least = np.array(sorted(int(value, 16) for value in sketch), dtype=np.uint64)
    except (TypeError, ValueError, OverflowError):
        return None
    if not len(least):
        return None
    complete = len(least) < SKETCH_SIZE  # the sketch holds every 40-gram
    seen = hits = 0
    for block in _blocks(text, SKETCH_LENGTH):
        hashes = np.unique(ngram_hashes(block, SKETCH_LENGTH))
        comparable = hashes if complete else hashes[hashes <= least[-1]]
        seen += len(comparable)
        hits += int(np.isin(comparable, least).sum())
    return hits / seen if seen else None


def _occurs_in(wanted: Hashes, source: Text, length: int) -> NDArray[np.bool_]:
    different, where = np.unique(wanted, return_inverse=True)
    occurs = np.zeros(len(different), dtype=bool)
    table = np.zeros(2**TABLE_BITS, dtype=bool)  # by the last bits: it sorts out nearly all hashes of the source
    table[different & TABLE_MASK] = True
    for block in _blocks(source, length):
        hashes = ngram_hashes(block, length)
        occurs |= np.isin(different, hashes[table[hashes & TABLE_MASK]])
    return occurs[where]


def filter_errors(ngrams: NgramFilter, texts: Sequence[str], source: Text) -> dict[str, float]:
    """How often `ngrams`, made of `source`, is wrong about `texts`: it misses nothing, and finds too much.

    "windows": of the RUN-grams that do not occur in `source`, the share that the filter takes for some that do. "runs":
    of the runs that it finds, the share without a single RUN-gram that occurs. Absent where there are none.
    """
    hashes = [ngram_hashes(text, RUN) for text in texts]
    if not sum(map(len, hashes)):
        return {}
    occurs = np.split(_occurs_in(np.concatenate(hashes), source, RUN), np.cumsum([len(some) for some in hashes])[:-1])
    found = [ngrams.windows(text) for text in texts]
    absent = ~np.concatenate(occurs)
    runs = [
        known[start : stop - RUN + 1]
        for known, some in zip(occurs, found, strict=True)
        for start, stop in runs_of(some)
    ]
    errors = {}
    if absent.any():
        errors["windows"] = round(float(np.concatenate(found)[absent].mean()), 6)
    if runs:
        errors["runs"] = round(sum(not known.any() for known in runs) / len(runs), 4)
    return errors


def _blocks(source: Text, length: int) -> Iterator[str]:
    """Blocks that overlap, so that no n-gram of `length` characters is missed."""
    for start in range(0, len(source), BLOCK):
        yield source[start : start + BLOCK + length - 1]


def known_words(text: str, source: Text) -> float | None:
    """The share of the words of `text` that occur in `source`, ignoring case; None if it has no words.

    A word is a sequence of letters, with apostrophes inside.
    """
    words = WORD.findall(text.casefold())
    unknown = set(words)
    for start in range(0, len(source), BLOCK):
        if not unknown:
            break
        unknown.difference_update(WORD.findall(source[start : start + BLOCK + MAX_WORD].casefold()))
    return sum(word not in unknown for word in words) / len(words) if words else None
