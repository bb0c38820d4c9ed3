"""A title for people from any record, and names as one writes them in a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from hubcharlstm.hub.titles import display_title, proper_name, subject


def record(title: str) -> dict[str, Any]:
    counts = {"sha256": "0", "chars": 9, "train_chars": 9, "held_out": "-"}
    return {"name": "charlstm-x", "corpus": {"name": "x", "title": title, **counts}}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("the plays of Shakespeare", "Shakespeare"),
        ("The Complete Works of Jane Austen", "Jane Austen"),
        ("Shakespeare's Macbeth", "Shakespeare's Macbeth"),
        ("my-notes.txt", "My notes"),
        ("chat_export.json.gz", "Chat export.json"),
        ("дневник.txt", "Дневник"),
        ("plays of", "Plays of"),
        ("x" * 100, "X" + "x" * 58 + "…"),
    ],
)
def test_the_subject_of_a_record(title: str, expected: str) -> None:
    assert subject(record(title), "label") == expected


def test_a_record_without_a_corpus_has_its_name_or_its_label() -> None:
    assert display_title({"name": "charlstm-mine"}, "label") == "Mine, one letter at a time"
    assert display_title({}, "shipped model") == "Shipped model, one letter at a time"
    assert display_title({"corpus": 7, "name": []}, "user/model") == "User/model, one letter at a time"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("HAMLET", "Hamlet"),
        ("PRINCE HENRY", "Prince Henry"),
        ("KING HENRY VI", "King Henry VI"),
        ("DUKE OF YORK", "Duke of York"),
        ("MACBETH'S WIFE", "Macbeth's Wife"),
        ("Clown", "Clown"),
        ("bob", "bob"),
        ("X", "X"),
        ("IRÈNE", "Irène"),
        ("哈姆雷特", "哈姆雷特"),
        ("", ""),
    ],
)
def test_a_name_as_in_a_sentence(name: str, expected: str) -> None:
    assert proper_name(name) == expected
