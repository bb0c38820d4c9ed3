"""SIGKILL at random moments of each operation on the Hub: is the repository the old or the new one, and does a repeated
operation end well?

    python -m benchmarks.kill_hub --kills 100 --seed 0

Prints one line for each failure and counts of the rest. The Hub is the loopback one of the tests.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.fault_grid import FaultGrid
from tests.support.hub_operations import OPERATIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw, counts, start = random.Random(arguments.seed), Counter[str](), time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, FaultGrid(Path(temporary)) as grid:
        for number in range(arguments.kills):
            operation, share = OPERATIONS[number % len(OPERATIONS)], draw.random()
            outcome, wrong = grid.kill(operation, share)
            counts[outcome] += 1
            counts["failed"] += bool(wrong)
            if wrong:
                print(f"{operation.name} after {share:.2f} of its time: {'; '.join(wrong)}", flush=True)
    print(f"{arguments.kills} in {time.monotonic() - start:.0f} s: {dict(counts)}")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
