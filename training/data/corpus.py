"""A corpus by name, file or folder -> one text to train on and one that is held out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hubcharlstm import Vocabulary
from hubcharlstm.vocabulary import normalize, visible
from training.data.checksums import ChunkChecksums, split_sha256
from training.data.encoded import EncodedText, Text, code_points
from training.data.plays import play_files, play_text
from training.data.text_files import FileStats, encoding_name, iter_blocks

NAMED = ("macbeth", "shakespeare")
HELD_OUT_PLAYS = ("twelfth-night", "king-john", "timon-of-athens")
"""The plays of `shakespeare` that are held out: a comedy, a history and a tragedy."""

MIN_CHARS = 200
VAL_FRACTION = 0.1
MAX_HELD_OUT = 500_000
"""Characters; more would slow down every evaluation and measure the loss no better."""
IN_MEMORY_CHARS = 32_000_000
"""A longer text is stored as ids in a memory-mapped file."""
MANY_CHARACTERS = 256
RARE_COUNT = 3
"""In a text of more than MANY_CHARACTERS different characters, those that occur less often are substituted."""


@dataclass(frozen=True)
class Corpus:
    """A normalized text in two parts. warnings: for the user. card: metadata of the model card.

    min_count: the count below which characters were substituted.
    """

    name: str
    title: str
    train: Text
    held_out: str
    held_out_note: str
    warnings: tuple[str, ...] = ()
    card: dict[str, str] = field(default_factory=dict)
    min_count: int = 1
    file_stats: FileStats | None = None

    @property
    def sha256(self) -> str:
        """Of both parts and the split."""
        return split_sha256(self.train, self.held_out)

    @property
    def chars(self) -> tuple[str, ...]:
        """The different characters of both parts, sorted."""
        known = set(self.train) if isinstance(self.train, str) else set(self.train.chars)
        return tuple(sorted(known | set(self.held_out)))

    def to_record(self) -> dict[str, Any]:
        """The entry "corpus" of `training.json`."""
        return {
            "name": self.name,
            "title": self.title,
            "sha256": self.sha256,
            "chars": len(self.train) + len(self.held_out),
            "train_chars": len(self.train),
            "held_out_chars": len(self.held_out),
            "held_out": self.held_out_note,
            "min_count": self.min_count,
        }

    def chunk_checksums(self) -> ChunkChecksums:
        """Checksums by which `difference` locates where a later version of the text differs."""
        return ChunkChecksums.of(self.train, self.held_out)

    def difference(self, recorded: ChunkChecksums) -> str:
        """How this text differs from the one with the recorded checksums, in words."""
        return recorded.difference(self.train, self.held_out)


def load_corpus(
    source: str,
    *,
    encoding: str = "utf-8",
    lowercase: bool = False,
    val_fraction: float = VAL_FRACTION,
    min_count: int | None = None,
    store: Path | None = None,
) -> Corpus:
    """Load a text file, plain or gzipped, a folder of them, or a corpus by name ("macbeth", "shakespeare").

    val_fraction: the share of a file or folder, at its end, that is held out, at most MAX_HELD_OUT characters; of
    "shakespeare" HELD_OUT_PLAYS are held out. min_count: characters that occur less often are substituted by the
    closest other one or dropped. None substitutes none, unless there are more than MANY_CHARACTERS: then those that
    occur less than RARE_COUNT times. store: a folder on whose disk the ids of a text too long for memory are stored.
    Raises `ValueError` for a source that is missing, binary, not in `encoding`, too short, or of one character only.
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
    stats = FileStats(encoding)
    blocks = iter_blocks(path, encoding, stats, lowercase=lowercase)
    counts, cached = _count_characters(blocks)  # exhausts the blocks, so that the stats are complete
    warnings = stats.warnings()
    if stats.files > 1 or warnings:
        warnings.append(f"read {stats.files} file{'s' if stats.files > 1 else ''}")
    if min_count is None:
        has_many = len(counts) > MANY_CHARACTERS and max(counts.values()) >= RARE_COUNT
        min_count = RARE_COUNT if has_many else 1
    substitutes, warning = rare_substitutes(counts, min_count)
    warnings += [warning] if warning else []

    def reread() -> Iterator[str]:
        return iter_blocks(path, encoding, FileStats(encoding), lowercase=lowercase)

    text = _Substituted(path.name, counts, substitutes, reread if cached is None else lambda: iter(cached))
    train, held_out, note = text.split(val_fraction, in_memory=cached is not None, store=store)
    return Corpus(name, path.name, train, held_out, note, tuple(warnings), min_count=min_count, file_stats=stats)


def locate(source: str) -> str:
    """The name of a corpus unchanged, a file or folder as an absolute path; raises `ValueError` if there is none."""
    if source in NAMED:  # a file with that name is "./macbeth"
        return source
    try:
        path = Path(source).expanduser().resolve()
        if source and (path.is_file() or path.is_dir()):
            return str(path)
    except (RuntimeError, OSError):  # ~ of an unknown user, a name that is too long, a folder without access
        pass
    raise ValueError(
        f"There is no file or folder {source!r}; expected one, or a corpus by name ({', '.join(NAMED)}): "
        "check the spelling."
    )


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix == ".gz" else path.stem


def _count_characters(blocks: Iterable[str]) -> tuple[Counter[str], list[str] | None]:
    """How often each character occurs, and the blocks themselves unless the text is longer than IN_MEMORY_CHARS."""
    counts: Counter[str] = Counter()
    length, cached = 0, []
    for block in blocks:
        points = code_points(block)
        numbers = np.bincount(points) if len(points) else np.empty(0, dtype=np.int64)
        for point in np.flatnonzero(numbers).tolist():
            counts[chr(point)] += int(numbers[point])
        length += len(block)
        if length <= IN_MEMORY_CHARS:
            cached.append(block)
        else:
            cached.clear()
    return counts, cached if length <= IN_MEMORY_CHARS else None


def rare_substitutes(counts: Counter[str], min_count: int) -> tuple[dict[str, str], str]:
    """What each character that occurs less than `min_count` times is substituted by, and a warning, else ""."""
    rare = sorted(char for char, count in counts.items() if count < min_count)
    if rare and len(rare) == len(counts):
        raise ValueError(
            f"min_count is {min_count}, but no character occurs that often; expected some to remain: lower it."
        )
    if not rare:
        return {}, ""
    frequent = Vocabulary(sorted(counts.keys() - set(rare)))
    shown = " ".join(visible(char) for char in rare[:12]) + (" ..." if len(rare) > 12 else "")
    places = sum(counts[char] for char in rare)
    warning = (
        f"{len(rare)} of {len(counts)} different characters occur fewer than {min_count} times "
        f"({places:,} places in all) and are read as the closest other one or left out: {shown}; "
        "--min-count 1 keeps them"
    )
    return {char: frequent.encode(char).text for char in rare}, warning


class _Substituted:
    """A text with its rare characters substituted; `blocks` iterates over the original text anew at each call."""

    def __init__(
        self, title: str, counts: Counter[str], substitutes: dict[str, str], blocks: Callable[[], Iterator[str]]
    ) -> None:
        self.blocks = blocks
        self.table = {ord(char): other for char, other in substitutes.items()}
        self.length = counts.total() + sum(counts[char] * (len(other) - 1) for char, other in substitutes.items())
        self.chars = tuple(sorted(counts.keys() - substitutes.keys()))
        if self.length < MIN_CHARS:
            raise ValueError(
                f"The corpus {title} has {self.length} characters; expected at least {MIN_CHARS}: add text."
            )
        if len(self.chars) < 2:
            raise ValueError(
                f"The corpus {title} holds no character but {visible(self.chars[0])}; expected at least two different "
                "ones, or there is nothing to learn: check the file."
            )

    def split(self, val_fraction: float, *, in_memory: bool, store: Path | None) -> tuple[Text, str, str]:
        """The training text, the held-out text, and a note on the split."""
        held_out_chars = min(MAX_HELD_OUT, max(20, int(self.length * val_fraction)))
        cut = self.length - held_out_chars
        note = f"the last {held_out_chars:,} of {self.length:,} characters"
        if in_memory:
            text = "".join(self._translated())
            return text[:cut], text[cut:], note
        blocks = _SplitBlocks(self._translated(), cut)
        return EncodedText.write(blocks.head(), cut, self.chars, store), blocks.tail, note

    def _translated(self) -> Iterator[str]:
        return (block.translate(self.table) if self.table else block for block in self.blocks())


class _SplitBlocks:
    """Blocks of text split at a position in one pass: `head` yields what is before it, `tail` holds the rest."""

    def __init__(self, blocks: Iterator[str], cut: int) -> None:
        self.blocks, self.cut, self.tail = blocks, cut, ""

    def head(self) -> Iterator[str]:
        start, tail = 0, []
        for block in self.blocks:
            if start < self.cut:
                yield block[: self.cut - start]
            tail.append(block[max(0, self.cut - start) :])
            start += len(block)
        self.tail = "".join(tail)


# --- the corpora by name -----------------------------------------------------------------------------------------


def _named_corpus(name: str, lowercase: bool, val_fraction: float) -> Corpus:
    plays = {path.name.removesuffix(".md"): path for path in play_files()}
    card = {"language": "en"}
    if name == "macbeth":
        text = normalize(play_text(plays["macbeth"].read_text(encoding="utf-8")), lowercase=lowercase)
        macbeth = _Substituted(name, Counter(text), {}, lambda: iter([text]))
        train, held_out, note = macbeth.split(val_fraction, in_memory=True, store=None)
        return Corpus(name, "Shakespeare's Macbeth", train, held_out, note, card=card)
    texts = {
        title: normalize(play_text(path.read_text(encoding="utf-8")), lowercase=lowercase)
        for title, path in sorted(plays.items())
    }
    held_out = "".join(texts[title] for title in HELD_OUT_PLAYS)
    train = "".join(text for title, text in texts.items() if title not in HELD_OUT_PLAYS)
    warnings = () if val_fraction == VAL_FRACTION else ("val_fraction is not used: whole plays are held out",)
    names = ", ".join(title.replace("-", " ").title().replace(" Of ", " of ") for title in HELD_OUT_PLAYS)
    return Corpus(name, "the plays of Shakespeare", train, held_out, f"the whole of {names}", warnings, card)
