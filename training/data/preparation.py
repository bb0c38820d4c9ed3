"""A text too long for memory -> shards in the cache: written once, resumed where it stopped, found again."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from training.data import shards
from training.data.cache import cache_folder, entry_name, locked
from training.data.rare_characters import RareCharacters
from training.data.sharded_text import LineStarts, ShardedText, Shards, line_starts_of, parts
from training.data.shards import Manifest, ShardWriter
from training.data.sources import fingerprint, total_bytes
from training.data.text_blocks import TextBlocks
from training.data.text_files import FileStats, ReadingOptions, iter_files

SUBSTITUTED = "substituted"
REPORT_SECONDS = 15.0

logger = logging.getLogger(__name__)


class PreparedText:
    """A text in shards, and what is known of it: as `TextBlocks`, with the text on disk."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._shards = Shards(folder, manifest)
        self.length, self.file_starts, self.stats = manifest.length, manifest.file_starts, manifest.stats

    @property
    def counts(self) -> Counter[str]:
        """How often each character occurs."""
        return self._manifest.char_counts

    @property
    def chars(self) -> tuple[str, ...]:
        """Its different characters, sorted."""
        return tuple(sorted(self.counts))

    @cached_property
    def line_starts(self) -> LineStarts:
        """See `splitting.line_starts`."""
        return line_starts_of(self._shards, self._manifest.chars)

    @property
    def file_names(self) -> Sequence[str]:
        """The paths of its files."""
        return self.stats.names

    def sample(self, size: int) -> str:
        """Its first `size` characters."""
        return ShardedText(self._shards, self._manifest.chars, [(0, min(size, self.length))])[:]

    def split(self, spans: Sequence[tuple[int, int]]) -> tuple[ShardedText, str]:
        """The text outside the spans, and the text within them."""
        return parts(self._shards, self._manifest.chars, spans)

    def substituted(self, rare: RareCharacters) -> PreparedText:
        """The same text without its rare characters, in shards that replace these one by one."""
        if not rare.table:
            return self
        folder = self._folder / SUBSTITUTED
        with locked(folder):
            manifest = _manifest_in(folder, self._manifest.source, self._manifest.fingerprint)
            if not manifest.is_complete:
                _substitute(self._folder, self._manifest, folder, manifest, rare)
        return PreparedText(folder, manifest)


def prepare(
    path: Path, options: ReadingOptions, min_count: int | None, *, max_chars: int, store: Path | None
) -> TextBlocks | PreparedText:
    """The text of a file, folder or pattern: in memory up to `max_chars` characters, else in shards.

    store: the folder that holds the shards, the cache unless given. min_count: see `RareCharacters`.
    """
    values = json.dumps([asdict(options), min_count], sort_keys=True)
    entry = (store or cache_folder() / "shards") / entry_name(path.name, str(path), values)
    found, manifest = fingerprint(path), Manifest.load(entry)
    if manifest is None or manifest.fingerprint != found:
        text = TextBlocks.of_files(path, options, max_chars=max_chars)
        if text is not None:
            return text
    with locked(entry):
        manifest = _manifest_in(entry, str(path), found)
        if not manifest.is_complete:
            _write(path, options, entry, manifest)
    return PreparedText(entry, manifest)


def _manifest_in(folder: Path, source: str, found: str) -> Manifest:
    """The manifest of a folder, a new one where the source has changed since."""
    manifest = Manifest.load(folder)
    if manifest is not None and manifest.fingerprint == found:
        return manifest
    if manifest is not None:
        logger.warning("%s has changed since it was prepared; it is prepared again.", source)
    shutil.rmtree(folder, ignore_errors=True)
    return Manifest(source=source, fingerprint=found, stats=FileStats("utf-8"))


def _write(path: Path, options: ReadingOptions, folder: Path, manifest: Manifest) -> None:
    """Write what the shards lack."""
    if manifest.shards:
        logger.info("Preparing %s goes on after %s characters, in %s.", path.name, f"{manifest.length:,}", folder)
    else:
        logger.info("Preparing %s, too long for memory, in %s ...", path.name, folder)
        manifest.stats = FileStats(options.encoding)
    shard_chars = max(shards.SHARD_CHARS, total_bytes(path) // shards.SHARE_OF_SOURCE)
    writer, started = ShardWriter(folder, manifest, shard_chars), time.monotonic()
    stats, first, to_skip, began_at = manifest.stats.copied(), manifest.file, manifest.file_chars, manifest.length
    reported = started
    for number, blocks in iter_files(path, options, stats, first=first):
        separator = "\n" if stats.files > 1 else ""
        for block, is_first in _with_separator(blocks, separator):
            missing = block[to_skip:]
            to_skip -= len(block) - len(missing)
            is_begun = is_first and not to_skip and len(missing) == len(block)
            writer.write(missing, len(separator) if is_begun else None)
            if (now := time.monotonic()) - reported >= REPORT_SECONDS:
                reported = now
                logger.info("  %s million characters", f"{writer.length / 1e6:,.0f}")
        to_skip = 0
        writer.begin_file(number + 1, stats.copied())
    writer.complete(stats)
    seconds = time.monotonic() - started
    rate = (manifest.length - began_at) / max(seconds, 1e-9) / 1e6
    logger.info(
        "Prepared %s: %s characters in %d shards, %.0f seconds, %.1f million characters per second.",
        path.name, f"{manifest.length:,}", len(manifest.shards), seconds, rate,
    )  # fmt: skip


def _with_separator(blocks: Iterator[str], separator: str) -> Iterator[tuple[str, bool]]:
    """The blocks of a file, the first one after the line break that parts it from the file before."""
    first = next(blocks, None)
    if first is None:  # a file without text, which begins where the next one does but for the line break
        yield separator, True
        return
    yield separator + first, True
    yield from ((block, False) for block in blocks)


def _substitute(folder: Path, base: Manifest, target: Path, manifest: Manifest, rare: RareCharacters) -> None:
    """Write each shard of `base` without rare characters to `target`, then delete it."""
    if not manifest.shards:
        manifest.chars = "".join(sorted(set(base.chars) - {chr(point) for point in rare.table}))
        manifest.counts = [0] * len(manifest.chars)
    logger.info("Substituting rare characters ...")
    writer, source = ShardWriter(target, manifest, base.length + 1), Shards(folder, base)
    for number in range(manifest.file, len(base.shards)):
        start, stop = (int(place) for place in source.starts[number : number + 2])
        text = ShardedText(source, base.chars, [(start, stop)])
        starts = [place - start for place in base.file_starts if start <= place < stop]
        for piece, is_start in _whole_pieces(text, starts):
            block = rare.substitute(piece)
            writer.write(block, 0 if is_start else None)
        writer.begin_file(number + 1, manifest.stats)
        writer.end_shard()
        (folder / base.shards[number].file).unlink(missing_ok=True)
    for shard in base.shards:  # one may be there if an earlier process was killed at this place
        (folder / shard.file).unlink(missing_ok=True)
    writer.complete(base.stats)


def _whole_pieces(text: ShardedText, starts: Sequence[int]) -> Iterator[tuple[str, bool]]:
    """A shard's text in pieces that end after white space or a file, and whether a file begins with one of them."""
    bounds = sorted({0, *starts, len(text)})
    for begin, end in pairwise(bounds):
        pending, is_start = "", begin in starts
        for place in range(begin, end, shards.BLOCK_BYTES):
            whole = pending + text[place : min(end, place + shards.BLOCK_BYTES)]
            cut = max(whole.rfind("\n"), whole.rfind(" ")) + 1
            pending = whole[cut:]
            if cut:
                yield whole[:cut], is_start
                is_start = False
        if pending:
            yield pending, is_start
