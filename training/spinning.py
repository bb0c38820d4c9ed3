"""How long OpenMP's threads spin between two products before they sleep: longer where nothing else runs.

A step of an LSTM has hundreds of products with some 30 us of other work between them. A thread that sleeps there is
late for each of them; one that spins takes a core from whatever else needs it (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

ALONE, SHARED = 3000, 1000
"""GOMP_SPINCOUNT: 3000 spins outlast that other work, 1000 do not."""
LOAD = Path("/proc/loadavg")
"""Linux: "0.52 0.58 0.59 2/97 12345", of which 2 is the number of threads that run or could run now, this one too."""
SAMPLES, INTERVAL = 10, 0.002
"""Their number, and the seconds between two: short, for every command waits for them."""


def num_running(load: Path = LOAD) -> int:
    """How many threads of this machine run or could run now, this one too; 0 on a system that does not tell."""
    try:
        return int(load.read_text(encoding="ascii").split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return 0


def spin_count(count: Callable[[], int] = num_running) -> int:
    """The GOMP_SPINCOUNT for what this machine does now: ALONE if no other thread runs in most samples, else SHARED."""
    alone = 0
    for _ in range(SAMPLES):
        alone += count() == 1
        time.sleep(INTERVAL)
    return ALONE if alone > SAMPLES // 2 else SHARED
