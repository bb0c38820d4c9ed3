"""Text files, compressed or not, folders and zip archives of them, Parquet -> blocks of normalized text."""

from __future__ import annotations

import codecs
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hubcharlstm.vocabulary import BYTE_ORDER_MARK, normalize
from training.data.chat_exports import find_chat
from training.data.formats import Parser, lines_of, parser_for
from training.data.licenses import MENTION, LicenseFilter
from training.data.parquet import PARQUET, is_parquet, parquet_texts
from training.data.sources import SourceFile, is_pattern, source_files
from training.data.text_encoding import SAMPLE_BYTES, document_kind, encoding_name, guess_encoding, marked_encoding
from training.data.undecodable import encoding_error, nul_error

HEAD_CHARS = 2**14
CHAT = "a chat, as turns without times"
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class ReadingOptions:
    """How files become text. encoding: "auto" finds each file's own. errors: "strict", "replace" or "ignore".

    text_column: of CSV, JSON lines and Parquet; None finds a usual one. include_license: keep what Project Gutenberg
    adds to its books.
    """

    encoding: str = "utf-8"
    errors: str = "strict"
    text_column: str | None = None
    include_license: bool = False
    plain: bool = False
    lowercase: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoding", encoding_name(self.encoding))
        if self.errors not in ("strict", "replace", "ignore"):
            raise ValueError(f"errors is {self.errors!r}; expected strict, replace or ignore: correct --errors.")


@dataclass
class FileStats:
    """What the files contain: how many there are, byte-order marks, and line ends before normalization.

    excluded: paths of files that are not text. encodings: of files in another encoding than asked for, by path.
    kinds: how many files were read by which parser. speakers: of chats, the number of turns by name. undecodable: how
    many places could not be decoded.
    """

    encoding: str
    files: int = 0
    names: list[str] = field(default_factory=list)
    compressed: Counter[str] = field(default_factory=Counter)
    excluded: list[str] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    speakers: Counter[str] = field(default_factory=Counter)
    license_chars: int = 0
    undecodable: int = 0
    nuls: int = 0
    num_boms: int = 0
    inner_boms: int = 0
    crlf: int = 0
    cr: int = 0
    lf: int = 0

    def copied(self) -> FileStats:
        """A copy that later files leave as it is. A deep one would visit every name before it, at each file."""
        return FileStats(**{name: copy.copy(value) for name, value in vars(self).items()})

    def warnings(self) -> list[str]:
        """What the user should know about the files."""
        warnings = []
        if self.excluded:
            warnings.append(f"left out {_files(len(self.excluded))} that hold no text: {_listed(self.excluded)}")
        if self.encodings:
            named = _listed([f"{name} ({encoding})" for name, encoding in self.encodings.items()])
            warnings.append(f"read {_files(len(self.encodings))} in another encoding than UTF-8: {named}")
        for kind, count in self.kinds.items():
            warnings.append(f"read {_files(count)} as {kind}; --plain reads the text as it is")
        if self.license_chars:
            warnings.append(
                f"left out {self.license_chars:,} characters of Project Gutenberg's license (see --include-license)"
            )
        if self.undecodable:
            warnings.append(f"{self.undecodable:,} places could not be decoded and were replaced or left out")
        if self.nuls:
            warnings.append(f"left out {self.nuls:,} NUL bytes")
        if self.inner_boms:
            warnings.append(f"dropped {self.inner_boms:,} byte-order marks inside the text, as joined files have them")
        return warnings


def iter_blocks(path: Path, options: ReadingOptions, stats: FileStats) -> Iterator[str]:
    """Iterate over the text of a file, folder, pattern or zip archive in normalized blocks; fills `stats` on the way.

    Several files are joined in order of their paths, with a line break between two; those that are not text are
    excluded. Raises `ValueError` with the byte's offset and advice if a single file is no text in its encoding.
    """
    for _, blocks in iter_files(path, options, stats):
        if stats.files > 1:
            yield "\n"
        yield from blocks


def iter_files(
    path: Path, options: ReadingOptions, stats: FileStats, *, first: int = 0
) -> Iterator[tuple[int, Iterator[str]]]:
    """Iterate over (number of the file from 0, its blocks), for the files that are text, as `iter_blocks`.

    first: the number of the file to begin with; `stats` then holds what the files before it gave.
    """
    files = source_files(path)
    is_single = len(files) == 1 and not (path.is_dir() or is_pattern(path))
    for number, file in enumerate(files[first:], start=first):
        if is_parquet(file):
            blocks, encoding = _parquet_blocks(file, options, stats), "utf-8"
        elif (found := _encoding_of(file, options, required=is_single)) is not None:
            blocks, encoding = _normal_blocks(file, found, options, stats), found
        else:
            stats.excluded.append(file.name)
            continue
        stats.files += 1
        stats.names.append(file.name)
        if options.encoding == "auto" and encoding != "utf-8":
            stats.encodings[file.name] = encoding
        yield number, blocks
    if not stats.files:
        raise ValueError(f"{path} holds no text file; expected at least one: put your texts there.")


def load_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of one file without its byte-order marks, not normalized."""
    options = ReadingOptions(encoding)
    (file,) = source_files(path)
    found = _encoding_of(file, options, required=True)
    assert found is not None
    return "".join(_decoded(file, found, options, FileStats(found)))


def _encoding_of(file: SourceFile, options: ReadingOptions, *, required: bool) -> str | None:
    """The encoding to read a file in; None, or if it is `required` `ValueError`, if it is not text."""
    head = file.head()
    marked = marked_encoding(head)
    if options.encoding == "auto":
        if marked or _is_utf8(file):
            return marked or "utf-8"
        guess = guess_encoding(head[:SAMPLE_BYTES])
        if guess is None and required:
            raise ValueError(
                f"{file.shown} fits no encoding that is known here; expected text: convert it to UTF-8 first."
            )
        return guess.name if guess else None
    if required:
        return options.encoding
    is_not_text = document_kind(head) is not None or (
        options.errors == "strict" and marked is None and _has_nul(file, options.encoding)
    )
    return None if is_not_text else options.encoding


def _is_utf8(file: SourceFile) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return all("\0" not in decoder.decode(data, final=not data) for data in file.chunks())
    except UnicodeDecodeError:
        return False


def _has_nul(file: SourceFile, encoding: str) -> bool:
    return not encoding.startswith(("utf-16", "utf-32")) and any(b"\0" in data for data in file.chunks())


def _normal_blocks(file: SourceFile, encoding: str, options: ReadingOptions, stats: FileStats) -> Iterator[str]:
    with file.content() as (_, compression):
        stats.compressed.update([compression] if compression else [])
    pieces = _decoded(file, encoding, options, stats)
    head = next(pieces, "")
    blocks = _counted(_chained(head, pieces), stats)
    parser = None if options.plain else _parser(_uncompressed_name(file.name, compression), head, options, stats)
    if parser is not None:
        blocks = _in_blocks(parser(lines_of(blocks)))
    elif not options.include_license and MENTION.search(head[:HEAD_CHARS]):
        blocks = _in_blocks(_without_license(blocks, stats))
    yield from _normalized(blocks, options)


def _parquet_blocks(file: SourceFile, options: ReadingOptions, stats: FileStats) -> Iterator[str]:
    stats.kinds[PARQUET] += 1
    yield from _normalized(_in_blocks(parquet_texts(file, options.text_column)), options)


def _normalized(blocks: Iterator[str], options: ReadingOptions) -> Iterator[str]:
    pending = ""  # after the last place where a cut splits neither a line end nor a combining sequence
    for block in blocks:
        text = pending + block
        cut = max(text.rfind("\n"), text.rfind(" ")) + 1
        pending = text[cut:]
        if cut:
            yield normalize(text[:cut], lowercase=options.lowercase)
    if pending:
        yield normalize(pending, lowercase=options.lowercase)


def _parser(name: str, head: str, options: ReadingOptions, stats: FileStats) -> Parser | None:
    """What makes text of a file that begins with `head`; None for plain text."""
    head = head[:HEAD_CHARS]
    found = parser_for(name, head, options.text_column, stats.speakers)
    if found is None and (chat := find_chat(head)) is not None:
        found = CHAT, lambda lines: chat.turns(lines, stats.speakers)
    if found is None:
        return None
    stats.kinds[found[0]] += 1
    return found[1]


def _without_license(blocks: Iterator[str], stats: FileStats) -> Iterator[str]:
    license_filter = LicenseFilter()
    yield from license_filter.filter(lines_of(blocks))
    stats.license_chars += license_filter.dropped


def _chained(head: str, pieces: Iterator[str]) -> Iterator[str]:
    yield head
    yield from pieces


def _in_blocks(pieces: Iterator[str]) -> Iterator[str]:
    """Many short pieces joined to fewer long ones."""
    block, length = [], 0
    for piece in pieces:
        block.append(piece)
        length += len(piece)
        if length >= HEAD_CHARS:
            yield "".join(block)
            block, length = [], 0
    yield "".join(block)


def _counted(blocks: Iterator[str], stats: FileStats) -> Iterator[str]:
    """The blocks, cut so that none ends within a line end, which is counted."""
    pending = ""
    for block in blocks:
        text = pending + block
        cut = len(text) - text.endswith("\r")
        pending, text = text[cut:], text[:cut]
        _count_line_ends(text, stats)
        if text:
            yield text
    _count_line_ends(pending, stats)
    if pending:
        yield pending


def _count_line_ends(text: str, stats: FileStats) -> None:
    crlf = text.count("\r\n")
    stats.crlf += crlf
    stats.cr += text.count("\r") - crlf
    stats.lf += text.count("\n") - crlf


def _decoded(file: SourceFile, encoding: str, options: ReadingOptions, stats: FileStats) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(options.errors)
    decoded_bytes, at_start, is_wide = 0, True, encoding.startswith(("utf-16", "utf-32"))
    for data in file.chunks():
        marked = marked_encoding(data) if at_start else None
        if marked not in (None, "utf-8") and encoding == "utf-8":
            raise ValueError(
                f"{file.shown} begins as a {marked.upper()} text does; expected UTF-8: read it with --encoding "
                f"{marked}."
            )
        buffered = len(decoder.getstate()[0])  # bytes of an incomplete character
        if b"\0" in data and not is_wide:
            if options.errors == "strict":
                raise nul_error(file, decoded_bytes + buffered + data.index(0), data)
            stats.nuls += data.count(0)
            data = data.replace(b"\0", b"")
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            byte, offset = error.object[error.start], decoded_bytes + error.start
            raise encoding_error(file, encoding, f"the byte 0x{byte:02x} at offset {offset}, which") from None
        except UnicodeError as error:  # UTF-16 or UTF-32 without a byte-order mark
            raise ValueError(
                f"{file.shown} is not {encoding} ({error}); expected {encoding} text: name its encoding, for example "
                f"--encoding {encoding}-le."
            ) from None
        decoded_bytes += buffered + len(data) - len(decoder.getstate()[0])
        stats.undecodable += max(0, text.count(REPLACEMENT) - data.count(REPLACEMENT.encode()))
        if at_start and text:
            at_start = False
            stats.num_boms += text.startswith(BYTE_ORDER_MARK) or marked not in (None, "utf-8")
            text = text.lstrip(BYTE_ORDER_MARK)
        if BYTE_ORDER_MARK in text:
            stats.inner_boms += text.count(BYTE_ORDER_MARK)
            text = text.replace(BYTE_ORDER_MARK, "")
        if text:
            yield text


def _uncompressed_name(name: str, compression: str | None) -> str:
    return name.rsplit(".", 1)[0] if compression and "." in name else name


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
