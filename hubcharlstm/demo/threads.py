"""Worker threads beside the ones that write replies: their cores and their priority."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.cores import available_cores

NICENESS = 10
"""Of a thread of low priority; replies are written at 0."""


@contextmanager
def compute_threads(count: int | None = None) -> Iterator[None]:
    """Up to `count` cores for a worker thread, by default all but one; its OpenMP team is released afterwards."""
    try:
        with openmp.num_threads(count or max_compute_threads()):
            yield
    finally:
        openmp.release_thread_team()


def max_compute_threads() -> int:
    """All cores but one, which the event loop needs."""
    return max(1, available_cores() - 1)


def lower_priority() -> None:
    """Let replies go before this thread; only Linux has priorities of single threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
