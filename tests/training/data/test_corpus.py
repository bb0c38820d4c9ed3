"""A file or folder becomes a text to train on and one that is held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.data.corpus import load_corpus, locate

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up. " * 12


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def test_a_file_is_cut_into_two_parts(tmp_path: Path) -> None:
    file = tmp_path / "my novel.v2.txt"
    file.write_text(PROSE, encoding="utf-8")
    corpus = load_corpus(str(file), val_fraction=0.25)
    assert corpus.train + corpus.held_out == PROSE
    assert len(corpus.held_out) == len(PROSE) // 4
    assert (corpus.name, corpus.title) == ("my-novel-v2", "my novel.v2.txt")  # the name can stand in a Hub id
    record = corpus.to_record()
    assert record["chars"] == record["train_chars"] + record["held_out_chars"] == len(PROSE)
    assert record["sha256"] == corpus.sha256


def test_the_hash_tells_texts_and_cuts_apart(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    hashes = set()
    for text, fraction in ((PROSE, 0.1), (PROSE, 0.2), (PROSE + "!", 0.1)):
        file.write_text(text, encoding="utf-8")
        hashes.add(load_corpus(str(file), val_fraction=fraction).sha256)
    assert len(hashes) == 3


def test_boms_and_line_ends_are_normalized(tmp_path: Path) -> None:
    file = tmp_path / "dos.txt"
    file.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbf" + PROSE.replace("\n", "\r\n").encode())
    assert load_corpus(str(file)).train == load_corpus(_written(tmp_path / "unix.txt", PROSE)).train
    file.write_bytes(PROSE.replace("\n", "\r").encode())
    assert load_corpus(str(file)).train == load_corpus(str(tmp_path / "unix.txt")).train


def test_a_folder_is_read_in_order_of_its_paths(tmp_path: Path) -> None:
    for name, text in {"b.txt": "two", "a/z.txt": "one", "c.md": "\ufeffthree", ".git/x": "no", "d/.x": "no"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        _written(tmp_path / name, text + text.lstrip("\ufeff") * 99)
    (tmp_path / "image.png").write_bytes(b"\x89PNG" + b"x" * 9000 + b"\0")
    corpus = load_corpus(str(tmp_path))
    assert corpus.train + corpus.held_out == "one" * 100 + "\n" + "two" * 100 + "\n" + "three" * 100
    assert corpus.warnings == ("left out 1 file that hold no text: image.png", "read 3 files")
    # Named in any way, an encoding does not make a picture text.
    assert load_corpus(str(tmp_path), encoding="utf8").sha256 == corpus.sha256
    assert "image.png" in load_corpus(str(tmp_path), encoding="latin-1").warnings[0]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"", "utf-8", r"has 0 characters; expected at least 200"),
        (b"x" * 199, "utf-8", r"has 199 characters; expected at least 200"),
        (b"caf\xe9 " * 100, "utf-8", r"0xe9 at offset 3, which is not utf-8; .*--encoding cp1252"),
        (b"abc" * 100 + b"\0", "utf-8", r"NUL byte at offset 300.*binary"),
        (b"abc" * 100 + b"\0", "latin-1", r"NUL byte at offset 300.*binary"),
        ("abc".encode("utf-16") * 100, "utf-8", r"UTF-16.*--encoding utf-16"),
        (b"abc" * 100, "utf-9", r"encoding 'utf-9' is unknown; expected one such as utf-8"),
        (b"abc" * 100, "hex", r"encoding 'hex' is unknown"),
        (b"\xff\xfe\x00\xd8a" * 100, "utf-16", r"at offset 2, which is not utf-16.*may be no text at all"),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(tmp_path: Path, content: bytes, encoding: str, message: str) -> None:
    (tmp_path / "file.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        load_corpus(str(tmp_path / "file.txt"), encoding=encoding)
    assert str(refused.value).count("\n") == 0


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for missing in (str(tmp_path / "no.txt"), "", "hamlet", "~nobody-of-this-name/x", "x" * 5000):
        with pytest.raises(ValueError, match=r"no file or folder .*macbeth, shakespeare"):
            load_corpus(missing)
    with pytest.raises(ValueError, match="holds no text file"):
        load_corpus(str(tmp_path))
    for fraction in (0.0, 0.6, -1.0, float("nan")):
        with pytest.raises(ValueError, match="val_fraction"):
            load_corpus("macbeth", val_fraction=fraction)


def test_a_name_is_a_corpus_and_a_path_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _written(tmp_path / "macbeth", PROSE)
    assert locate("macbeth") == "macbeth"
    assert locate("./macbeth") == str((tmp_path / "macbeth").resolve())


def test_rare_characters_are_left_out_aloud_and_only_where_there_are_many(tmp_path: Path) -> None:
    many = "".join(chr(0x4E00 + n) for n in range(1000)) * 3 + "é\u9fa5" + "e" * 10
    corpus = load_corpus(_written(tmp_path / "many.txt", many))
    assert corpus.train[:] + corpus.held_out == many.replace("é", "e").replace("\u9fa5", "")
    assert "2 of 1003 different characters occur fewer than 3 times (2 places in all)" in corpus.warnings[0]
    assert "é 龥" in corpus.warnings[0] and "--min-count 1 keeps them" in corpus.warnings[0]
    assert load_corpus(str(tmp_path / "many.txt"), min_count=1).warnings == ()
    assert load_corpus(_written(tmp_path / "few.txt", PROSE + "é")).warnings == ()
    with pytest.raises(ValueError, match="min_count is 0"):
        load_corpus(str(tmp_path / "few.txt"), min_count=0)


def test_a_text_of_one_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no character but line break; expected at least two different"):
        load_corpus(_written(tmp_path / "one.txt", "\r\n" * 500))


def test_the_difference_between_two_texts_is_described(tmp_path: Path) -> None:
    checksums = load_corpus(_written(tmp_path / "a.txt", PROSE * 3)).chunk_checksums()
    changed = load_corpus(_written(tmp_path / "a.txt", PROSE * 2 + PROSE.replace("Nobody", "NOBODY")))
    difference = changed.difference(checksums)
    assert (
        difference.startswith("it still has") and "differs first between the characters 2,048 and 2,304" in difference
    )
    assert "it had" in load_corpus(_written(tmp_path / "a.txt", PROSE * 3 + "!")).difference(checksums)
    end = load_corpus(_written(tmp_path / "a.txt", (PROSE * 3)[:-1] + "!"))
    assert end.difference(checksums).endswith("differs in its held-out part")


def test_a_pattern_names_the_files_that_match_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden.txt", "d.md"):
        (tmp_path / "books" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "books" / name).write_text(f"{name} {PROSE}")
    located = locate(str(tmp_path / "books" / "*.txt"))
    corpus = load_corpus(located, val_place="end")
    assert (corpus.name, corpus.title) == ("books", "books")
    assert corpus.file_stats is not None and corpus.file_stats.names == ["a.txt", "b.txt"]
    deep = load_corpus(str(tmp_path / "books" / "**" / "*.txt"), val_place="end")
    assert deep.file_stats is not None and deep.file_stats.names == ["a.txt", "b.txt", "sub/c.txt"]
    with pytest.raises(ValueError, match=r"No file matches the pattern '.*\.csv'; expected at least one"):
        locate(str(tmp_path / "books" / "*.csv"))
    (tmp_path / "books" / "[1].txt").write_text(PROSE)
    assert load_corpus(str(tmp_path / "books" / "[1].txt")).title == "[1].txt"  # a name that is there is no pattern
