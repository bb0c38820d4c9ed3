"""The fast Kneser-Ney gives what a slow one by the book gives; both baselines learn from what they were given."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from training.evaluation.baselines import (
    ADAPTIVE,
    KNESER_NEY,
    MAX_CHARS,
    ORDER,
    _discounts,
    _Grams,
    kneser_ney,
    number_to_beat,
    ppmd,
)

Counts = dict[tuple[int, ...], Counter[int]]


class Book:
    """The slow twin: counts in dictionaries, the recursion of Chen & Goodman's equation 25 in a loop."""

    def __init__(self, train: list[int], vocab_size: int, discounts: list[tuple[float, float, float]]) -> None:
        self.text, self.vocab_size, self.discounts = [train[0]] * ORDER, vocab_size, discounts
        self.counts: list[Counts] = [defaultdict(Counter) for _ in range(ORDER + 1)]
        self.seen: set[tuple[int, ...]] = set()
        for order in range(ORDER + 2):  # the n-grams of the padding alone are no evidence
            self.seen |= {tuple(self.text[i - order : i]) for i in range(order, ORDER + 1)}
        for new in train:
            self.learn(new)

    def learn(self, new: int) -> None:
        self.text.append(new)
        for order in range(1, ORDER + 1):
            gram = tuple(self.text[-order:])
            longer = tuple(self.text[-order - 1 :])
            if order == ORDER or longer not in self.seen:
                self.counts[order][gram[:-1]][new] += 1
        self.seen |= {tuple(self.text[-order:]) for order in range(1, ORDER + 1)}

    def probability(self, new: int) -> float:
        p = 1 / self.vocab_size
        for order in range(1, ORDER + 1):
            context = tuple(self.text[len(self.text) - order + 1 :])
            found = self.counts[order][context]
            if total := sum(found.values()):
                discount = (0.0, *self.discounts[order - 1])
                mass = sum(discount[min(count, 3)] for count in found.values())
                p = (max(found[new] - discount[min(found[new], 3)], 0.0) + mass * p) / total
        return p


def text(seed: int, length: int) -> list[int]:
    """Words drawn anew and again, so that all counts occur."""
    draw = random.Random(seed)
    words = [[draw.randrange(6) for _ in range(draw.randint(1, 5))] for _ in range(12)]
    return [new for _ in range(length) for new in draw.choice(words)][:length]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("adaptive", [False, True])
def test_kneser_ney_is_what_the_book_says(seed: int, adaptive: bool) -> None:
    ids = text(seed, 900)
    train, held_out = ids[:600], ids[600:]
    grams = _Grams(np.array(train, dtype=np.uint8), np.array(held_out, dtype=np.uint8), 7)
    discounts = []
    for order in range(1, ORDER + 1):
        counted = grams.first[order + 1].copy() if order < ORDER else np.ones(len(grams.first[0]), dtype=bool)
        counted[:ORDER] = False
        discounts.append(_discounts(grams.sorted[order], counted[: grams.cut]))
    book, expected = Book(train, 7, discounts), []
    for new in held_out:
        expected.append(book.probability(new))
        assert sum(book.probability(other) for other in range(7)) == pytest.approx(1.0)
        if adaptive:
            book.learn(new)
        else:
            book.text.append(new)
    found = kneser_ney(np.array(train), np.array(held_out), 7, adaptive=adaptive)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_discounts_are_those_of_equation_26() -> None:
    """A text whose single characters occur 1, 1, 1, 2, 2, 3 and 4 times: Y = 3 / (3 + 4)."""
    ids = np.array([int(digit) for digit in "01233445556666"])
    grams = _Grams(ids, ids[:1], 7)
    counted = np.ones(len(grams.first[0]), dtype=bool)
    counted[:ORDER] = False
    y = 3 / 7
    expected = (1 - 2 * y * 2 / 3, 2 - 3 * y * 1 / 2, 3 - 4 * y * 1)
    assert _discounts(grams.sorted[1], counted[: grams.cut]) == pytest.approx(expected)
    assert _discounts(grams.sorted[1], counted[: ORDER + 2]) == (0.5, 0.75, 0.9)  # nothing occurs twice


def test_what_comes_later_in_the_held_out_text_changes_nothing_before_it() -> None:
    train, one, other = np.array(text(1, 400)), np.array(text(2, 100)), np.array(text(3, 100))
    for adaptive in (False, True):
        a = kneser_ney(train, np.concatenate([one, one]), 7, adaptive=adaptive)
        b = kneser_ney(train, np.concatenate([one, other]), 7, adaptive=adaptive)
        np.testing.assert_allclose(a[:100], b[:100], rtol=1e-12)
    assert -np.log(kneser_ney(train, np.tile(one, 9), 7, adaptive=True)[-100:]).mean() < 0.5


def test_a_text_of_many_characters_or_almost_none() -> None:
    rare = np.arange(3000) % 1500
    found = number_to_beat(rare[:2000], rare[2000:], 1500)
    assert set(found) == {KNESER_NEY, ADAPTIVE}
    assert 0 < found[KNESER_NEY]["nats"] < math.log(1500)
    assert number_to_beat(np.zeros(50), np.zeros(10), 2)[KNESER_NEY]["nats"] < 0.2
    assert MAX_CHARS >= 1_000_000


def test_ppmd_has_read_the_training_text() -> None:
    words = "".join("abcdef"[n] for n in text(5, 6000))
    assert ppmd(words, words[:500])["nats"] < 0.75 * ppmd("x" * 100, words[:500])["nats"]
    assert ppmd("é" * 1000 + words, words[:500])["seconds"] >= 0
