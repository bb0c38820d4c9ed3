"""Importing many modules without searches for garbage among the objects that they make."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Collect no garbage in this block.

    What modules make while they are imported lives on, and is so much that Python searches all of it several times: a
    fifteenth of the time until a text begins (benchmarks/RESULTS.md).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
