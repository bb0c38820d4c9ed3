"""Files that are not plain text: compressed, zipped, subtitles, JSON lines, CSV, chat exports in JSON, books."""

from __future__ import annotations

import bz2
import json
import lzma
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow
import pytest
import zstandard
from pyarrow import parquet

from training.data import sources
from training.data.corpus import Corpus, load_corpus
from training.data.splitting import Split

PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up.\n" * 12


def whole(corpus: Corpus) -> str:
    return corpus.train[:] + corpus.held_out


def load(path: Path, **options: str) -> str:
    return whole(load_corpus(str(path), val_place="end", text_column=options.get("text_column")))


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstandard.ZstdCompressor(write_checksum=True).compress)],
)
def test_compressed_files_are_read_and_damaged_ones_refused(tmp_path: Path, suffix: str, compress: object) -> None:
    data = compress(PROSE.encode())  # type: ignore[operator]
    (tmp_path / f"a.txt.{suffix}").write_bytes(data)
    assert load(tmp_path / f"a.txt.{suffix}") == PROSE
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    for damaged in (data[:-20], bytes(flipped)):
        (tmp_path / f"a.txt.{suffix}").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.txt\.\w+ is a damaged \w+ file \(.+\); expected a whole one"):
            load(tmp_path / f"a.txt.{suffix}")


def test_a_zstd_file_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    """One that is cut was read as far as it went, without a word, and a damaged one ended in a traceback."""
    texts = [f"Part {n}. " * 40_000 for n in range(3)]
    frames = [zstandard.compress(text.encode()) for text in texts]
    (tmp_path / "a.txt.zst").write_bytes(b"".join(frames))
    assert load(tmp_path / "a.txt.zst") == "".join(texts)
    (tmp_path / "a.txt.zst").write_bytes(b"".join(frames[:2]) + frames[2][:9])
    with pytest.raises(ValueError, match="it ends within a frame"):
        load(tmp_path / "a.txt.zst")


def test_zstd_without_its_package_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    (tmp_path / "a.zst").write_bytes(zstandard.compress(PROSE.encode()))
    with pytest.raises(ValueError, match=r"zstandard is not installed; .*unpack it, or run `pip install zstandard`"):
        load(tmp_path / "a.zst")


def test_a_zip_archive_is_read_like_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "texts.zip", "w") as archive:
        archive.writestr("b/two.txt", "Second.\n" * 30)
        archive.writestr("a/one.txt", "First.\n" * 30)
        archive.writestr("picture.png", b"\x89PNG\r\n\0\0")
        archive.writestr("__MACOSX/a/._one.txt", b"\0\1")
    corpus = load_corpus(str(tmp_path / "texts.zip"))
    assert whole(corpus) == "First.\n" * 30 + "\n" + "Second.\n" * 30
    assert any("picture.png" in note for note in corpus.warnings) and corpus.name == "texts"
    (tmp_path / "texts.zip").write_bytes((tmp_path / "texts.zip").read_bytes()[:-30])
    with pytest.raises(ValueError, match="damaged zip archive"):
        load_corpus(str(tmp_path / "texts.zip"))


SRT = (
    "\ufeff1\r\n00:00:00,972 --> 00:00:03,434\r\n<i>Every garden</i> feared.\r\n\r\n"
    "2\r\n00:00:04,200 --> 00:00:07,958\r\n- Who is there?\r\n- {\\an8}Nobody.\r\n\r\n"
)
VTT = (
    "WEBVTT\n\nNOTE by nobody\n\nintro\n00:00.972 --> 00:03.434 align:left\n<v Ann>Every garden</v> feared.\n\n"
    "00:04.200 --> 00:07.958\n- Who is there?\n- Nobody.\n\n"
)
SAID = "Every garden feared.\n\n- Who is there?\n- Nobody.\n\n"


@pytest.mark.parametrize(("name", "text"), [("film.srt", SRT), ("film.vtt", VTT), ("film.txt", SRT)])
@pytest.mark.parametrize("block_bytes", [13, 2**20])
def test_subtitles_lose_their_numbers_times_and_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, block_bytes: int
) -> None:
    cues = text if name.endswith("vtt") else text * 20
    if name.endswith("vtt"):
        head, cue = text.split("intro\n")
        cues = head + ("intro\n" + cue) * 20
    (tmp_path / name).write_text(cues, encoding="utf-8", newline="")
    if block_bytes > 1000 or not name.endswith("txt"):  # the kind of a .txt file is told by its first block
        monkeypatch.setattr(sources, "BLOCK_BYTES", block_bytes)
        assert load(tmp_path / name) == SAID * 19 + SAID[:-1]


def test_a_subtitle_that_is_a_number_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(
        "".join(f"{n}\n00:00:{n % 60:02},000 --> 00:00:{n % 60:02},900\n42\n\n" for n in range(1, 99))
    )
    assert load(tmp_path / "a.srt").split() == ["42"] * 98


def test_json_lines_and_tables_are_read_by_their_text_column(tmp_path: Path) -> None:
    rows = [{"id": n, "title": "T", "text": f'She said "{n}",\u2028then left.'} for n in range(40)]
    expected = "".join(f"{row['text']}\n" for row in rows)
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=n % 2 == 0) for n, row in enumerate(rows)))
    assert load(tmp_path / "a.jsonl") == expected
    quoted = [f'{row["id"]},T,"{str(row["text"]).replace(chr(34), 2 * chr(34))}"' for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(["id,title,text", *quoted]))
    assert load(tmp_path / "a.csv") == expected
    with pytest.raises(ValueError, match=r"no column 'body'; expected one of id, title, text: .*--text-column"):
        load(tmp_path / "a.csv", text_column="body")


def test_records_of_several_lines_are_parted_by_an_empty_line(tmp_path: Path) -> None:
    poems = [f"Roses are red {n},\nviolets are blue.\n" for n in range(20)]
    (tmp_path / "a.tsv").write_text("id\tpoem\n" + "".join(f'{n}\t"{poem}"\n' for n, poem in enumerate(poems)))
    assert load(tmp_path / "a.tsv") == "\n".join(poems)


def test_a_table_without_a_usual_column_lists_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who;what\n" + "Ann;hello there\n" * 40)
    with pytest.raises(ValueError, match="no column with a usual name for text; expected one of who, what"):
        load(tmp_path / "a.csv")
    assert load(tmp_path / "a.csv", text_column="what") == "hello there\n" * 40


def test_chat_exports_in_json_become_turns(tmp_path: Path) -> None:
    """Telegram writes a text with a link in parts; Messenger writes the newest first, and UTF-8 as Latin-1."""
    telegram = [{"type": "message", "from": "Zoë", "text": ["see ", {"type": "link", "text": "here"}]}] * 30
    (tmp_path / "result.json").write_text(json.dumps({"name": "x", "messages": telegram}))
    assert load(tmp_path / "result.json") == "Zoë: see here\n" * 30
    messages = [
        {"sender_name": "Zo\u00c3\u00ab", "timestamp_ms": 100 - n, "content": f"caf\u00c3\u00a9 {n}"} for n in range(30)
    ]
    (tmp_path / "message_1.json").write_text(json.dumps({"participants": [], "messages": messages}))
    assert load(tmp_path / "message_1.json").split("\n")[:2] == ["Zoë: café 29", "Zoë: café 28"]
    (tmp_path / "bad.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ValueError, match="JSON without a list of texts"):
        load(tmp_path / "bad.json")


BOOK = "Chapter one. The lantern swung over the ferry.\n" * 40
HEADS = {
    "modern": "The Project Gutenberg eBook of X\n\nReleased: 2020\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
    "this": "Project Gutenberg's X\n\n***START OF THIS PROJECT GUTENBERG EBOOK X***\n\nProduced by Ann and\nothers\n\n",
    "old": "**The Project Gutenberg Etext of X**\n\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*V.04.29.93*END*\n",
}
TAILS = {
    "modern": "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n" + "1.A. By reading any part of this work\n" * 99,
    "this": "\nEnd of the Project Gutenberg EBook of X\n\n*** END OF THIS PROJECT GUTENBERG EBOOK X ***\nlicense\n",
    "old": "\nEnd of Project Gutenberg's Etext of X\n",
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_license_of_a_book_is_left_out_and_told(tmp_path: Path, kind: str) -> None:
    """It was the whole held-out tenth, all example prompts and the time-lapse: told 0.752, truly 0.600."""
    (tmp_path / "book.txt").write_bytes((HEADS[kind] + BOOK + TAILS[kind]).replace("\n", "\r\n").encode())
    corpus = load_corpus(str(tmp_path / "book.txt"), val_place="end")
    assert whole(corpus).strip("\n") == BOOK.strip("\n")
    assert any("Project Gutenberg's license (see --include-license)" in note for note in corpus.warnings)
    included = load_corpus(str(tmp_path / "book.txt"), include_license=True)
    assert whole(included) == HEADS[kind] + BOOK + TAILS[kind]


def test_the_licenses_of_joined_books_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "books.txt").write_text((HEADS["modern"] + BOOK + TAILS["modern"]) * 3)
    assert whole(load_corpus(str(tmp_path / "books.txt"))).count("Gutenberg") == 0
    assert whole(load_corpus(str(tmp_path / "books.txt"))).count("Chapter one") == 120


def test_a_text_about_gutenberg_is_kept_whole(tmp_path: Path) -> None:
    text = "Johannes Gutenberg printed a Bible. The end of it is lost.\n" * 40
    (tmp_path / "a.txt").write_text(text)
    assert whole(load_corpus(str(tmp_path / "a.txt"))) == text


def test_a_run_from_standard_input_keeps_its_text_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is read once; the run folder holds what it gave."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))  # where no other run puts its input
    text = PROSE * 4
    arguments = ["--hidden-size", "32", "--max-train-chars", "4000", "--out", str(tmp_path / "run")]
    done = fit_from_pipe(text, *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "input.txt").read_text() == text
    source = json.loads((tmp_path / "run" / "run.json").read_text())["source"]
    assert source["corpus"] == str(tmp_path / "run" / "input.txt")
    resumed = subprocess.run(
        [sys.executable, "-m", "training", "resume", str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    assert not list((tmp_path / "temporary").glob("hubcharlstm-input-*"))


def fit_from_pipe(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "training", "fit", "-", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_parquet_is_a_column_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"Row {n} has\nsome text." if n % 7 else None for n in range(300)]
    table = pyarrow.table({"id": range(300), "text": texts, "title": [f"Title {n} of the rows" for n in range(300)]})
    path = tmp_path / "rows.parquet"
    parquet.write_table(table, path, row_group_size=50)
    corpus = load_corpus(str(path), val_place="end")
    assert whole(corpus) == "\n".join(f"{text}\n" for text in texts if text)
    assert corpus.name == "rows" and any("1 file as Parquet" in note for note in corpus.warnings)
    assert load_corpus(str(path)).split == Split("blocks")  # a table's rows may be in any order
    assert whole(load_corpus(str(path), val_place="end", text_column="title")).startswith(
        "Title 0 of the rows\nTitle 1"
    )
    with pytest.raises(ValueError, match=r"no column 'none'; expected one of text, title: name it with --text-column"):
        load_corpus(str(path), text_column="none")
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut\.parquet is a damaged Parquet file"):
        load_corpus(str(tmp_path / "cut.parquet"))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"pyarrow is not installed; expected the data extra: run `pip install"):
        load_corpus(str(path))
