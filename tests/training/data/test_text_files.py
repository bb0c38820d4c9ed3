"""Files in blocks: long, gzipped, in other encodings."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest

from hubcharlstm import Vocabulary
from hubcharlstm.vocabulary import normalize
from training.data import sources
from training.data.corpus import load_corpus
from training.data.encoded import TrainIds
from training.data.sharded_text import ShardedText
from training.data.text_files import FileStats, load_text

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up. " * 12


@pytest.fixture
def long_text(tmp_path: Path) -> Path:
    text = "".join(f"Zeile {n}: süß 🐍\r\n\tund e\u0301in Rest ohne Ende\r" for n in range(3000))
    (tmp_path / "long.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    return tmp_path / "long.txt"


@pytest.mark.parametrize("block_bytes", [7, 64, 2**20])
def test_a_text_read_in_blocks_is_the_text_read_at_once(
    long_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    """A block may end within a character, a line end or a letter and its accent."""
    whole = normalize(long_text.read_bytes().decode())
    monkeypatch.setattr(sources, "BLOCK_BYTES", block_bytes)
    corpus = load_corpus(str(long_text))
    assert corpus.train[:] + corpus.held_out == whole
    assert corpus.file_stats is not None
    assert (corpus.file_stats.crlf, corpus.file_stats.cr, corpus.file_stats.num_boms) == (3000, 3000, 1)


def test_a_text_too_long_for_memory_is_the_same_corpus(
    long_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = load_corpus(str(long_text), min_count=4)
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 1000)
    other = load_corpus(str(long_text), min_count=4, store=tmp_path / "shards")
    assert isinstance(other.train, ShardedText) and isinstance(one.train, str)
    assert other.train[:] == one.train and other.held_out == one.held_out
    assert (other.chars, other.chunk_checksums(), other.warnings) == (one.chars, one.chunk_checksums(), one.warnings)
    assert other.train.ids.dtype == "uint8"
    for vocabulary in (Vocabulary(one.chars), Vocabulary([*reversed(one.chars), "ж"])):
        a, b = TrainIds(one.train, vocabulary), TrainIds(other.train, vocabulary)
        assert (a[:] == b[:]).all() and len(a) == len(b) == len(one.train)


def test_a_gzipped_file_is_unpacked_and_a_damaged_one_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(PROSE.encode()))
    corpus = load_corpus(str(tmp_path / "a.txt.gz"))
    assert corpus.train[:] + corpus.held_out == PROSE
    assert corpus.name == "a" and corpus.file_stats is not None and corpus.file_stats.compressed == {"gzip": 1}
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(PROSE.encode())[:-20])
    with pytest.raises(ValueError, match=r"is a damaged gzip file .*pack it again"):
        load_corpus(str(tmp_path / "a.txt.gz"))


@pytest.mark.parametrize("encoding", ["utf-16", "UTF8", "latin-1", "utf-32", "cp1252"])
def test_other_encodings_are_read_when_named(tmp_path: Path, encoding: str) -> None:
    text = "Où est le café ? " * 20
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert load_text(tmp_path / "a.txt", encoding) == text


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that even its owner cannot read")
def test_an_unreadable_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"/proc/self/mem cannot be read \(.*\); expected a text file"):
        load_text(Path("/proc/self/mem"))


def test_a_copy_of_what_files_contain_stays_as_it_is() -> None:
    """The manifest of a shard says what the files before it gave."""
    stats = FileStats("utf-8", names=["a"], kinds=Counter(["CSV"]))
    before = stats.copied()
    stats.names.append("b")
    stats.kinds["CSV"] += 1
    stats.encodings["b"] = "latin-1"
    assert before == FileStats("utf-8", names=["a"], kinds=Counter(["CSV"])) != stats
