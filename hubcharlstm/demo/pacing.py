"""A stream of text in step with the clock, without holding up the event loop."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator

from hubcharlstm.generation import TextStream

CHARACTERS_PER_SECOND = 100
"""The pace of reading along."""

UPDATE_SECONDS = 1 / 15
"""Time between two updates of the page; more often costs the server more than a reader sees."""


async def paced(stream: TextStream, *, full_speed: bool = False) -> AsyncGenerator[str, None]:
    """What `stream` writes, in pieces of one update each: at `CHARACTERS_PER_SECOND`, or as fast as it goes.

    The stream is cancelled when the reader leaves early (the generator is closed or its task cancelled).
    """
    started = time.monotonic()
    written = 0
    try:
        while stream.finish_reason is None:
            due = int((time.monotonic() - started) * CHARACTERS_PER_SECOND) - written
            if full_speed or due > 0:
                piece = await asyncio.to_thread(take, stream, None if full_speed else due)
                written += len(piece)
                if piece:
                    yield piece
            if not full_speed:
                await asyncio.sleep(UPDATE_SECONDS)
    finally:
        stream.cancel()


def take(stream: TextStream, count: int | None) -> str:
    """The next `count` pieces of `stream` (None: without limit), or those that one update's time allows."""
    deadline = time.monotonic() + UPDATE_SECONDS
    taken = []
    for piece in itertools.islice(stream, count):
        taken.append(piece)
        if time.monotonic() >= deadline:
            break
    return "".join(taken)
