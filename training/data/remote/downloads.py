"""Downloaded files on disk: which ones an entry of the cache holds, whole or in part, and whether there is room."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from training.data.cache import cache_folder, entry_name

RECORD = "download.json"
RESERVE = 2**28
"""Bytes that stay free on the disk."""
REPORT_SECONDS = 15.0

logger = logging.getLogger(__name__)


class DownloadError(ValueError):
    """A download that is refused here, whatever the server answers."""


class FileRecord(BaseModel):
    """A file that is whole. tag: its ETag, or the hash that the Hub lists; "" if the server names none."""

    model_config = ConfigDict(frozen=True, strict=True)

    size: int
    tag: str = ""
    modified: str = ""


class Download(BaseModel):
    """What an entry holds: its whole files by path. commit: of a dataset."""

    model_config = ConfigDict(strict=True)

    source: str
    commit: str = ""
    files: dict[str, FileRecord] = {}
    is_complete: bool = False

    @classmethod
    def load(cls, entry: Path, source: str) -> Download:
        """Of an entry; one that holds nothing if there is none, or a damaged one. Files that are gone are left out."""
        try:
            found = cls.model_validate_json((entry / RECORD).read_bytes())
        except (FileNotFoundError, ValidationError):
            return cls(source=source)
        whole = {name: file for name, file in found.files.items() if _has_size(entry / "files" / name, file.size)}
        complete = found.is_complete and len(whole) == len(found.files)
        return found.model_copy(update={"files": whole, "is_complete": complete})

    def save(self, entry: Path) -> None:
        """Write it atomically."""
        unfinished = entry / f".{RECORD}.new"
        unfinished.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        unfinished.replace(entry / RECORD)


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def entry_of(title: str, *identity: str) -> Path:
    """The folder in the cache for a download."""
    return cache_folder() / "downloads" / entry_name(title, *identity)


def checked_name(name: str, source: str) -> str:
    """A path as a server names it; raises `DownloadError` for one that could lie outside of a folder."""
    path = PurePosixPath(name)
    is_safe = not path.is_absolute() and not any(part in ("..", ".") or len(part.encode()) > 200 for part in path.parts)
    if not is_safe or not name or re.search(r"[\\:\0-\x1f\x7f]", name):
        raise DownloadError(
            f"{source} holds a file named {name[:80]!r}; expected a plain relative path: download the text yourself."
        )
    return name


def part_of(file: Path, tag: str) -> Path:
    """Where what has arrived of a file lies, which belongs to one version of it alone."""
    return file.with_name(f".{hashlib.sha256(tag.encode()).hexdigest()[:16]}.part")


def drop_other_files(folder: Path, names: Iterable[str]) -> None:
    """Delete what is not among `names`, such as parts of earlier versions."""
    wanted = {folder / name for name in names}
    for file in folder.rglob("*"):
        if file.is_file() and file not in wanted:
            file.unlink()


def check_room(folder: Path, needed: int, source: str) -> None:
    """Raise `DownloadError` unless the disk of `folder` has room for `needed` bytes."""
    free = shutil.disk_usage(folder).free - RESERVE
    if needed > free:
        raise DownloadError(
            f"{source} takes {in_megabytes(needed)} and the disk of {folder} has room for {in_megabytes(max(0, free))};"
            " expected room for it: free some, or set HUBCHARLSTM_CACHE to a folder on another disk."
        )


def in_megabytes(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def announce(count: int, size: int, what: str, entry: Path) -> None:
    """Say in the log what is downloaded, how large it is (-1 if the server does not tell), and where it goes."""
    if count:
        shown_size = in_megabytes(size) if size >= 0 else "of unknown size"
        logger.info("Downloading %s (%s) to %s ...", what, shown_size, entry)


class Progress:
    """Reports in the log how far a download is."""

    def __init__(self, whole: int | None) -> None:
        self.whole, self.reported = whole, time.monotonic()

    def report(self, arrived: int) -> None:
        """Note that so many bytes have arrived."""
        if (now := time.monotonic()) - self.reported >= REPORT_SECONDS:
            self.reported = now
            of_all = f" of {in_megabytes(self.whole)}" if self.whole else ""
            logger.info("  %s%s", in_megabytes(arrived), of_all)
