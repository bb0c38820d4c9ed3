"""SIGINT and SIGTERM during a run: it stops between two steps, after it has saved a checkpoint."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether a signal has asked the run to stop; a second signal raises `KeyboardInterrupt`.

    patient: a second signal changes nothing. A launcher of several processes passes each Ctrl-C on once more, and kills
    what has not ended after half a minute.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.requested, self.patient = False, patient

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.requested and not self.patient:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def stop_on_signal(*, patient: bool = False) -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM while the context lasts, then restore the handlers that were set before."""
    stop, previous = StopRequest(patient=patient), {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, stop.handle)
    except ValueError:  # only the main thread can handle signals; on another one the caller stops the run its own way
        pass
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
