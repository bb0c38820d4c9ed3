"""A text too long for memory is prepared once, in shards that are checked, found again and shared."""

from __future__ import annotations

import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hubcharlstm import Vocabulary
from tests.support.sharded import sharded
from training.data import shards
from training.data.corpus import Corpus, load_corpus
from training.data.encoded import TrainIds
from training.data.sharded_text import LineStarts, ShardedText
from training.data.shards import Manifest, ShardWriter
from training.data.splitting import line_starts

ROOT = Path(__file__).parents[3]
PREPARE = """
import sys
from pathlib import Path
from training.data import corpus, shards
corpus.IN_MEMORY_CHARS, shards.SHARD_CHARS = 1000, int(sys.argv[3])
loaded = corpus.load_corpus(sys.argv[1], store=Path(sys.argv[2]))
print(loaded.sha256, len(loaded.train))
"""


def words(seed: int, count: int, alphabet: str = "abcdéfg🐍") -> str:
    draw = random.Random(seed)
    text = ["".join(draw.choices(alphabet, k=draw.randint(1, 7))) + draw.choice("    \n") for _ in range(count)]
    return "".join(text)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long is what has more than 1,000 characters, and a shard ends after 2,000."""
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 1000)
    monkeypatch.setattr(shards, "SHARD_CHARS", 2000)
    monkeypatch.setattr("training.data.sources.BLOCK_BYTES", 512)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Several files, one of them empty and one that is no text."""
    folder = tmp_path / "books"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(words(number, 400) if number != 2 else "", encoding="utf-8")
    (folder / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\1" * 50)
    return folder


def manifests(store: Path) -> list[Manifest]:
    found = [Manifest.load(path.parent) for path in sorted(store.rglob("manifest.json"))]
    return [manifest for manifest in found if manifest is not None]


def same(one: Corpus, other: Corpus) -> bool:
    """Whether two corpora are; a text in memory has a checksum of another kind than one in shards."""
    assert one.train[:] == other.train[:]
    checksums = one.chunk_checksums() == other.chunk_checksums()
    return checksums and (one.held_out, one.warnings, one.chars) == (other.held_out, other.warnings, other.chars)


@pytest.mark.usefixtures("small")
def test_a_second_run_finds_the_shards_and_opens_no_file(folder: Path, tmp_path: Path) -> None:
    first = load_corpus(str(folder), store=tmp_path / "shards")
    assert isinstance(first.train, ShardedText) and len(manifests(tmp_path / "shards")[0].shards) > 3
    for file in folder.iterdir():
        times = file.stat()
        file.write_bytes(b"?" * times.st_size)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    second = load_corpus(str(folder), store=tmp_path / "shards")
    assert same(first, second) and first.sha256 == second.sha256
    assert second.file_stats == first.file_stats and second.file_starts == first.file_starts


@pytest.mark.usefixtures("small")
def test_a_source_that_has_changed_is_told_and_prepared_again(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = load_corpus(str(folder), store=tmp_path / "shards")
    (folder / "1.txt").write_text(words(9, 500), encoding="utf-8")
    second = load_corpus(str(folder), store=tmp_path / "shards")
    assert "has changed since it was prepared" in caplog.text
    assert second.sha256 != first.sha256
    assert len(manifests(tmp_path / "shards")) == 1  # the old shards are gone


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("min_count", [1, 40])
def test_preparation_goes_on_where_it_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, min_count: int
) -> None:
    """Stopped after each shard in turn; with rare characters, which are substituted shard by shard afterwards."""
    caplog.set_level(logging.INFO)
    (folder / "4.txt").write_text(words(4, 400) + "жжж " * 9, encoding="utf-8")
    whole = load_corpus(str(folder), store=tmp_path / "whole", min_count=min_count)
    end_shard = ShardWriter.end_shard

    def stop(writer: ShardWriter) -> None:
        end_shard(writer)
        raise KeyboardInterrupt

    stops = 0
    for _ in range(100):
        monkeypatch.setattr(ShardWriter, "end_shard", stop)
        with pytest.raises(KeyboardInterrupt):
            load_corpus(str(folder), store=tmp_path / "shards", min_count=min_count)
        monkeypatch.setattr(ShardWriter, "end_shard", end_shard)
        stops += 1
        found = manifests(tmp_path / "shards")
        if len(found) == (2 if min_count > 1 else 1) and found[-1].length > 0.8 * len(whole.train):
            break
    assert stops > 3 and "goes on after" in caplog.text
    resumed = load_corpus(str(folder), store=tmp_path / "shards", min_count=min_count)
    assert same(whole, resumed) and whole.sha256 == resumed.sha256 and resumed.file_starts == whole.file_starts
    assert resumed.file_stats == whole.file_stats
    if min_count > 1:
        assert "ж" not in resumed.chars
        assert not list((tmp_path / "shards").glob("*/shard-*")), "the shards before the substitution are deleted"


@pytest.mark.parametrize("empty", [(2,), (0, 2), (0, 1, 2)])
def test_files_begin_in_shards_where_they_do_in_memory(
    folder: Path, tmp_path: Path, request: pytest.FixtureRequest, empty: tuple[int, ...]
) -> None:
    """A file without text had no beginning there, so that the note on what is held out named other files."""
    for number in empty:
        (folder / f"{number}.txt").write_text("", encoding="utf-8")
    one = load_corpus(str(folder), val_place="end")
    request.getfixturevalue("small")
    other = load_corpus(str(folder), val_place="end", store=tmp_path / "shards")
    assert isinstance(other.train, ShardedText) and same(one, other)
    assert len(one.file_starts) == 6 and other.file_starts == one.file_starts


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_what_the_next_one_needs(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(words(1, 20_000) * 60, encoding="utf-8")
    command = [sys.executable, "-c", PREPARE, str(tmp_path / "long.txt")]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.Popen([*command, str(tmp_path / "shards"), "100000"], env=environment)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "shards").glob("*/shard-00005.ids")) and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [stopped] = manifests(tmp_path / "shards")
    assert len(stopped.shards) > 3 and not stopped.is_complete
    printed = [
        subprocess.run([*command, str(store), "100000"], env=environment, capture_output=True, text=True, check=True)
        for store in (tmp_path / "shards", tmp_path / "other")
    ]
    assert printed[0].stdout == printed[1].stdout


@pytest.mark.slow
def test_processes_that_begin_together_prepare_a_text_once(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(words(1, 20_000) * 20, encoding="utf-8")
    command = [sys.executable, "-c", PREPARE, str(tmp_path / "long.txt"), str(tmp_path / "shards"), "100000"]
    processes = [
        subprocess.Popen(command, env=dict(os.environ, PYTHONPATH=str(ROOT)), stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = {process.communicate(timeout=120)[0] for process in processes}
    assert len(printed) == 1 and len(printed.pop().split()) == 2
    [manifest] = manifests(tmp_path / "shards")
    assert manifest.is_complete and sum(shard.length for shard in manifest.shards) == manifest.length


@pytest.mark.usefixtures("small")
def test_a_flipped_byte_is_named_and_refused(folder: Path, tmp_path: Path) -> None:
    load_corpus(str(folder), store=tmp_path / "shards")
    damaged = sorted((tmp_path / "shards").rglob("shard-*.ids"))[2]
    flip(damaged)
    with pytest.raises(ValueError, match=r"The shard .*shard-00002\.ids is damaged .*; expected .*delete the folder"):
        load_corpus(str(folder), store=tmp_path / "shards")
    damaged.unlink()
    with pytest.raises(ValueError, match=r"shard-00002\.ids is damaged \(it is missing\)"):
        load_corpus(str(folder), store=tmp_path / "shards")


def test_a_process_maps_the_shards_of_its_own_part_alone(tmp_path: Path) -> None:
    """So the damage of another part is the business of the process that needs it."""
    text = words(1, 500)
    part = sharded(text, tmp_path)
    ids = TrainIds(part, Vocabulary(part.chars))
    flip(sorted(tmp_path.glob("shard-*.ids"))[-2])
    first_rows = np.arange(0, len(text) // 2, 50)[None]
    assert ids[first_rows].shape == first_rows.shape and part[: len(text) // 2] == text[: len(text) // 2]
    assert max(part._shards._mapped) <= len(part._shards.infos) // 2 + 1
    with pytest.raises(ValueError, match="is damaged"):
        ids[first_rows + len(text) // 2]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_ids_grow_wider_where_a_text_has_more_kinds_of_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 600)))
    text = words(1, 1500) + "".join(f"{char}{char}\n" for char in many) + words(2, 1500)
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    one = load_corpus(str(tmp_path / "long.txt"), min_count=1)
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 1000)
    monkeypatch.setattr("training.data.sources.BLOCK_BYTES", 512)
    other = load_corpus(str(tmp_path / "long.txt"), min_count=1, store=tmp_path / "shards")
    assert same(one, other)
    assert [shard.dtype for shard in manifests(tmp_path / "shards")[0].shards] == ["uint8", "uint16"]
    rare = load_corpus(str(tmp_path / "long.txt"), store=tmp_path / "rare")  # those that occur twice are dropped
    monkeypatch.undo()
    assert same(load_corpus(str(tmp_path / "long.txt")), rare)


@pytest.mark.parametrize("text", ["ab\n\ncd\n", "\n\n\na", "a", "a\n" * 50, "\n" * 250 + "b\nc", words(3, 300)])
def test_lines_of_shards_are_those_of_the_text(tmp_path: Path, text: str) -> None:
    for shard_chars, block_chars in ((1, 1), (5, 3), (100, 100)):
        part = sharded(text, tmp_path / f"{shard_chars}", shard_chars=shard_chars, block_chars=block_chars)
        shown = "".join(sorted(set(text), reverse=True)) + text  # what the writer of the tests puts before it
        starts = LineStarts(part._shards, "".join(part.chars).find("\n"))
        expected = line_starts(shown)
        assert list(starts) == expected
        assert [starts.count_before(place) for place in range(len(shown) + 1)] == [
            sum(start < place for start in expected) for place in range(len(shown) + 1)
        ]


def test_ids_at_positions_are_those_of_slices(tmp_path: Path) -> None:
    text = words(5, 600)
    part = sharded(text, tmp_path, shard_chars=70)
    spans = [(3, 90), (90, 91), (200, 999), (1500, len(text))]
    some = ShardedText(
        part._shards, "".join(part.chars), [(a + len(part.chars), b + len(part.chars)) for a, b in spans]
    )
    expected = "".join(text[start:stop] for start, stop in spans)
    assert some[:] == expected and len(some) == len(expected)
    for start, stop in itertools.product((0, 86, 87, 88, 500), (0, 88, 87, 400, len(expected))):
        assert some[start:stop] == expected[start:stop]
    positions = np.random.default_rng(0).integers(0, len(expected), (7, 30))
    assert (some.ids[positions] == some.ids[:][positions]).all()
    with pytest.raises(IndexError):
        some.ids[np.array([len(expected)])]
