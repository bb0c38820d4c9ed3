"""A corpus by name, file, folder, pattern or URL -> one text to train on and one that is held out."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hubcharlstm.vocabulary import normalize, visible
from training.data.character_notes import encoding_note, invisible_note
from training.data.checksums import ChunkChecksums, split_sha256
from training.data.compression import SUFFIXES
from training.data.encoded import Text
from training.data.held_out import choose_split, describe_split, own_held_out, own_held_out_warnings, unlike_warning
from training.data.parquet import PARQUET
from training.data.plays import play_files, play_text
from training.data.preparation import PreparedText, prepare
from training.data.rare_characters import RareCharacters
from training.data.remote import fetch, is_remote, pinned
from training.data.remote import title_of as remote_title
from training.data.sources import fixed_part, is_pattern, source_files
from training.data.splitting import PLACES, Split
from training.data.text_blocks import TextBlocks
from training.data.text_files import FileStats, ReadingOptions

NAMED = ("macbeth", "shakespeare")
HELD_OUT_PLAYS = ("twelfth-night", "king-john", "timon-of-athens")
"""The plays of `shakespeare` that are held out: a comedy, a history and a tragedy."""

MIN_CHARS = 200
VAL_FRACTION = 0.1
IN_MEMORY_CHARS = 32_000_000
"""A longer text is stored as ids in memory-mapped shards."""
TABLES = ("CSV", "JSON lines", "JSON", PARQUET)
"""Kinds of files whose records may be in any order, as `FileStats.kinds` names them."""


@dataclass(frozen=True)
class Corpus:
    """A normalized text in two parts. warnings: for the user. card: metadata of the model card.

    min_count: the count below which characters were substituted. split: how the parts were chosen from one text;
    None if they are texts of their own. file_starts: where the files of the whole text begin.
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
    split: Split | None = None
    file_starts: tuple[int, ...] = (0,)

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
            "split": self.split.to_record() if self.split else None,
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
    errors: str = "strict",
    text_column: str | None = None,
    include_license: bool = False,
    plain: bool = False,
    lowercase: bool = False,
    val_fraction: float = VAL_FRACTION,
    val_place: str = "auto",
    val: str | None = None,
    min_count: int | None = None,
    store: Path | None = None,
) -> Corpus:
    """Load a text file, a folder, pattern or zip archive of them, a URL, or a corpus by name (one of NAMED).

    A URL is https://... or hf://datasets/USER/NAME[@REVISION][/FILE], whose files are downloaded into the cache.

    encoding, errors, text_column, include_license, plain: see `ReadingOptions`. val_fraction: the share that is held
    out, at most MAX_HELD_OUT characters; of "shakespeare" HELD_OUT_PLAYS are held out. val_place: "end", "spread"
    (lines of a list, whole files, else blocks) or "auto", which spreads it over lists, tables, chats and folders, and
    where the end would be unlike the rest. val: a file or folder that is held out instead, and no part of the source.
    min_count: see `RareCharacters`.
    store: the folder for the shards of a text too long for memory, the cache unless given.
    Raises `ValueError` for a source that is missing, binary, not in `encoding`, too short, or of one character only.
    """
    if not 0 < val_fraction <= 0.5:
        raise ValueError(
            f"val_fraction is {val_fraction}; expected a number above 0 and up to 0.5: 0.1 holds out a tenth."
        )
    if val_place not in PLACES:
        raise ValueError(f"val_place is {val_place!r}; expected one of {', '.join(PLACES)}: correct --val-place.")
    if min_count is not None and min_count < 1:
        raise ValueError(f"min_count is {min_count}; expected at least 1, which keeps every character: raise it.")
    source = locate(source)
    options = ReadingOptions(encoding, errors, text_column, include_license, plain, lowercase)
    if source in NAMED:
        return _named_corpus(source, options, val_fraction, val_place, val)
    path = local_path(source)
    titled = fixed_part(path) if is_pattern(path) else path
    name = "-".join(re.findall(r"[A-Za-z0-9_]+", titled.name if titled.is_dir() else _stem(titled))) or "text"
    text = prepare(path, options, min_count, max_chars=IN_MEMORY_CHARS, store=store)
    stats, warnings = text.stats, text.stats.warnings()
    if stats.files > 1 or warnings:
        warnings.append(f"read {stats.files} file{'s' if stats.files > 1 else ''}")
    rare = RareCharacters.of(text.counts, min_count)
    warnings += [note for note in (rare.note, invisible_note(text.counts), encoding_note(path, options)) if note]
    text = text.substituted(rare)
    _check_size(titled.name, text)
    if val is None:
        is_table = any(kind in TABLES for kind in stats.kinds)
        split, why = choose_split(text, val_fraction, val_place, is_chat=bool(stats.speakers), is_table=is_table)
        corpus = _split(titled.name, text, split)
        warnings += [note for note in (why, unlike_warning(corpus.train, corpus.held_out)) if note]
    else:
        corpus = _with_own_held_out(titled.name, text, path, val, val_place, rare, options)
        warnings += corpus.warnings
    return replace(corpus, name=name, warnings=tuple(warnings), min_count=rare.min_count, file_stats=stats)


def _split(title: str, text: TextBlocks | PreparedText, split: Split) -> Corpus:
    spans = split.spans(text.length, text.file_starts if split.kind == "files" else text.line_starts)
    train, held_out = text.split(spans)
    note = describe_split(split, text, spans)
    return Corpus("", title, train, held_out, note, split=split, file_starts=tuple(text.file_starts))


def _with_own_held_out(
    title: str,
    text: TextBlocks | PreparedText,
    path: Path | None,
    val: str,
    val_place: str,
    rare: RareCharacters,
    options: ReadingOptions,
) -> Corpus:
    """The whole text is trained on, and the file or folder `val` held out. path: of the text, None for a named one."""
    if val_place != "auto":
        raise ValueError(
            f"val_place is {val_place!r} and val is {val!r}; expected one of them: leave --val-place or --val out."
        )
    held_out, note = own_held_out(local_path(locate(val, named=False)), path, rare, options)
    train, _ = text.split([])
    warnings = own_held_out_warnings(train, held_out, text.counts)
    if unlike := unlike_warning(train, held_out):
        warnings.append(unlike)
    return Corpus("", title, train, held_out, note, tuple(warnings), split=None)


def _check_size(title: str, text: TextBlocks | PreparedText) -> None:
    if text.length < MIN_CHARS:
        raise ValueError(f"The corpus {title} has {text.length} characters; expected at least {MIN_CHARS}: add text.")
    if len(text.chars) < 2:
        raise ValueError(
            f"The corpus {title} holds no character but {visible(text.chars[0])}; expected at least two different "
            "ones, or there is nothing to learn: check the file."
        )


def locate(source: str, *, named: bool = True) -> str:
    """The name of a corpus unchanged, a file, folder or pattern as an absolute path; a URL, pinned to what it is now.

    named: whether a corpus by name may be meant. Raises `ValueError` if there is none.
    """
    if named and source in NAMED:  # a file with that name is "./macbeth"
        return source
    if is_remote(source):
        return pinned(source)
    try:
        path = Path(source).expanduser().resolve()
        if source and (path.is_file() or path.is_dir()):
            return str(path)
        if source and is_pattern(path) and source_files(path):
            return str(path)
    except (RuntimeError, OSError):  # ~ of an unknown user, a name that is too long, a folder without access
        pass
    if glob.has_magic(source):
        raise ValueError(f"No file matches the pattern {source!r}; expected at least one: check the spelling.")
    expected = f"one, or a corpus by name ({', '.join(NAMED)})" if named else "one"
    raise ValueError(f"There is no file or folder {source!r}; expected {expected}: check the spelling.")


def local_path(source: str) -> Path:
    """Where the files of a located source lie; those of a URL are downloaded."""
    return fetch(source) if is_remote(source) else Path(source)


def title_of(source: str) -> str:
    """What a located source is called: the name of its file or folder, or of the corpus."""
    if is_remote(source):
        return remote_title(source)
    path = Path(source)
    return (fixed_part(path) if source not in NAMED and is_pattern(path) else path).name


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix in SUFFIXES else path.stem


# --- the corpora by name -----------------------------------------------------------------------------------------


def _named_corpus(name: str, options: ReadingOptions, val_fraction: float, val_place: str, val: str | None) -> Corpus:
    title = "Shakespeare's Macbeth" if name == "macbeth" else "the plays of Shakespeare"
    texts = {
        path.name.removesuffix(".md"): normalize(
            play_text(path.read_text(encoding="utf-8")), lowercase=options.lowercase
        )
        for path in play_files()
        if name != "macbeth" or path.name == "macbeth.md"
    }
    card = {"language": "en"}
    if val is not None:
        text = TextBlocks.of_text("".join(text for _, text in sorted(texts.items())))
        corpus = _with_own_held_out(title, text, None, val, val_place, RareCharacters(1), options)
        return replace(corpus, name=name, card=card)
    if name == "macbeth":
        text = TextBlocks.of_text(texts["macbeth"])
        split, _ = choose_split(text, val_fraction, "end" if val_place == "auto" else val_place)
        return replace(_split(title, text, split), name=name, card=card)
    held_out = "".join(texts[play] for play in HELD_OUT_PLAYS)
    train = "".join(text for play, text in sorted(texts.items()) if play not in HELD_OUT_PLAYS)
    ignored = {"val_fraction": val_fraction != VAL_FRACTION, "val_place": val_place != "auto"}
    warnings = tuple(f"{option} is not used: whole plays are held out" for option, given in ignored.items() if given)
    names = ", ".join(play.replace("-", " ").title().replace(" Of ", " of ") for play in HELD_OUT_PLAYS)
    return Corpus(name, title, train, held_out, f"the whole of {names}", warnings, card, split=None)
