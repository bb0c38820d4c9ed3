"""A long text in shards, as tests need one: with ids in an order of its own."""

from __future__ import annotations

from pathlib import Path

from training.data.sharded_text import ShardedText, Shards
from training.data.shards import Manifest, ShardWriter
from training.data.text_files import FileStats


def sharded(text: str, folder: Path, *, shard_chars: int = 100, block_chars: int = 37) -> ShardedText:
    """The text in shards of about `shard_chars` characters."""
    writer = ShardWriter(
        folder, Manifest(source="a test", fingerprint="", stats=FileStats("utf-8")), shard_chars=shard_chars
    )
    writer.write("".join(sorted(set(text), reverse=True)))
    start = writer.length
    for begin in range(0, len(text), block_chars):
        writer.write(text[begin : begin + block_chars])
    writer.complete(FileStats("utf-8"))
    shards = Shards(folder, writer.manifest)
    return ShardedText(shards, writer.manifest.chars, [(start, len(shards))])
