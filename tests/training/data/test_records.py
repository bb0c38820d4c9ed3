"""Lists, sorted entries and records are told from verse, DNA and prose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from training.data.corpus import load_corpus
from training.data.records import has_fields, has_sorted_lines, has_sorted_paragraphs, is_list

DRAW = random.Random(0)


def word(length: int) -> str:
    return "".join(DRAW.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(length))


NAMES = sorted({word(DRAW.randrange(3, 9)) for _ in range(400)})
SAME_LENGTH = sorted({word(6) for _ in range(400)})
DNA = ["".join(DRAW.choice("ACGT") for _ in range(70)) for _ in range(300)]
VERSE = [" ".join(word(DRAW.randrange(2, 7)) for _ in range(6)) + DRAW.choice([",", ".", ";"]) for _ in range(300)]
ENTRIES = [f"{name}\nwhat {name} means, in some words\n" for name in NAMES]
FIELDS = [f"name: {word(5)}\ncity: {word(7)}\nage: {DRAW.randrange(90)}" for _ in range(150)]


@pytest.mark.parametrize(("lines", "expected"), [(NAMES, True), (SAME_LENGTH, True), (DNA, False), (VERSE, False)])
def test_a_list_is_told_from_dna_and_verse(lines: list[str], expected: bool) -> None:
    """Sorted names of one length passed for a wrapped record, and their end was held out."""
    assert is_list("\n".join(lines)) is expected


def test_sorted_entries_are_told_whatever_their_order() -> None:
    shuffled = DRAW.sample(NAMES, len(NAMES))
    assert has_sorted_lines("\n".join(NAMES)) and has_sorted_lines("\n".join(reversed(NAMES)))
    assert has_sorted_lines("\n".join(name.upper() if n % 2 else name for n, name in enumerate(NAMES)))
    assert not has_sorted_lines("\n".join(shuffled)) and not has_sorted_lines("\n".join(VERSE))
    assert has_sorted_paragraphs("\n".join(ENTRIES)) and not has_sorted_lines("\n".join(ENTRIES))


def test_one_line_repeated_is_not_sorted() -> None:
    assert not has_sorted_lines("a line\n" * 40 + "".join(f"{letter} line\n" for letter in "bcdef"))


def test_fields_of_records_are_told_from_entries() -> None:
    assert has_fields("\n".join(FIELDS)) and not has_fields("\n".join(NAMES))


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("\n".join(SAME_LENGTH), "lines", "the lines of the text are sorted"),
        ("\n".join(DRAW.sample(NAMES, len(NAMES))), "lines", "the text is a list"),
        ("\n".join(ENTRIES), "blocks", "the entries of the text are sorted"),
        ("\n".join(FIELDS), "blocks", "records of several lines"),
        ("\n".join(VERSE), "end", ""),
    ],
    ids=["sorted", "list", "dictionary", "fields", "verse"],
)
def test_the_split_follows_the_kind_of_the_text(tmp_path: Path, text: str, kind: str, why: str) -> None:
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    corpus = load_corpus(str(tmp_path / "text.txt"))
    assert corpus.split is not None and corpus.split.kind == kind
    assert any(why in note for note in corpus.warnings) or not why


def test_a_table_holds_out_rows_from_all_over_it(tmp_path: Path) -> None:
    rows = "".join(f"{n},{' '.join(word(5) for _ in range(9))}\n" for n in range(200))
    (tmp_path / "table.csv").write_text("id,text\n" + rows, encoding="utf-8")
    corpus = load_corpus(str(tmp_path / "table.csv"))
    assert corpus.split is not None and corpus.split.kind in ("blocks", "lines")


def test_a_held_out_text_of_ones_own_must_not_be_trained_on(tmp_path: Path) -> None:
    """The whole of what is trained on could be held out, with a loss that means nothing."""
    (tmp_path / "mine").mkdir()
    for n in range(3):
        (tmp_path / "mine" / f"{n}.txt").write_text("\n".join(VERSE[n * 100 : n * 100 + 100]), encoding="utf-8")
    with pytest.raises(ValueError, match="lie in one another"):
        load_corpus(str(tmp_path / "mine"), val=str(tmp_path / "mine" / "1.txt"))
    (tmp_path / "copy.txt").write_text("\n".join(VERSE[50:80]) + "\nЖ", encoding="utf-8")
    corpus = load_corpus(str(tmp_path / "mine"), val=str(tmp_path / "copy.txt"))
    assert any("1 character of what is held out is not in the training text: Ж" in note for note in corpus.warnings)
    assert any("100 % of the lines that are held out are also in the training text" in w for w in corpus.warnings)
    with pytest.raises(ValueError, match="leave --val-place or --val out"):
        load_corpus(str(tmp_path / "mine"), val=str(tmp_path / "copy.txt"), val_place="end")
