"""Hashes of the n-grams of a text, all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
INVERSE = np.uint64(pow(int(BASE), -1, 2**64))


def ngram_hashes(text: str, length: int) -> Hashes:
    """Hashes (N - length + 1,) of the n-grams: the sum of x_j B^(-j), shifted to the start of the n-gram."""
    if len(text) < length:
        return np.empty(0, dtype=np.uint64)
    values = _mixed(np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64))
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
