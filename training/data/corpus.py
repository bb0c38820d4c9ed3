"""A corpus by name, file or folder -> one text to train on and one that is held out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hubcharlstm.vocabulary import normalize, visible
from training.data.character_notes import encoding_note, invisible_note
from training.data.checksums import ChunkChecksums, split_sha256
from training.data.compression import SUFFIXES
from training.data.dialogue import has_turns_of_lines
from training.data.encoded import Text
from training.data.plays import play_files, play_text
from training.data.rare_characters import RareCharacters
from training.data.similarity import likeness
from training.data.splitting import MAX_HELD_OUT, PLACES, Split, is_list
from training.data.text_blocks import TextBlocks
from training.data.text_files import FileStats, ReadingOptions, iter_blocks

NAMED = ("macbeth", "shakespeare")
HELD_OUT_PLAYS = ("twelfth-night", "king-john", "timon-of-athens")
"""The plays of `shakespeare` that are held out: a comedy, a history and a tragedy."""

MIN_CHARS = 200
VAL_FRACTION = 0.1
IN_MEMORY_CHARS = 32_000_000
"""A longer text is stored as ids in a memory-mapped file."""
SAMPLE_CHARS = 4_000_000
"""Characters of a long text by which its kind is told."""
MIN_FILES = 10
"""Files of a folder from which whole ones are held out."""


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
    """Load a text file, a folder or zip archive of them, or a corpus by name ("macbeth", "shakespeare").

    encoding, errors, text_column, include_license, plain: see `ReadingOptions`. val_fraction: the share that is held
    out, at most MAX_HELD_OUT characters; of "shakespeare" HELD_OUT_PLAYS are held out. val_place: "end", "spread"
    (lines of a list, whole files, else blocks) or "auto", which spreads it over lists, chats and folders, and where
    the end would be unlike the rest. val: a file or folder that is held out instead. min_count: see `RareCharacters`.
    store: a folder on whose disk the ids of a text too long for memory are stored.
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
    if source in NAMED:
        return _named_corpus(source, lowercase, val_fraction)
    path = Path(source)
    options = ReadingOptions(encoding, errors, text_column, include_license, plain, lowercase)
    name = "-".join(re.findall(r"[A-Za-z0-9_]+", path.name if path.is_dir() else _stem(path))) or "text"
    stats = FileStats(options.encoding)
    blocks = TextBlocks.of_files(path, options, stats, max_cached_chars=IN_MEMORY_CHARS)
    warnings = stats.warnings()
    if stats.files > 1 or warnings:
        warnings.append(f"read {stats.files} file{'s' if stats.files > 1 else ''}")
    rare = RareCharacters.of(blocks.counts, min_count)
    warnings += [note for note in (rare.note, invisible_note(blocks.counts), encoding_note(path, options)) if note]
    text = blocks.substituted(rare)
    _check_size(path.name, text)
    if val is None:
        corpus = _split(path.name, text, val_fraction, val_place, store, is_chat=bool(stats.speakers))
    else:
        corpus = _with_own_held_out(path.name, text, rare, options, locate(val), store)
    warnings += [note for note in (*corpus.warnings, _unlike_note(corpus)) if note]
    return replace(corpus, name=name, warnings=tuple(warnings), min_count=rare.min_count, file_stats=stats)


def _split(
    title: str, text: TextBlocks, val_fraction: float, val_place: str, store: Path | None, *, is_chat: bool
) -> Corpus:
    split, why = _choose_split(text, val_fraction, val_place, is_chat=is_chat)
    spans = split.spans(text.length, text.file_starts if split.kind == "files" else text.line_starts)
    train, held_out = text.split(spans, store)
    note = f"the last {len(held_out):,} of {text.length:,} characters"
    if split.kind != "end":
        note = f"{_describe(split, text, spans)}, {len(held_out):,} of {text.length:,} characters"
    warnings = (why,) if why else ()
    return Corpus("", title, train, held_out, note, warnings, split=split, file_starts=tuple(text.file_starts))


def _choose_split(text: TextBlocks, val_fraction: float, val_place: str, *, is_chat: bool) -> tuple[Split, str]:
    """The split, and a sentence on why it is not at the end."""
    end = Split("end", val_fraction)
    if val_place == "end":
        return end, ""
    if len(text.file_starts) >= MIN_FILES:
        files = Split("files", val_fraction)
        held_out = sum(stop - start for start, stop in files.spans(text.length, text.file_starts))
        if held_out >= 0.5 * val_fraction * min(text.length, MAX_HELD_OUT / val_fraction):
            return files, ""
    sample, blocks = text.sample(SAMPLE_CHARS), Split("blocks", val_fraction)
    head = sample[:SAMPLE_CHARS]
    if is_chat or has_turns_of_lines(head):
        return blocks, "the text is a chat, so blocks of messages from all over it are held out"
    if is_list(head):
        return Split("lines", val_fraction), "the text is a list, so lines from all over it are held out"
    if val_place == "spread":
        return blocks, ""
    ((cut, _),) = end.spans(text.length, ())
    like = likeness(sample[:cut], sample[cut:]) if len(sample) == text.length else None
    if like is not None and like.differs:
        return blocks, (
            f"the end of the text is unlike the rest ({like.part:.2f} nats per character by a bigram model, "
            f"{like.usual:.2f} elsewhere), so blocks from all over it are held out; --val-place end holds out the end"
        )
    return end, ""


def _describe(split: Split, text: TextBlocks, spans: list[tuple[int, int]]) -> str:
    if split.kind == "lines":
        return f"{len(spans):,} lines spread over the list"
    if split.kind == "blocks":
        return f"{len(spans)} blocks spread over the text"
    names = [text.file_names[text.file_starts.index(start)] for start, _ in spans]
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({listed})"


def _with_own_held_out(
    title: str, text: TextBlocks, rare: RareCharacters, options: ReadingOptions, val: str, store: Path | None
) -> Corpus:
    held_out = "".join(rare.substitute(block) for block in iter_blocks(Path(val), options, FileStats(options.encoding)))
    note = f"the whole of {Path(val).name}, {len(held_out):,} characters"
    if len(held_out) > MAX_HELD_OUT:
        held_out, note = held_out[:MAX_HELD_OUT], f"the first {MAX_HELD_OUT:,} characters of {Path(val).name}"
    if len(held_out) < 2:
        raise ValueError(f"{val} has {len(held_out)} characters; expected a text to hold out: name another with --val.")
    train, _ = text.split([], store)
    return Corpus("", title, train, held_out, note, split=None)


def _unlike_note(corpus: Corpus) -> str:
    like = likeness(corpus.train[:SAMPLE_CHARS], corpus.held_out)
    if like is None or not like.differs:
        return ""
    return (
        f"what is held out is unlike the rest: {like.part:.2f} nats per character by a bigram model, {like.usual:.2f} "
        "for parts of the rest; the held-out loss tells little about the text: choose another --val-place, or --val"
    )


def _check_size(title: str, text: TextBlocks) -> None:
    if text.length < MIN_CHARS:
        raise ValueError(f"The corpus {title} has {text.length} characters; expected at least {MIN_CHARS}: add text.")
    if len(text.chars) < 2:
        raise ValueError(
            f"The corpus {title} holds no character but {visible(text.chars[0])}; expected at least two different "
            "ones, or there is nothing to learn: check the file."
        )


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
    return Path(path.stem).stem if path.suffix in SUFFIXES else path.stem


# --- the corpora by name -----------------------------------------------------------------------------------------


def _named_corpus(name: str, lowercase: bool, val_fraction: float) -> Corpus:
    plays = {path.name.removesuffix(".md"): path for path in play_files()}
    card = {"language": "en"}
    if name == "macbeth":
        text = normalize(play_text(plays["macbeth"].read_text(encoding="utf-8")), lowercase=lowercase)
        split = Split("end", val_fraction)
        ((cut, length),) = split.spans(len(text), ())
        note = f"the last {length - cut:,} of {length:,} characters"
        return Corpus(name, "Shakespeare's Macbeth", text[:cut], text[cut:], note, card=card, split=split)
    texts = {
        title: normalize(play_text(path.read_text(encoding="utf-8")), lowercase=lowercase)
        for title, path in sorted(plays.items())
    }
    held_out = "".join(texts[title] for title in HELD_OUT_PLAYS)
    train = "".join(text for title, text in texts.items() if title not in HELD_OUT_PLAYS)
    warnings = () if val_fraction == VAL_FRACTION else ("val_fraction is not used: whole plays are held out",)
    names = ", ".join(title.replace("-", " ").title().replace(" Of ", " of ") for title in HELD_OUT_PLAYS)
    note = f"the whole of {names}"
    return Corpus(name, "the plays of Shakespeare", train, held_out, note, warnings, card, split=None)
