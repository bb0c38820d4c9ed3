"""Baselines on the held-out text without a network: interpolated Kneser-Ney and PPMd, in seconds of work."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ORDER = 6
"""The longest n-grams of Kneser-Ney, and the order of PPMd."""
MAX_CHARS = 4_000_000
"""Of a longer text only the end is read, which bounds time and memory."""
PPMD_MEMORY = 2**28

KNESER_NEY = "Kneser-Ney, 6-gram"
ADAPTIVE = "Kneser-Ney, 6-gram, learning as it reads"
PPMD = "PPMd, order 6, learning as it reads"

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class NgramPrediction(NamedTuple):
    """Of each held-out id: its probability (M,), the length of the longest context that is known, and its count."""

    probability: Floats
    order: Ids
    context_count: Floats


def number_to_beat(train: NDArray[Any], held_out: NDArray[Any], vocab_size: int) -> dict[str, dict[str, float]]:
    """Kneser-Ney on ids, static and adaptive, each {"nats", "seconds"}; the static one is the number to beat.

    The seconds of both include the shared sorting of all n-grams.
    """
    started = time.perf_counter()
    grams = _Grams(train[-MAX_CHARS:], held_out[:MAX_CHARS], vocab_size)
    shared = time.perf_counter() - started
    found = {}
    for name, adaptive in ((KNESER_NEY, False), (ADAPTIVE, True)):
        started = time.perf_counter()
        nats = float(-np.log(grams.predict(adaptive=adaptive).probability).mean())
        found[name] = {"nats": nats, "seconds": round(shared + time.perf_counter() - started, 2)}
    return found


def kneser_ney(train: NDArray[Any], held_out: NDArray[Any], vocab_size: int, *, adaptive: bool = False) -> Floats:
    """Probabilities (M,) of held-out ids (M,) by interpolated modified Kneser-Ney (Chen & Goodman 1999).

    Each is conditioned on the training ids and the held-out ids before it. adaptive: held-out ids are counted, too,
    once they are scored; the discounts stay those of the training text. Sorting and running sums over the whole text
    do the work: the count of an n-gram before a position is the number of its earlier occurrences.
    """
    return predict_by_ngrams(train, held_out, vocab_size, adaptive=adaptive).probability


def predict_by_ngrams(
    train: NDArray[Any], held_out: NDArray[Any], vocab_size: int, *, adaptive: bool = False
) -> NgramPrediction:
    """The same, with what is known of each context."""
    return _Grams(train, held_out, vocab_size).predict(adaptive=adaptive)


def ppmd(train: str, held_out: str) -> dict[str, float]:
    """{"nats", "seconds"} of PPMd variant I (Shkarin 2002), adaptive, after the training text."""
    import pyppmd

    started = time.perf_counter()
    train, held_out = train[-MAX_CHARS:], held_out[:MAX_CHARS]

    def size(text: str) -> int:
        encoder = pyppmd.Ppmd8Encoder(ORDER, PPMD_MEMORY)
        return len(encoder.encode(text.encode("utf-8"))) + len(encoder.flush())

    nats = (size(train + held_out) - size(train)) * 8 * math.log(2) / len(held_out)
    return {"nats": nats, "seconds": round(time.perf_counter() - started, 2)}


class _Grams:
    """Every n-gram of the whole text by the position of its last character; position i of order n is grams[n][i].

    Order 0 is the empty n-gram. The text is padded in front with ORDER copies of its first character.
    """

    def __init__(self, train: NDArray[Any], held_out: NDArray[Any], vocab_size: int) -> None:
        ids: Ids = np.concatenate([np.full(ORDER, train[0]), train, held_out]).astype(np.int64)
        self.cut, self.vocab_size = ORDER + len(train), vocab_size
        grams, self.sorted = [np.zeros(len(ids), dtype=np.int64)], [_Groups.of(np.zeros(len(ids), dtype=np.int64))]
        for _ in range(ORDER):
            groups = _Groups.of(_before(grams[-1]) * vocab_size + ids)
            self.sorted.append(groups)
            grams.append(groups.number)
        self.first = [_first_seen(groups) for groups in self.sorted]

    def predict(self, *, adaptive: bool) -> NgramPrediction:
        """Of the held-out ids (M,), interpolated from the unigrams up."""
        probability = np.full(len(self.first[0]) - self.cut, 1 / self.vocab_size)
        longest, count = np.zeros(len(probability), dtype=np.int64), np.zeros(len(probability))
        for order in range(1, ORDER + 1):
            own, mass, total = self.discounted_counts(order, adaptive=adaptive)
            known = total > 0
            longest[known], count[known] = order - 1, total[known]
            total = np.where(known, total, 1.0)
            probability = np.where(known, (own + mass * probability) / total, probability)
        return NgramPrediction(probability, longest, count)

    def counted(self, order: int, *, adaptive: bool = True) -> NDArray[np.bool_]:
        """At which positions an n-gram counts: the highest order counts occurrences, a lower one different contexts."""
        counted = self.first[order + 1].copy() if order < ORDER else np.ones(len(self.first[0]), dtype=bool)
        counted[:ORDER] = False
        if not adaptive:
            counted[self.cut :] = False
        return counted

    def discounted_counts(self, order: int, *, adaptive: bool) -> tuple[Floats, Floats, Floats]:
        """For each held-out position the discounted count of its n-gram, the mass that the discounts freed in its
        context, and the total count of the context, all before the position."""
        held_out = slice(self.cut, None)
        counted = self.counted(order, adaptive=adaptive)
        grams, contexts = self.sorted[order], self.sorted[order - 1]
        count = grams.sums_before(counted)
        discounts = _discounts(grams, counted[: self.cut])
        length = len(self.first[0]) - self.cut
        total, mass = np.zeros(length), np.zeros(length)
        total += contexts.sums_before(counted, shift=1)[held_out]
        # How many n-grams the context has seen once, twice and more often.
        for seen, discount in enumerate(discounts, start=1):
            change = counted & (count == seen - 1)
            number = contexts.sums_before(change, shift=1)[held_out]
            if seen < 3:
                number = number - contexts.sums_before(counted & (count == seen), shift=1)[held_out]
            mass += discount * number
        own = count[held_out]
        return np.maximum(own - np.array([0.0, *discounts])[np.minimum(own, 3)], 0.0), mass, total


class _Groups:
    """Positions grouped by their key, in order of the text within each group."""

    def __init__(self, order: Ids, starts: NDArray[np.bool_]) -> None:
        self.order, self.starts = order, starts
        self.ranks = np.cumsum(starts) - 1
        self.number = np.empty_like(order)
        self.number[order] = self.ranks

    @classmethod
    def of(cls, keys: Ids) -> _Groups:
        order = np.argsort(keys, kind="stable")
        in_order = keys[order]
        starts = np.ones(len(keys), dtype=bool)
        starts[1:] = in_order[1:] != in_order[:-1]
        return cls(order, starts)

    def sums_before(self, flags: NDArray[np.bool_], *, shift: int = 0) -> Ids:
        """For each position, how many flags are set at earlier positions of the same group.

        shift: the groups are those of so many positions before, such as an n-gram's context.
        """
        if shift:
            # The group of position i is that of i - 1, so flags move back by one and sums forward again.
            return _before(self.sums_before(np.append(flags[1:], False)))
        in_order = flags[self.order]
        sums: Ids = np.cumsum(in_order) - in_order
        result = np.empty_like(self.order)
        result[self.order] = sums - sums[self.starts][self.ranks]
        return result


def _before(values: Ids) -> Ids:
    """values[i - 1] at i; the first stays."""
    return np.concatenate([values[:1], values[:-1]])


def _first_seen(groups: _Groups) -> NDArray[np.bool_]:
    """Where an n-gram occurs for the first time in the text."""
    first = np.zeros(len(groups.order), dtype=bool)
    first[groups.order[groups.starts]] = True
    return first


def _discounts(grams: _Groups, counted: NDArray[np.bool_]) -> tuple[float, float, float]:
    """For n-grams seen once, twice and more often, from the training text (Chen & Goodman 1999, equation 26)."""
    counts = np.bincount(grams.number[: len(counted)][counted])
    n1, n2, n3, n4 = (int((counts == seen).sum()) for seen in (1, 2, 3, 4))
    if not (n1 and n2 and n3):  # too short a text for an estimate
        return 0.5, 0.75, 0.9
    y = n1 / (n1 + 2 * n2)
    raw = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return tuple(min(max(value, 0.05), seen - 0.05) for seen, value in enumerate(raw, start=1))  # type: ignore[return-value]  # it has three
