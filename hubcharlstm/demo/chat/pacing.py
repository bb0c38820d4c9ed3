"""Streams of text in step with the clock, without holding up the event loop or a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

CHARACTERS_PER_SECOND = 100
"""The pace of reading along."""

CATCH_UP = 2
"""Times that pace at which text comes that is late, since its beginning had to wait for others."""

UPDATE_SECONDS = 1 / 15
"""Time between two updates of the page; more often costs the server more than a reader sees."""

LONGER, LONGEST = 2.0, 1.0
"""At full speed each pause is so many times the one before, up to seconds: whoever waits for the end wants the end."""

UPDATES_PER_SECOND = 400
"""Updates that the server sends in all, of some 600 that it could: the rest of its time is for those who come."""

FIRST_LOOK = 0.004
"""Seconds between looks for the first character, which a visitor waits for."""

SHORT_LOOK = 0.04
"""Seconds between looks whether a text has ended, which whoever waits for it wants to know."""

LATE = 0.05
"""Seconds that an update comes after its time, from which on the server is taken to be slower than it was thought."""


class UpdatePacer:
    """The times at which updates are sent: one after the other for all readers, so that many have fewer each.

    The pace falls while updates come late, and recovers. Used by one event loop alone.
    """

    def __init__(self) -> None:
        self.readers = 0
        self._last = 0.0
        self._slower = 1.0

    async def tick(self, pause: float, ended: Callable[[], bool] | None = None) -> None:
        """Wait for `pause` seconds, and for the others who come first, but no longer once it has `ended`."""
        now = time.monotonic()
        self._last = due = max(now + pause, self._last + self._slower / UPDATES_PER_SECOND)
        while ended is not None and due - time.monotonic() > SHORT_LOOK:
            if ended():
                return
            await asyncio.sleep(SHORT_LOOK)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late = time.monotonic() - due > LATE
        self._slower = min(self._slower * 1.02, 10.0) if late else max(self._slower * 0.99, 1.0)

    async def look(self) -> None:
        """Wait for a moment: shorter than a person notices, longer where many do."""
        await asyncio.sleep(FIRST_LOOK * max(1.0, self.readers / 10))


class Stream(Protocol):
    """What is asked of a `TextStream`."""

    def read_available(self) -> str: ...
    def cancel(self) -> None: ...
    @property
    def finish_reason(self) -> str | None: ...


class Listener(Protocol):
    """Whether what is sent is also read."""

    def check(self) -> None: ...
    @property
    def behind(self) -> bool: ...
    async def caught_up(self) -> None: ...


async def follow(
    streams: Sequence[Stream],
    pacer: UpdatePacer,
    *,
    full_speed: bool = False,
    is_cancelled: Callable[[], bool] = lambda: False,
    monitor: Listener | None = None,
) -> AsyncGenerator[list[str], None]:
    """What `streams` write, a piece of each at every update: at `CHARACTERS_PER_SECOND`, or as fast as it goes.

    Ends when all have ended and all is told, or once `is_cancelled()`. The streams are cancelled when the reader leaves
    early (the generator is closed or its task cancelled). Raises what ended a stream, and `ValueError` if nobody reads.
    """
    waiting, told = [""] * len(streams), 0

    def take() -> bool:
        """Take what is written by now; True if that is all."""
        nonlocal waiting
        waiting = [text + stream.read_available() for text, stream in zip(waiting, streams, strict=True)]
        return all(stream.finish_reason is not None for stream in streams)

    asked, started = time.monotonic(), None
    pause = UPDATE_SECONDS
    pacer.readers += 1
    try:
        while not is_cancelled():
            if monitor is not None:
                monitor.check()
            done = take()
            if started is None and any(waiting):
                started = time.monotonic()
            due = 0 if started is None else paced(time.monotonic(), asked, started) - told
            pieces = [text if full_speed else text[: max(0, due)] for text in waiting]
            if any(pieces) and not (monitor is not None and monitor.behind):
                waiting = [text[len(piece) :] for text, piece in zip(waiting, pieces, strict=True)]
                told += max(map(len, pieces))
                yield pieces
                if full_speed:
                    pause = min(pause * LONGER, LONGEST)
            if done and not any(waiting):
                break
            early = full_speed and not done
            await (pacer.look() if started is None else pacer.tick(pause, take if early else None))
        if monitor is not None and not is_cancelled():
            await monitor.caught_up()
    finally:
        pacer.readers -= 1
        for stream in streams:
            stream.cancel()


def paced(now: float, asked: float, started: float) -> int:
    """Characters that a reader has by now: as many as since the question, once what came late is caught up with."""
    return 1 + int(min(now - asked, (now - started) * CATCH_UP) * CHARACTERS_PER_SECOND)
