"""Each kind of fault at each request of each operation on the Hub, by the real client over the loopback Hub.

    python -m benchmarks.hub_faults                    # all
    python -m benchmarks.hub_faults --part 1/2         # every second one, for two processes
    python -m benchmarks.hub_faults --seconds 600      # as many as that time allows, in the order of --seed
    python -m benchmarks.hub_faults --only "push an update: lost"

Prints one line for each failure and counts of the rest. Deadlines and pauses are shortened to about a second.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="1/1", help="K/N: every N-th case from the K-th on")
    parser.add_argument("--only", default="", help="cases whose name begins like this")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the cases")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after which no case begins")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    counts: Counter[str] = Counter()
    start, slowest = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory() as temporary, FaultGrid(Path(temporary)) as grid:
        cases = list(grid.cases(arguments.only))
        random.Random(arguments.seed).shuffle(cases)
        cases = cases[part - 1 :: parts]
        requests = {name: len(recording.requests) for name, recording in grid.recordings.items()}
        print(f"{len(cases)} cases; requests {requests}", flush=True)
        for number, case in enumerate(cases, 1):
            begun = time.monotonic()
            if begun - start > arguments.seconds:
                break
            outcome, wrong = grid.check(case)
            slowest = max(slowest, time.monotonic() - begun)
            counts["failed" if wrong else outcome] += 1
            if wrong:
                print(f"{case}: {'; '.join(wrong)}", flush=True)
            if number % 100 == 0:
                print(f"... {number} in {time.monotonic() - start:.0f} s: {dict(counts)}", flush=True)
    seconds = time.monotonic() - start
    print(f"{sum(counts.values())} cases in {seconds:.0f} s, the slowest {slowest:.1f} s: {dict(counts)}")
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
