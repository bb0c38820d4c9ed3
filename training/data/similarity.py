"""Whether a part of a text is like the rest: bits that a bigram model of the rest needs for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.encoded import code_points

NUM_WINDOWS = 12
MAX_SYMBOLS = 512
"""Further characters count as one."""
MAX_SCANNED = 4_000_000
MIN_DIFFERENCE, DEVIATIONS = 0.12, 4.0
"""A part differs if it costs so many nats more than windows of the rest do, and so many times their deviation."""


@dataclass(frozen=True)
class Likeness:
    """Nats per character of a part by a bigram model of the rest, and of windows of the rest by the rest of it."""

    part: float
    windows: tuple[float, ...]

    @property
    def usual(self) -> float:
        """The median of the windows."""
        return float(np.median(self.windows))

    @property
    def differs(self) -> bool:
        """Whether the part is unlike every region of the rest."""
        deviation = 1.4826 * float(np.median(np.abs(np.array(self.windows) - self.usual)))  # one window may be odd
        return self.part - self.usual > max(MIN_DIFFERENCE, DEVIATIONS * deviation)


def likeness(rest: str, part: str) -> Likeness | None:
    """How like `rest` the text `part` is; None if they are too short to tell."""
    rest, part = rest[:MAX_SCANNED], part[:MAX_SCANNED]
    if len(part) < 200 or len(rest) < 8 * len(part) // 4 or len(rest) < 2000:
        return None
    rest_ids, part_ids, count = _ids(rest, part)
    size = min(len(part), len(rest) // 4)
    starts = np.linspace(0, len(rest) - size, NUM_WINDOWS).astype(int)
    whole = _pairs(rest_ids, count)
    windows = []
    for start in starts:
        pairs = _pairs(rest_ids[start : start + size], count)
        windows.append(_cross_entropy(whole - pairs, pairs))
    return Likeness(_cross_entropy(whole, _pairs(part_ids, count)), tuple(windows))


def _ids(rest: str, part: str) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    points, ids, counts = np.unique(code_points(rest + part), return_inverse=True, return_counts=True)
    ranks = np.empty(len(points), np.int64)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(len(points))
    all_ids = np.minimum(ranks, MAX_SYMBOLS - 1)[ids]
    return all_ids[: len(rest)], all_ids[len(rest) :], min(len(points), MAX_SYMBOLS)


def _pairs(ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """How often each pair of symbols occurs (count, count)."""
    return np.bincount(ids[:-1] * count + ids[1:], minlength=count * count).reshape(count, count)


def _cross_entropy(model: NDArray[np.int64], pairs: NDArray[np.int64]) -> float:
    """Nats per character of `pairs` by the counts of `model`, with Witten-Bell interpolation of the orders."""
    singles = model.sum(axis=0)
    zero = (singles + 1.0) / (singles.sum() + len(singles))
    totals, kinds = model.sum(axis=1, keepdims=True), (model > 0).sum(axis=1, keepdims=True)
    probabilities = (model + kinds * zero) / np.maximum(totals + kinds, 1)
    unseen = (totals == 0).ravel()
    probabilities[unseen] = zero
    return float(-(pairs * np.log(probabilities)).sum() / max(1, pairs.sum()))
