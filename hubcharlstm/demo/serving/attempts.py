"""Wrong passwords of each network address, and how long it waits before the next attempt."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

MAX_WRONG, WITHIN_SECONDS = 10, 300.0
"""Wrong passwords of one address, and the time in which they count."""

MAX_ADDRESSES = 10_000
"""Addresses that are remembered; the one that was wrong longest ago is forgotten."""


class WrongPasswords:
    """When each address was wrong. Used by one event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def add(self, address: str) -> None:
        """An address was wrong once more."""
        self._times.setdefault(address, deque(maxlen=MAX_WRONG)).append(self._clock())
        self._times.move_to_end(address)
        if len(self._times) > MAX_ADDRESSES:
            self._times.popitem(last=False)

    def seconds_to_wait(self, address: str) -> int:
        """Whole seconds until an address may try again, 0 for at once."""
        times = self._times.get(address)
        if times is None or len(times) < MAX_WRONG:
            return 0
        return max(0, math.ceil(times[0] + WITHIN_SECONDS - self._clock()))
