"""The files of a corpus: one file, those of a folder, a pattern or a zip archive, each with its bytes."""

from __future__ import annotations

import glob
import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from training.data.compression import decompressed
from training.data.text_encoding import ARCHIVES, document_kind

BLOCK_BYTES = 2**20
OFFICE = {
    "word/document.xml": "a Word document",
    "mimetype": "an OpenDocument or EPUB file",
    "xl/workbook.xml": "an Excel table",
}
"""Members -> what an archive with them is."""
ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class SourceFile:
    """One file. name: its path within the corpus. open: its bytes as they lie there, seekable."""

    name: str
    shown: str
    open: Callable[[], IO[bytes]] = field(repr=False)

    @contextmanager
    def content(self) -> Iterator[tuple[IO[bytes], str | None]]:
        """Its decompressed bytes, and the compression that it had; `ValueError` if they cannot be read."""
        try:
            with self.open() as raw, decompressed(raw, self.shown) as opened:
                yield opened
        except OSError as error:
            raise ValueError(
                f"{self.shown} cannot be read ({error.strerror or error}); expected a text file: check its permissions."
            ) from None
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise ValueError(
                f"{self.shown} cannot be unpacked ({error}); expected a plain archive: unpack it yourself."
            ) from None

    def head(self, size: int = BLOCK_BYTES) -> bytes:
        """Its first bytes."""
        with self.content() as (file, _):
            return file.read(size)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes in blocks; an empty block marks the end."""
        with self.content() as (file, _):
            while data := file.read(BLOCK_BYTES):
                yield data
        yield b""


def source_files(path: Path) -> list[SourceFile]:
    """The files of a corpus in the order of their paths; hidden ones are left out.

    Raises `ValueError` for a document or an archive that is not read here, with what it is and what to do.
    """
    if is_pattern(path):
        folder = fixed_part(path)
        return _files_of(folder, folder.glob(str(path.relative_to(folder))))
    if path.is_dir():
        return _files_of(path, path.rglob("*"))
    single = _file(path, path.name)
    with single.content() as (file, _):
        first = file.read(512)
    if first.startswith(ZIP_MAGIC):
        return _members(path)
    kind = document_kind(first)
    if kind in ARCHIVES:
        raise ValueError(f"{path} is {kind}; expected text, or a zip archive of texts: unpack it and name the folder.")
    if kind is not None and not first.startswith(b"PAR1"):
        raise ValueError(f"{path} is {kind}; expected plain text: save its text as a .txt file first.")
    return [single]


def _files_of(folder: Path, paths: Iterable[Path]) -> list[SourceFile]:
    files = (path for path in sorted(paths) if path.is_file() and not is_hidden(path.relative_to(folder)))
    return [_file(file, str(file.relative_to(folder))) for file in files]


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern such as books/*.txt, not the name of a file or folder that is there."""
    return glob.has_magic(str(path)) and not path.exists()


def fixed_part(pattern: Path) -> Path:
    """The folder that a pattern names before its first wildcard."""
    parts = [part for part in (*reversed(pattern.parents), pattern) if not glob.has_magic(str(part))]
    return parts[-1] if parts else Path()


def _file(path: Path, name: str) -> SourceFile:
    return SourceFile(name, str(path), lambda: path.open("rb"))


def _members(path: Path) -> list[SourceFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is a damaged zip archive ({error}); expected a whole one: pack it again.") from None
    for name, kind in OFFICE.items():
        if name in names:
            raise ValueError(f"{path} is {kind}; expected plain text: save its text as a .txt file first.")
    return [_member(path, name) for name in names if not is_hidden(Path(name)) and not name.startswith("__MACOSX/")]


def _member(path: Path, name: str) -> SourceFile:
    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            yield member

    return SourceFile(name, f"{path}/{name}", opened)  # type: ignore[arg-type]  # a context manager is all that is asked of it


def is_hidden(path: Path) -> bool:
    """Whether a part of the path begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def fingerprint(path: Path) -> str:
    """A hash of the names, sizes and times of the files of a corpus: another one tells that it has changed."""
    stated = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _paths(path)]
    return hashlib.sha256(repr(stated).encode()).hexdigest()


def total_bytes(path: Path) -> int:
    """The size of all files of a corpus, as they lie there."""
    return sum(file.stat().st_size for file in _paths(path))


def _paths(path: Path) -> list[Path]:
    return [path] if path.is_file() else [Path(source.shown) for source in source_files(path)]
