"""Encoding a long text: peak memory and characters per second, on a generated file.

`python -m benchmarks.long_corpus --megabytes 500` prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from training.data.corpus import load_corpus


def write(path: Path, megabytes: int) -> None:
    """Lines of random words, with accents, an emoji here and there, and both kinds of line ends."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyzäöüéñ", k=draw.randint(1, 9))) for _ in range(5000)]
    lines = [" ".join(draw.choices(words, k=12)) + draw.choice(["\n", "\r\n", " 🐍\n"]) for _ in range(12_000)]
    block = "".join(lines).encode()
    with path.open("wb") as file:
        for _ in range(megabytes * 10**6 // len(block)):
            file.write(block)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    megabytes = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.txt"
        write(path, megabytes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        started = time.perf_counter()
        corpus = load_corpus(str(path), store=Path(folder))
        seconds = time.perf_counter() - started
        chars = len(corpus.train) + len(corpus.held_out)
        size = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "bytes": size, "characters": chars, "different": len(corpus.chars), "seconds": round(seconds, 1),
                "characters_per_second": round(chars / seconds), "peak_MiB": round(peak), "before_MiB": round(before),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
