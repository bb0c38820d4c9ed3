"""Shards: a long text as files of ids, each with its checksum, and a manifest that tells how far they reach."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from training.data.encoded import Array, code_points, smallest_dtype
from training.data.text_files import FileStats

SHARD_CHARS = 2**24
"""After so many characters a shard ends, with the block of text that it holds then;"""
SHARE_OF_SOURCE = 128
"""after more if the source is large: each shard that is mapped takes one of the files that a process may have open."""
MANIFEST = "manifest.json"
VERSION = 1
LINE_FEED = "\n"
BLOCK_BYTES = 2**20
NUM_POINTS = 0x110000


class ShardInfo(BaseModel):
    """A shard that is whole. length: characters. num_lines: lines that begin in it, as `splitting.line_starts`."""

    model_config = ConfigDict(frozen=True, strict=True)

    file: str
    length: int
    num_lines: int
    dtype: str
    sha256: str


class Manifest(BaseModel):
    """What the shards of a folder hold. chars: by id. counts: of each.

    file: the file of the source that the next shard begins in, file_chars: how many of its characters the shards hold,
    stats: of the files before it; of all of them once the manifest is complete.
    """

    model_config = ConfigDict(strict=True)

    version: int = VERSION
    source: str
    fingerprint: str
    chars: str = ""
    counts: list[int] = []
    shards: list[ShardInfo] = []
    file_starts: list[int] = []
    ends_in_break: bool = False
    file: int = 0
    file_chars: int = 0
    stats: FileStats
    is_complete: bool = False

    @property
    def length(self) -> int:
        """Characters of all shards."""
        return sum(shard.length for shard in self.shards)

    @property
    def num_lines(self) -> int:
        """Lines of all shards; the first one begins without a line break before it."""
        return 1 + sum(shard.num_lines for shard in self.shards)

    @property
    def char_counts(self) -> Counter[str]:
        """How often each character occurs."""
        return Counter({char: count for char, count in zip(self.chars, self.counts, strict=True) if count})

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """Of a folder of shards; None if there is none that this user may read, or one of another version."""
        try:
            manifest = cls.model_validate_json((folder / MANIFEST).read_bytes())
        except (FileNotFoundError, NotADirectoryError, PermissionError, ValidationError):
            return None
        return manifest if manifest.version == VERSION and len(manifest.chars) == len(manifest.counts) else None

    def save(self, folder: Path) -> None:
        """Write it atomically, after the shards that it names."""
        unfinished = folder / f".{MANIFEST}.new"
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(self.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(folder / MANIFEST)


class ShardWriter:
    """Appends blocks of text to the shards of a manifest, which is saved with each shard that is whole.

    shard_chars: characters after which a shard ends.
    """

    def __init__(self, folder: Path, manifest: Manifest, shard_chars: int) -> None:
        self.folder, self.manifest, self._shard_chars = folder, manifest, shard_chars
        folder.mkdir(parents=True, exist_ok=True)
        self._ids_by_point = np.full(NUM_POINTS, -1, dtype=np.int32)
        points = [ord(char) for char in manifest.chars]
        self._ids_by_point[points] = np.arange(len(points))
        self._chars = list(manifest.chars)
        self._counts = np.array(manifest.counts, dtype=np.int64)
        self.length, self._ends_in_break = manifest.length, manifest.ends_in_break
        self.file, self.file_chars, self.stats = manifest.file, manifest.file_chars, manifest.stats
        self._starts: list[int] = []  # that no saved manifest has yet
        self._output: IO[bytes] | None = None

    def begin_file(self, file: int, stats: FileStats) -> None:
        """What follows belongs to file number `file` of the source; stats: of the files before it."""
        self.file, self.file_chars, self.stats = file, 0, stats

    def write(self, block: str, text_start: int | None = None) -> None:
        """Append a block of text. text_start: the place in it where the text of a file begins, if one does."""
        if not block:
            self._starts += [] if text_start is None else [self.length + text_start]
            return
        points = code_points(block)
        ids = self._ids_by_point[points]
        if ids.min() < 0:
            self._add(np.unique(points[ids < 0]))
            ids = self._ids_by_point[points]
        dtype = smallest_dtype(len(self._chars))
        if self._output and dtype is not self._dtype:
            self.end_shard()
        if self._output is None:
            self._begin_shard(dtype)
        assert self._output is not None
        if text_start is not None:  # not before: the shard that ended above may be all that is left of this process
            self._starts.append(self.length + text_start)
        data = ids.astype(self._dtype).tobytes()
        self._output.write(data)
        self._digest.update(data)
        self._counts += np.bincount(ids, minlength=len(self._chars))
        is_break = points == ord(LINE_FEED)
        self._num_lines += int(np.count_nonzero(is_break[:-1] & ~is_break[1:]))
        self._num_lines += bool(self._ends_in_break and not is_break[0])
        self._ends_in_break = bool(is_break[-1])
        self._shard_length += len(block)
        self.length += len(block)
        self.file_chars += len(block)
        if self._shard_length >= self._shard_chars:
            self.end_shard()

    def _add(self, points: NDArray[np.uint32]) -> None:
        self._ids_by_point[points] = len(self._chars) + np.arange(len(points))
        self._chars += map(chr, points.tolist())
        self._counts = np.concatenate([self._counts, np.zeros(len(points), dtype=np.int64)])

    def _begin_shard(self, dtype: type[np.unsignedinteger[Any]]) -> None:
        self._path = self.folder / f"shard-{len(self.manifest.shards):05}.ids"
        self._output = self._path.with_suffix(".new").open("wb")
        self._digest, self._dtype = hashlib.sha256(), dtype
        self._shard_length = self._num_lines = 0

    def end_shard(self) -> None:
        """Complete the shard that is being written, if there is one, and save the manifest."""
        if self._output is None:
            return
        self._output.flush()
        os.fsync(self._output.fileno())
        self._output.close()
        self._output = None
        self._path.with_suffix(".new").replace(self._path)
        self.manifest.shards.append(
            ShardInfo(
                file=self._path.name, length=self._shard_length, num_lines=self._num_lines,
                dtype=np.dtype(self._dtype).name, sha256=self._digest.hexdigest(),
            )
        )  # fmt: skip
        manifest = self.manifest
        manifest.file_starts += self._starts
        self._starts = []
        manifest.chars, manifest.counts = "".join(self._chars), self._counts.tolist()
        manifest.ends_in_break = self._ends_in_break
        manifest.file, manifest.file_chars, manifest.stats = self.file, self.file_chars, self.stats
        manifest.save(self.folder)

    def complete(self, stats: FileStats) -> None:
        """Note that the shards hold the whole text."""
        self.end_shard()
        self.manifest.stats, self.manifest.is_complete = stats, True
        self.manifest.save(self.folder)


def open_shard(folder: Path, info: ShardInfo) -> Array:
    """The ids of a shard (N,), memory-mapped, after its checksum was compared.

    Raises `ValueError` that names the shard if a byte of it has changed.
    """
    path, digest, fault = folder / info.file, hashlib.sha256(), "it is missing"
    if path.is_file():
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        fault = "its SHA-256 is not the one noted when it was written"
    if digest.hexdigest() != info.sha256:
        raise ValueError(
            f"The shard {path} is damaged ({fault}); expected it as it was prepared: delete the folder {folder}, and "
            "the text is prepared again."
        )
    return np.memmap(path, dtype=info.dtype, mode="r")
