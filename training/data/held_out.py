"""The held-out part of a corpus: which split suits its kind, a text of one's own, and what to say about it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from hubcharlstm.vocabulary import visible
from training.data.dialogue import has_turns_of_lines
from training.data.encoded import Text
from training.data.kind import is_code
from training.data.preparation import PreparedText
from training.data.rare_characters import RareCharacters
from training.data.records import has_fields, has_sorted_lines, has_sorted_paragraphs, is_list
from training.data.similarity import likeness
from training.data.splitting import MAX_HELD_OUT, Split
from training.data.text_blocks import TextBlocks
from training.data.text_files import FileStats, ReadingOptions, iter_blocks

SAMPLE_CHARS = 4_000_000
"""Characters of a long text from which its kind is inferred."""
MIN_FILES, MIN_MODULES = 10, 3
"""Files of a folder from which whole ones are held out: of any text, and of a program."""
LONG_LINE, MUCH_COPIED = 20, 0.2
"""A line of so many characters is rarely written twice; from this share of them on, the loss is too low."""


def choose_split(
    text: TextBlocks | PreparedText,
    val_fraction: float,
    val_place: str,
    *,
    is_chat: bool = False,
    is_table: bool = False,
) -> tuple[Split, str]:
    """The split by `val_place` and the kind of the text, and a sentence on why it is not at the end."""
    end, blocks = Split("end", val_fraction), Split("blocks", val_fraction)
    if val_place == "end":
        return end, ""
    sample = text.sample(SAMPLE_CHARS)
    if len(text.file_starts) >= (MIN_MODULES if is_code(sample[:SAMPLE_CHARS]) else MIN_FILES):
        files = Split("files", val_fraction)
        held_out = sum(stop - start for start, stop in files.spans(text.length, text.file_starts))
        if held_out >= 0.5 * val_fraction * min(text.length, MAX_HELD_OUT / val_fraction):
            return files, ""
    kind, why = _spread_by_kind(sample[:SAMPLE_CHARS], is_chat=is_chat, is_table=is_table)
    if kind:
        return Split(kind, val_fraction), why
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


def _spread_by_kind(text: str, *, is_chat: bool, is_table: bool) -> tuple[str, str]:
    """The kind of split of a text made of records, and why; two empty strings for continuous text."""
    if is_chat or has_turns_of_lines(text):
        return "blocks", "the text is a chat, so blocks of messages from all over it are held out"
    if has_sorted_lines(text):
        return "lines", "the lines of the text are sorted, so lines from all over it are held out"
    if has_sorted_paragraphs(text):
        return "blocks", "the entries of the text are sorted, so blocks from all over it are held out"
    if is_list(text):
        if has_fields(text):
            return "blocks", "the text is a list of records of several lines, so blocks from all over it are held out"
        return "lines", "the text is a list, so lines from all over it are held out"
    if is_table:
        return "blocks", "the text is a table, so blocks of rows from all over it are held out"
    return "", ""


def describe_split(split: Split, text: TextBlocks | PreparedText, spans: list[tuple[int, int]]) -> str:
    """What is held out, in words."""
    held_out = sum(stop - start for start, stop in spans)
    size = f"{held_out:,} of {text.length:,} characters"
    if split.kind == "end":
        return f"the last {size}"
    if split.kind == "lines":
        return f"{len(spans):,} lines spread over the text, {size}"
    if split.kind == "blocks":
        return f"{len(spans)} blocks spread over the text, {size}"
    names = [text.file_names[text.file_starts.index(start)] for start, _ in spans]
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({listed}), {size}"


def own_held_out(path: Path, trained_on: Path | None, rare: RareCharacters, options: ReadingOptions) -> tuple[str, str]:
    """The text of the file or folder at `path`, and a note on it. trained_on: where the corpus lies, both absolute.

    Raises `ValueError` if it is a part of the corpus, or too short.
    """
    if trained_on and (path == trained_on or trained_on in path.parents or path in trained_on.parents):
        raise ValueError(
            f"{path} and the corpus {trained_on} are the same or lie in one another; expected a text that is not "
            "trained on: move it to a place of its own, or leave --val out."
        )
    text = "".join(rare.substitute(block) for block in iter_blocks(path, options, FileStats(options.encoding)))
    if len(text) < 2:
        raise ValueError(f"{path} has {len(text)} characters; expected a text to hold out: name another with --val.")
    if len(text) > MAX_HELD_OUT:
        return text[:MAX_HELD_OUT], f"the first {MAX_HELD_OUT:,} characters of {path.name}"
    return text, f"the whole of {path.name}, {len(text):,} characters"


def own_held_out_warnings(train: Text, held_out: str, known: Collection[str]) -> list[str]:
    """What makes a held-out text of one's own tell little. known: the characters of the training text."""
    warnings = []
    if unknown := sorted(set(held_out) - set(known)):
        shown = " ".join(visible(char) for char in unknown[:12]) + (" ..." if len(unknown) > 12 else "")
        are = "character of what is held out is" if len(unknown) == 1 else "characters of what is held out are"
        warnings.append(f"{len(unknown)} {are} not in the training text: {shown}")
    lines = [line for line in held_out.split("\n") if len(line) >= LONG_LINE]
    trained_on = _lines_among(train, set(lines))
    share = sum(line in trained_on for line in lines) / max(1, len(lines))
    if share >= MUCH_COPIED:
        warnings.append(
            f"{100 * share:.0f} % of the lines that are held out are also in the training text, so the held-out loss "
            "is too low: hold out a text that is not trained on"
        )
    return warnings


def _lines_among(train: Text, wanted: set[str]) -> set[str]:
    """The lines that are wanted and stand in a text, which is searched in parts."""
    found, pending = set[str](), ""
    for start in range(0, len(train) if wanted else 0, SAMPLE_CHARS):
        *lines, pending = (pending + train[start : start + SAMPLE_CHARS]).split("\n")
        found |= wanted.intersection(lines)
    return found | ({pending} & wanted)


def unlike_warning(train: Text, held_out: str) -> str:
    """Says that what is held out is unlike the rest, "" if it is not."""
    like = likeness(train[:SAMPLE_CHARS], held_out)
    if like is None or not like.differs:
        return ""
    return (
        f"what is held out is unlike the rest: {like.part:.2f} nats per character by a bigram model, {like.usual:.2f} "
        "for parts of the rest; the held-out loss tells little about the text: choose another --val-place, or --val"
    )
