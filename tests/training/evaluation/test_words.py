"""Real words and others."""

from __future__ import annotations

import pytest

from training.evaluation import memorization
from training.evaluation.memorization import known_words


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
