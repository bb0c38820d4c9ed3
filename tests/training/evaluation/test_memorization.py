"""Shares of copied n-grams, against counting in a set; sketches; known words."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.support.sharded import sharded
from training.evaluation import memorization
from training.evaluation.memorization import bottom_k_sketch, copied_shares, known_words, ngram_hashes, sketch_overlap


def words(seed: int, count: int) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdéfg🐍", k=draw.randint(1, 7))) for _ in range(count))


@pytest.mark.parametrize("block", [97, 4_000_000])
def test_shares_are_those_that_a_set_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(memorization, "BLOCK", block)
    source = words(1, 400)
    texts = [words(2, 50) + source[100:200] + words(3, 20), source[500:530], "short"]
    for source_text in (source, sharded(source, tmp_path)):
        found = copied_shares(texts, source_text)
        for length in (20, 40, 80):
            runs = [text[i : i + length] for text in texts for i in range(len(text) - length + 1)]
            assert found[str(length)] == pytest.approx(sum(run in source for run in runs) / len(runs), abs=1e-6)
    assert copied_shares(["short"], source) == {}


def test_hashes_tell_runs_apart_wherever_they_stand() -> None:
    text = words(4, 3000)
    hashes = ngram_hashes(text, 20)
    runs = [text[i : i + 20] for i in range(len(text) - 19)]
    assert len(np.unique(hashes)) == len(set(runs))
    assert len({(run, int(value)) for run, value in zip(runs, hashes, strict=True)}) == len(set(runs))


def test_a_sketch_knows_how_much_of_a_text_it_has_seen() -> None:
    source, other = words(5, 6000), words(6, 6000)
    known = bottom_k_sketch(source)
    assert len(known) == 256
    assert sketch_overlap(source, known) == 1.0
    assert sketch_overlap(other, known) == 0.0
    half = sketch_overlap(source[: len(source) // 2] + other[: len(source) // 2], known)
    assert half == pytest.approx(0.5, abs=0.15)
    assert sketch_overlap("x" * 39, known) is None
    for nonsense in (None, 7, "", [], ["xyz"], [None], [-1], [2**70]):
        assert sketch_overlap(source, nonsense) is None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("The dog, the DOG!", 1.0),
        ("The dog and a dogg.", 3 / 5),
        ("'tis o'er, o\u2019er; don't", 2 / 4),
        ("12 34 __", None),
        ("", None),
    ],
)
def test_words_are_runs_of_letters_whatever_their_case(text: str, share: float | None) -> None:
    assert known_words(text, "Tis the dog AND nothing o'er.") == (share if share is None else pytest.approx(share))


def test_no_word_is_missed_where_the_source_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memorization, "BLOCK", 7)
    source = " ".join(f"word{'abcdefghij'[n % 10]}{'klmnopqrst'[n // 10]}" for n in range(100))
    assert known_words(source, source) == 1.0
    assert known_words("wordzz", source) == 0.0
