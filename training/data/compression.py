"""Open files for reading, decompressed if they are compressed: gzip, bzip2, xz, zstd."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

COMPRESSED: dict[bytes, tuple[str, str]] = {
    b"\x1f\x8b": ("gzip", "gz"),
    b"BZh": ("bzip2", "bz2"),
    b"\xfd7zXZ\0": ("xz", "xz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zst"),
}
"""First bytes -> (name, suffix)."""
SUFFIXES = tuple(f".{suffix}" for _, suffix in COMPRESSED.values())


def compression_of(first: bytes) -> str | None:
    """The name of the compression of a file that begins with these bytes."""
    return next((name for magic, (name, _) in COMPRESSED.items() if first.startswith(magic)), None)


@contextmanager
def decompressed(raw: IO[bytes], name: str) -> Iterator[tuple[IO[bytes], str | None]]:
    """A seekable file's content and its compression, None for none; `name` is for messages.

    Raises `ValueError` while it is read if the file is damaged, and at once if a decompressor is missing.
    """
    first = raw.read(6)
    raw.seek(0)
    kind = compression_of(first)
    try:
        yield (_opened(raw, kind, name), kind) if kind else (raw, None)
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{name} is a damaged {kind} file ({error}); expected a whole one: pack it again.") from None
    except OSError as error:
        if kind == "bzip2" and error.errno is None:
            raise ValueError(
                f"{name} is a damaged {kind} file ({error}); expected a whole one: pack it again."
            ) from None
        raise


def _opened(raw: IO[bytes], kind: str, name: str) -> IO[bytes]:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]  # it is no IO[bytes] in typeshed
    if kind == "bzip2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return lzma.LZMAFile(raw)
    try:
        import zstandard
    except ModuleNotFoundError:
        raise ValueError(
            f"{name} is compressed with zstd and the package zstandard is not installed; expected one of them: unpack "
            "it, or run `pip install zstandard`."
        ) from None
    opened: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return opened
