"""Preparing a long text: peak memory and characters per second, a restart after a kill, and another process; on a
generated file.

`python -m benchmarks.long_corpus --gigabytes 0.5` prints one JSON line. With `--shards` it also kills a preparation
halfway and lets the next one go on, loads the finished text again, reads windows from it as a training does, flips a
byte, and says what 100 GB take at the same rates. `--parquet` writes the text as Parquet.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from training.data.corpus import load_corpus
from training.data.shards import MANIFEST, Manifest

PAPER_BYTES = 10**11
ROWS, STEPS, WINDOW = 32, 200, 129
SELF = "benchmarks.long_corpus"


def block() -> str:
    """Lines of random words, with accents, an emoji here and there, and both kinds of line ends."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyzäöüéñ", k=draw.randint(1, 9))) for _ in range(5000)]
    return "".join(" ".join(draw.choices(words, k=12)) + draw.choice(["\n", "\r\n", " 🐍\n"]) for _ in range(12_000))


def write(path: Path, size: int) -> None:
    """About `size` bytes of text, as a text file or by its name as Parquet."""
    text = block()
    data, count = text.encode(), max(1, size // len(text.encode()))
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        table = pyarrow.table({"text": text.split("\n")})
        with parquet.ParquetWriter(path, table.schema) as writer:
            for _ in range(count):
                writer.write_table(table)
        return
    with path.open("wb") as file:
        for _ in range(count):
            file.write(data)


class PeakMemory:
    """The most anonymous memory of this process while the `with` block lasts, MiB; mapped files are not counted."""

    def __enter__(self) -> PeakMemory:
        self.before = self.peak = anonymous_mib()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self.peak = max(self.peak, anonymous_mib())

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()


def anonymous_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def timed_load(path: Path, store: Path) -> dict[str, Any]:
    """What one preparation, or finding what is prepared, takes in this process."""
    started = time.perf_counter()
    with PeakMemory() as memory:
        corpus = load_corpus(str(path), store=store)
        loaded = time.perf_counter() - started
        checksum = corpus.sha256
    chars, seconds = len(corpus.train) + len(corpus.held_out), time.perf_counter() - started
    return {
        "characters": chars, "different": len(corpus.chars), "seconds": round(seconds, 1),
        "of_it_checksum": round(seconds - loaded, 1), "characters_per_second": round(chars / seconds),
        "peak_MiB": round(memory.peak), "before_MiB": round(memory.before), "sha256": checksum[:16],
    }  # fmt: skip


def killed_halfway(path: Path, store: Path, length: int) -> int:
    """Start a preparation in another process, kill it past half of `length` characters; how many lie in shards."""
    command = [sys.executable, "-m", SELF, "--prepare", str(path), str(store)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            found = [Manifest.load(file.parent) for file in store.glob(f"*/{MANIFEST}")]
            if any(manifest is not None and 2 * manifest.length > length for manifest in found):
                break
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return sum(manifest.length for file in store.glob(f"*/{MANIFEST}") if (manifest := Manifest.load(file.parent)))


def window_seconds(path: Path, store: Path) -> dict[str, float]:
    """Windows of ROWS rows from all over the text, as a training reads them: the first, and the others on average."""
    corpus = load_corpus(str(path), store=store)
    assert not isinstance(corpus.train, str)
    ids, row = corpus.train.ids, len(corpus.train) // ROWS
    seconds = []
    for step in range(STEPS):
        started = time.perf_counter()
        ids[step * WINDOW + np.arange(WINDOW)[:, None] + np.arange(ROWS) * row]
        seconds.append(time.perf_counter() - started)
    return {"first_ms": round(1000 * seconds[0], 1), "others_ms": round(1000 * sum(seconds[1:]) / (STEPS - 1), 3)}


def refusal(path: Path, store: Path) -> str:
    """What is said of a flipped byte."""
    [shard, *_] = sorted(store.rglob("shard-*.ids"))
    with shard.open("r+b") as file:
        file.seek(shard.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    try:
        load_corpus(str(path), store=store)
    except ValueError as error:
        return str(error)
    return "nothing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.5)
    parser.add_argument("--megabytes", type=float, default=None, help="instead of --gigabytes")
    parser.add_argument("--shards", action="store_true", help="also restart, second load, windows, damage, 100 GB")
    parser.add_argument("--parquet", action="store_true", help="as Parquet instead of a text file")
    parser.add_argument("--folder", type=Path, default=None, help="on whose disk all lies (default: the temporary one)")
    parser.add_argument("--prepare", nargs=2, type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        timed_load(*options.prepare)
        return
    size = 1e6 * options.megabytes if options.megabytes else 1e9 * options.gigabytes
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / ("long.parquet" if options.parquet else "long.txt")
        write(path, int(size))
        store, results = Path(folder) / "shards", {"bytes": path.stat().st_size}
        results |= {"prepare": timed_load(path, store)}
        results |= {"shards_bytes": sum(file.stat().st_size for file in store.rglob("shard-*.ids"))}
        if options.shards:
            results |= {"again": timed_load(path, store), "windows": window_seconds(path, store)}
            other = Path(folder) / "killed"
            results |= {"killed_at": killed_halfway(path, other, results["prepare"]["characters"])}
            results |= {"restart": timed_load(path, other)}
            assert results["restart"]["sha256"] == results["prepare"]["sha256"]
            factor = PAPER_BYTES / results["bytes"]
            results |= {
                "damage": refusal(path, store),
                "hours_of_100_GB": round(factor * results["prepare"]["seconds"] / 3600, 2),
                "shards_of_100_GB": round(factor * results["shards_bytes"] / 1e9, 1),
            }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
