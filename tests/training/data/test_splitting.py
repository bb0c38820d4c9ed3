"""What is held out is like the text: lines of a list, whole files, blocks, the end, or a file of one's own."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from training.data.checksums import split_at_record
from training.data.corpus import Corpus, load_corpus
from training.data.examples import suggest
from training.data.rare_characters import RareCharacters
from training.data.records import is_list
from training.data.sharded_text import ShardedText
from training.data.similarity import likeness
from training.data.splitting import Split, line_starts

SAILORS = "the old sailor crossed a quiet river and mended his silver lantern beside her garden in winter"
WORDS = SAILORS.split(" ")


def prose(seed: int, length: int) -> str:
    draw = random.Random(seed)
    lines = []
    while sum(map(len, lines)) < length:
        lines.append(" ".join(draw.choices(WORDS, k=9)).capitalize() + ".\n")
    return "".join(lines)


def names(count: int) -> str:
    draw = random.Random(0)

    def name() -> str:
        return "".join(draw.choice("bdfgklmnprst") + draw.choice("aeiou") for _ in range(draw.randint(2, 4)))

    return "".join(f"{name}\n" for name in sorted({name().capitalize() for _ in range(count)}))


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def record_again(text: str, corpus: Corpus) -> tuple[str, str] | None:
    return split_at_record(text, corpus.to_record(), corpus.file_starts)


def test_a_sorted_list_holds_out_names_of_every_letter(tmp_path: Path) -> None:
    """Its end is the letters T to Z: told 2.43, truly 1.93, and the weights that were kept were the wrong ones."""
    text = names(3000)
    corpus = load_corpus(write(tmp_path / "names.txt", text))
    assert corpus.split == Split("lines", 0.1)
    assert {name[0] for name in corpus.held_out.split()} == {name[0] for name in text.split()}
    assert sorted((corpus.train[:] + corpus.held_out).split()) == text.split()
    assert 0.07 < len(corpus.held_out) / len(text) < 0.13
    assert "lines spread over the text" in corpus.held_out_note
    assert any("the lines of the text are sorted" in note for note in corpus.warnings)
    assert record_again(text, corpus) == (corpus.train, corpus.held_out)


def test_the_end_is_held_out_exactly_as_before_where_it_is_asked_for(tmp_path: Path) -> None:
    text = names(3000)
    corpus = load_corpus(write(tmp_path / "names.txt", text), val_place="end")
    cut = len(text) - int(len(text) * 0.1)
    assert (corpus.train, corpus.held_out) == (text[:cut], text[cut:])


def test_prose_holds_out_its_end(tmp_path: Path) -> None:
    text = prose(1, 20_000)
    corpus = load_corpus(write(tmp_path / "a.txt", text))
    assert corpus.train[:] + corpus.held_out == text and corpus.warnings == ()


def test_an_end_that_is_unlike_the_rest_makes_the_held_out_part_spread(tmp_path: Path) -> None:
    """An index, a license or a glossary at the end of a book."""
    index = "".join(f"Xerxes, {n}; Ypsilon, {n + 7}; Zweig {n * 3}-{n * 3 + 2}\n" for n in range(200))
    text = prose(2, 50_000) + index
    corpus = load_corpus(write(tmp_path / "a.txt", text))
    assert corpus.split is not None and corpus.split.kind == "blocks"
    assert any("the end of the text is unlike the rest" in note for note in corpus.warnings)
    assert not corpus.held_out.startswith("Xerxes") and corpus.held_out.count("\n") == len(corpus.held_out.splitlines())
    assert sorted((corpus.train[:] + corpus.held_out).splitlines()) == sorted(text.splitlines())
    assert record_again(text, corpus) == (corpus.train, corpus.held_out)
    at_end = load_corpus(str(tmp_path / "a.txt"), val_place="end")
    assert any("what is held out is unlike the rest" in note for note in at_end.warnings)


def test_whole_files_of_a_folder_are_held_out_and_named(tmp_path: Path) -> None:
    for n in range(30):
        write(tmp_path / f"file{n:02}.py", f"def f{n}():\n    return {n}\n" * (5 + n % 7))
    corpus = load_corpus(str(tmp_path))
    assert corpus.split is not None and corpus.split.kind == "files"
    assert "files (file" in corpus.held_out_note
    named = corpus.held_out_note.split("(")[1].split(")")[0].split(", ")
    assert all(f"def f{int(name[4:6])}():" in corpus.held_out for name in named)
    assert all(f"def f{int(name[4:6])}():" not in corpus.train for name in named)
    whole = load_corpus(str(tmp_path), val_place="end")
    assert record_again(whole.train[:] + whole.held_out, corpus) == (corpus.train, corpus.held_out)


def test_whole_modules_of_a_small_program_are_held_out(tmp_path: Path) -> None:
    """The end of the last module was held out, whose one function gave the only example that begins something."""
    for n, size in enumerate((40, 4, 30, 1)):
        body = "".join(f"def work{n}_{m}(x):\n    return x + {m}\n\n\n" for m in range(size))
        write(tmp_path / f"module{n}.py", body + "import os\n\nfor each in os.environ:\n    print(each)\n" * 3)
    corpus = load_corpus(str(tmp_path))
    assert corpus.split is not None and corpus.split.kind == "files" and "module1.py" in corpus.held_out_note
    assert all(example.startswith("def work") for example in suggest(corpus).examples)


def test_a_file_of_ones_own_is_held_out_whole(tmp_path: Path) -> None:
    text, other = prose(1, 5000), prose(9, 900) + "Ωmega.\n"
    corpus = load_corpus(write(tmp_path / "a.txt", text), val=write(tmp_path / "b.txt", other))
    assert (corpus.train, corpus.held_out, corpus.split) == (text, other, None)
    assert "Ω" in corpus.chars and "the whole of b.txt" in corpus.held_out_note
    with pytest.raises(ValueError, match=r"There is no file or folder 'none\.txt'"):
        load_corpus(str(tmp_path / "a.txt"), val="none.txt")


@pytest.mark.parametrize("kind", ["names", "spread", "files"])
def test_a_text_too_long_for_memory_is_split_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, place = str(tmp_path / "a.txt"), "spread"
    if kind == "files":
        source = str(tmp_path / "folder")
        (tmp_path / "folder").mkdir()
        for n in range(25):
            write(tmp_path / "folder" / f"{n}.txt", prose(n, 800) + "ж" * (n == 3))
    else:
        write(tmp_path / "a.txt", (names(2000) if kind == "names" else prose(3, 30_000)) + "Ж\n")
    one = load_corpus(source, val_place=place, min_count=2)
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 1000)
    other = load_corpus(source, val_place=place, min_count=2, store=tmp_path / "shards")
    assert isinstance(other.train, ShardedText)
    assert (other.train[:], other.held_out, other.split) == (one.train, one.held_out, one.split)
    assert other.chunk_checksums() == one.chunk_checksums()


def test_spans_lie_apart_and_in_order_for_every_kind_and_length() -> None:
    for length in (1000, 50_000):
        text = prose(length, length)
        for kind in ("end", "blocks", "lines", "files"):
            spans = Split(kind, 0.1).spans(len(text), line_starts(text))
            flat = [place for span in spans for place in span]
            assert flat == sorted(flat) and all(start < end <= len(text) for start, end in spans)
            assert 0.02 < sum(end - start for start, end in spans) / len(text) < 0.25, (length, kind)


def test_records_of_a_split_are_checked() -> None:
    record = Split("blocks", 0.2, 7).to_record()
    assert Split.from_record(record) == Split("blocks", 0.2, 7)
    for wrong in (None, {}, record | {"kind": "middle"}, record | {"val_fraction": 9.0}, record | {"num_blocks": 0}):
        assert Split.from_record(wrong) is None


def test_lists_are_told_from_verse_and_code() -> None:
    assert is_list(names(500))
    verse = "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate,\n" * 100
    code = "def f(x):\n    return x + 1\n" * 100
    dna = "".join(f"{word * 15}\n"[:61] for word in ("ACGT", "CGTA", "GTAC", "TTAC") * 50)
    assert not is_list(verse) and not is_list(code) and not is_list(prose(1, 20_000)) and not is_list(dna)


def test_likeness_is_silent_about_short_texts_and_like_ones() -> None:
    assert likeness("ab" * 50, "ab" * 50) is None
    like = likeness(prose(1, 40_000), prose(2, 4000))
    assert like is not None and not like.differs and abs(like.part - like.usual) < 0.05


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def rare(text: str, min_count: int) -> RareCharacters:
    return RareCharacters.of(Counter(text), min_count)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a {FAMILY} b", "a  b"),  # the girl is rare: no couple is left in her family's place
        ("flag \U0001f1eb\U0001f1f7 \U0001f1eb\U0001f1eb", "flag  \U0001f1eb\U0001f1eb"),
        ("wave \U0001f44b\U0001f3fd \U0001f44b", "wave  \U0001f44b"),
        ("heart \u2764\ufe0f x", "heart  x"),
    ],
)
def test_no_half_of_a_sequence_is_left(text: str, expected: str) -> None:
    common = "abcdefghijklmnopqrstuvwxyz " * 3 + "\u200d\ufe0f\U0001f468\U0001f469\U0001f1eb\U0001f44b" * 3
    assert rare(common + text, 3).substitute(text) == expected


def test_accents_go_with_a_base_that_is_left_out() -> None:
    text = "abcabcabc x\u0301x\u0301x\u0301 \u0915\u0301"
    assert rare(text, 2).substitute(text).endswith("x\u0301 ")


def test_substituted_characters_stay_in_the_vocabulary() -> None:
    text = "abc abc abc é"
    found = rare(text, 2)
    assert found.substitute(text) == "abc abc abc " and "é" in found.note
