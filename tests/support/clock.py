"""A clock that a test sets."""

from __future__ import annotations


class ManualClock:
    """Monotonic seconds; a test adds to `now`."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now
