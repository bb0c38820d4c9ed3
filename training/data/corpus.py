"""A corpus by name, file or folder -> one text to train on and one held out from it."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hubcharlstm import Vocabulary
from hubcharlstm.vocabulary import normalize, visible
from training.data.encoded import EncodedText, Text, code_points
from training.data.plays import play_files, play_text
from training.data.text_files import FileStats, encoding_name, read_blocks

NAMED = ("macbeth", "shakespeare")
HELD_OUT_PLAYS = ("twelfth-night", "king-john", "timon-of-athens")
"""Held out whole from `shakespeare`: a comedy, a history and a tragedy."""

MIN_CHARS = 200
VAL_FRACTION = 0.1
MAX_HELD_OUT = 500_000
"""Characters; more would tell the loss no better and make every look long."""
IN_MEMORY_CHARS = 32_000_000
"""A longer text is kept as ids in a file."""
MANY_CHARACTERS = 256
RARE_COUNT = 3
"""Of more than MANY_CHARACTERS different ones, those that occur less often cannot be learned and are left out."""
MARKS = 256


@dataclass(frozen=True)
class Corpus:
    """A text in two parts, both read by the vocabulary's rules, and what is known about it."""

    name: str
    title: str
    train: Text
    held_out: str
    held_out_note: str
    warnings: tuple[str, ...] = ()
    card: dict[str, str] = field(default_factory=dict)
    found: FileStats | None = None

    @property
    def sha256(self) -> str:
        if isinstance(self.train, str):
            return hashlib.sha256(f"{self.train}\0{self.held_out}".encode()).hexdigest()
        return hashlib.sha256(f"{self.train.sha256}\0{self.held_out}".encode()).hexdigest()

    @property
    def chars(self) -> tuple[str, ...]:
        """The different characters of both parts, sorted."""
        known = set(self.train) if isinstance(self.train, str) else set(self.train.chars)
        return tuple(sorted(known | set(self.held_out)))

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

    def marks(self) -> dict[str, Any]:
        """Checksums of parts of the text, by which `difference` finds where another one differs."""
        size = max(256, -(-len(self.train) // MARKS))
        parts = [self.train[start : start + size] for start in range(0, len(self.train), size)]
        sums = [f"{zlib.crc32(part.encode()):08x}" for part in (*parts, self.held_out)]
        return {"train_chars": len(self.train), "held_out_chars": len(self.held_out), "size": size, "sums": sums}

    def difference(self, marks: dict[str, Any]) -> str:
        """How this text differs from the one that `marks` were made of, in words."""
        before = marks["train_chars"] + marks["held_out_chars"]
        now = len(self.train) + len(self.held_out)
        counts = (
            f"it had {before:,} characters and has {now:,}" if now != before else f"it still has {now:,} characters"
        )
        size = marks["size"]
        for number, wanted in enumerate(marks["sums"][:-1]):
            part = self.train[number * size : min((number + 1) * size, marks["train_chars"])]
            if f"{zlib.crc32(part.encode()):08x}" != wanted:
                start = number * size
                return f"{counts}, and differs first between the characters {start:,} and {start + size:,}"
        return f"{counts}, and differs in its held-out part"


def read_corpus(
    source: str,
    *,
    encoding: str = "utf-8",
    lowercase: bool = False,
    val_fraction: float = VAL_FRACTION,
    min_count: int | None = None,
    store: Path | None = None,
) -> Corpus:
    """Read a text file, plain or gzipped, a folder of them, or a corpus by name ("macbeth", "shakespeare").

    Of a file or folder the last `val_fraction` of the characters, at most MAX_HELD_OUT, is held out; of "shakespeare"
    whole plays are. min_count: characters that occur less often are read as the closest that is left, or left out;
    None keeps all, unless there are more than MANY_CHARACTERS: then those below RARE_COUNT go. store: on this
    folder's disk the ids of a text too long for memory lie while they are used.
    Raises `ValueError` for what is missing, binary, not in `encoding`, too short, or of one character alone.
    """
    if not 0 < val_fraction <= 0.5:
        raise ValueError(
            f"val_fraction is {val_fraction}; expected a number above 0 and up to 0.5: 0.1 holds out a tenth."
        )
    if min_count is not None and min_count < 1:
        raise ValueError(f"min_count is {min_count}; expected at least 1, which keeps every character: raise it.")
    source = locate(source)
    if source in NAMED:
        return _named_corpus(source, lowercase, val_fraction)
    path, encoding = Path(source), encoding_name(encoding)
    name = "-".join(re.findall(r"[A-Za-z0-9_]+", path.name if path.is_dir() else _stem(path))) or "text"
    found = FileStats(encoding)

    def again() -> Iterator[str]:
        return read_blocks(path, encoding, FileStats(encoding), lowercase=lowercase)

    return _split(read_blocks(path, encoding, found, lowercase=lowercase), again, found, name, path.name,
                  val_fraction, min_count, store)  # fmt: skip


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


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix == ".gz" else path.stem


def _split(
    blocks: Iterator[str],
    again: Callable[[], Iterator[str]],
    found: FileStats,
    name: str,
    title: str,
    val_fraction: float,
    min_count: int | None,
    store: Path | None,
) -> Corpus:
    """The corpus of a text that comes in blocks; one too long for memory is read a second time by `again`."""
    counts: Counter[str] = Counter()
    length, kept = 0, []
    for block in blocks:
        _count(block, counts)
        length += len(block)
        if length <= IN_MEMORY_CHARS:
            kept.append(block)
        else:
            kept.clear()
    warnings = found.warnings()
    if found.files > 1 or warnings:
        warnings.append(f"read {found.files} file{'s' if found.files > 1 else ''}")
    replaced = _rare(counts, min_count, warnings)
    length += sum(counts[char] * (len(other) - 1) for char, other in replaced.items())
    if length < MIN_CHARS:
        raise ValueError(f"The corpus {title} has {length} characters; expected at least {MIN_CHARS}: add text.")
    chars = tuple(sorted(counts.keys() - replaced.keys()))
    if len(chars) < 2:
        raise ValueError(
            f"The corpus {title} holds no character but {visible(chars[0])}; expected at least two different ones, "
            "or there is nothing to learn: check the file."
        )
    table = {ord(char): other for char, other in replaced.items()}
    count = min(MAX_HELD_OUT, max(20, int(length * val_fraction)))
    cut = length - count
    note = f"the last {count:,} of {length:,} characters"
    if kept:
        text = "".join(kept).translate(table) if table else "".join(kept)
        return Corpus(name, title, text[:cut], text[cut:], note, tuple(warnings), found=found)
    rest: list[str] = []
    train = EncodedText.write(_until(cut, again(), table, rest), cut, chars, store)
    return Corpus(name, title, train, "".join(rest), note, tuple(warnings), found=found)


def _until(cut: int, blocks: Iterator[str], table: dict[int, str], rest: list[str]) -> Iterator[str]:
    """The first `cut` characters of the blocks; what follows them goes to `rest`."""
    done = 0
    for block in blocks:
        text = block.translate(table) if table else block
        if done < cut:
            yield text[: cut - done]
        rest.append(text[max(0, cut - done) :])
        done += len(text)


def _count(block: str, counts: Counter[str]) -> None:
    points = code_points(block)
    if len(points) == 0:
        return
    numbers = np.bincount(points)
    for point in np.flatnonzero(numbers).tolist():
        counts[chr(point)] += int(numbers[point])


def _rare(counts: Counter[str], min_count: int | None, warnings: list[str]) -> dict[str, str]:
    """What each character that occurs too rarely is read as; a note says so."""
    least = min_count or (RARE_COUNT if len(counts) > MANY_CHARACTERS else 1)
    rare = sorted(char for char, count in counts.items() if count < least)
    if min_count is not None and len(rare) == len(counts):
        raise ValueError(
            f"min_count is {min_count}, but no character occurs that often; expected some to be left: lower it."
        )
    if not rare or len(rare) == len(counts):
        return {}
    left = Vocabulary(sorted(counts.keys() - set(rare)))
    shown = " ".join(visible(char) for char in rare[:12]) + (" ..." if len(rare) > 12 else "")
    places = sum(counts[char] for char in rare)
    warnings.append(
        f"{len(rare)} of {len(counts)} different characters occur fewer than {least} times ({places:,} places in all) "
        f"and are read as the closest other one or left out: {shown}; --min-count 1 keeps them"
    )
    return {char: left.encode(char).text for char in rare}


# --- the corpora by name -----------------------------------------------------------------------------------------


def _named_corpus(name: str, lowercase: bool, val_fraction: float) -> Corpus:
    plays = {path.name.removesuffix(".md"): path for path in play_files()}
    card = {"language": "en"}
    if name == "macbeth":
        text = normalize(play_text(plays["macbeth"].read_text(encoding="utf-8")), lowercase=lowercase)
        corpus = _split(
            iter([text]),
            lambda: iter([text]),
            FileStats("utf-8"),
            name,
            "Shakespeare's Macbeth",
            val_fraction,
            None,
            None,
        )
        return Corpus(corpus.name, corpus.title, corpus.train, corpus.held_out, corpus.held_out_note, (), card)
    texts = {
        title: normalize(play_text(path.read_text(encoding="utf-8")), lowercase=lowercase)
        for title, path in sorted(plays.items())
    }
    held_out = "".join(texts[title] for title in HELD_OUT_PLAYS)
    train = "".join(text for title, text in texts.items() if title not in HELD_OUT_PLAYS)
    warnings = () if val_fraction == VAL_FRACTION else ("val_fraction is not used: whole plays are held out",)
    names = ", ".join(title.replace("-", " ").title().replace(" Of ", " of ") for title in HELD_OUT_PLAYS)
    return Corpus(name, "the plays of Shakespeare", train, held_out, f"the whole of {names}", warnings, card)
