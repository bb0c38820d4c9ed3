"""Damaged model folders, by the thousand: each works whole or is refused by one sentence.

    python -m benchmarks.mutations [COUNT] [FIRST] [--seconds S]

The number of a folder is its seed. Prints one line for each failure, with the number that repeats it, and counts of the
rest. --seconds: ends after that time, and says with which number to go on.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.hub.test_damaged_folders import sound_folders
from tests.support.mutations import OTHER_NUMBERS, check, damage


def main() -> None:
    parser = argparse.ArgumentParser(description="Damaged model folders: each works whole or is refused.")
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    arguments = parser.parse_args()
    first, end = arguments.first, arguments.first + arguments.count
    counts: Counter[str] = Counter()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        sound, other, fingerprint = sound_folders(root)
        for number in range(first, end):
            if time.monotonic() - start > arguments.seconds:
                end = number
                break
            folder, again = root / "damaged", root / "again"
            shutil.copytree(sound, folder)
            names = damage(folder, other, f"mutations {number}")
            try:
                outcome, is_other = check(folder, again, fingerprint)
                counts[outcome] += 1
                if is_other:  # such as a whole save of another model that was left behind, and finished
                    assert any(name in names for name in OTHER_NUMBERS), "works with other numbers"
                    counts["of these with other numbers"] += 1
            except Exception as error:
                counts["failed"] += 1
                print(f"{number}: {names}: {type(error).__name__}: {str(error)[:200]}", flush=True)
            for path in (folder, again):
                shutil.rmtree(path, ignore_errors=True)
    print(f"{first} to {end - 1} in {time.monotonic() - start:.0f} s: {dict(counts)}; next {end}")


if __name__ == "__main__":
    main()
