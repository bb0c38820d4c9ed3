"""Streams of text in step with the clock, without holding up the event loop or a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from hubcharlstm import BusyError

CHARACTERS_PER_SECOND = 100
"""The pace of reading along."""

UPDATE_SECONDS = 1 / 15
"""Time between two updates of the page; more often costs the server more than a reader sees."""

UPDATES_PER_SECOND = 450
"""Updates that the server sends in all; beyond that everyone's come less often rather than late."""

FIRST_LOOK = 0.004
"""Seconds between looks for the first character, which a visitor waits for."""

MAX_FOLLOWED = 200
"""Replies that are written at one time; the next visitor is told that the page is busy. Below Gradio's job slots."""

_following = 0
"""Replies that are being followed now; only the event loop's own thread counts them."""


def check_room() -> None:
    """Raise `BusyError` if the page writes as much as it can."""
    if _following >= MAX_FOLLOWED:
        raise BusyError(f"{_following} replies are being written; expected fewer: try again in a few seconds.")


class Stream(Protocol):
    """What is asked of a `TextStream`."""

    def ready(self) -> str: ...
    def cancel(self) -> None: ...
    @property
    def finish_reason(self) -> str | None: ...


async def follow(
    streams: Sequence[Stream], *, full_speed: bool = False, halted: Callable[[], bool] = lambda: False
) -> AsyncGenerator[list[str], None]:
    """What `streams` write, a piece of each at every update: at `CHARACTERS_PER_SECOND`, or as fast as it goes.

    Ends when all have ended and all is told, or once `halted()`. The streams are cancelled when the reader leaves
    early (the generator is closed or its task cancelled). Raises what ended a stream.
    """
    global _following
    waiting, told = [""] * len(streams), 0
    started: float | None = None
    _following += 1
    try:
        while not halted():
            waiting = [text + stream.ready() for text, stream in zip(waiting, streams, strict=True)]
            if started is None and any(waiting):
                started = time.monotonic()
            due = 0 if started is None else 1 + int((time.monotonic() - started) * CHARACTERS_PER_SECOND) - told
            pieces = [text if full_speed else text[: max(0, due)] for text in waiting]
            if any(pieces):
                waiting = [text[len(piece) :] for text, piece in zip(waiting, pieces, strict=True)]
                told += max(map(len, pieces))
                yield pieces
            if not any(waiting) and all(stream.finish_reason is not None for stream in streams):
                return
            pause = max(UPDATE_SECONDS, _following / UPDATES_PER_SECOND)
            await asyncio.sleep(FIRST_LOOK if started is None else pause)
    finally:
        _following -= 1
        for stream in streams:
            stream.cancel()
