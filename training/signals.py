"""A run that is asked to stop ends between two steps, with its checkpoint written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that SIGINT and SIGTERM append to: the run ends between two steps, at a second signal at once."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, ask)
    except ValueError:  # signals can be handled in the main thread only; elsewhere the caller has its own way
        pass
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
