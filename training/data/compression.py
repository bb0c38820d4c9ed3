"""Open files for reading, decompressed if they are compressed: gzip, bzip2, xz, zstd."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

COMPRESSED: dict[bytes, tuple[str, str]] = {
    b"\x1f\x8b": ("gzip", "gz"),
    b"BZh": ("bzip2", "bz2"),
    b"\xfd7zXZ\0": ("xz", "xz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zst"),
}
"""First bytes -> (name, suffix)."""
SUFFIXES = tuple(f".{suffix}" for _, suffix in COMPRESSED.values())
PACKED_BYTES = 2**13
"""That are unpacked at once: zstd makes up to thirty thousand times as many of them."""


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
        unpacked = ZstdFile(raw)
    except ModuleNotFoundError:
        raise ValueError(
            f"{name} is compressed with zstd and the package zstandard is not installed; expected one of them: unpack "
            "it, or run `pip install zstandard`."
        ) from None
    return io.BufferedReader(unpacked)


class ZstdFile(io.RawIOBase):
    """The content of a zstd file of one or several frames; `EOFError` where it is damaged or cut.

    The readers of zstandard end without a word where a frame is cut.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._raw, self._zstandard = raw, zstandard
        self._frame: Any = None  # the one whose beginning has been unpacked
        self._packed, self._content = b"", memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._content:
            packed = self._packed or self._raw.read(PACKED_BYTES)
            if not packed and self._frame is not None:
                raise EOFError("it ends within a frame")
            if not packed:
                return 0
            self._unpack(packed)
        count = min(len(buffer), len(self._content))
        buffer[:count] = self._content[:count]
        self._content = self._content[count:]
        return count

    def _unpack(self, packed: bytes) -> None:
        if self._frame is None:
            self._frame = self._zstandard.ZstdDecompressor().decompressobj()
        try:
            self._content = memoryview(self._frame.decompress(packed))
        except self._zstandard.ZstdError as error:
            raise EOFError(str(error)) from None
        self._packed = b""
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None
