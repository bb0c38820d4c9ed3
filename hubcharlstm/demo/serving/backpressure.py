"""Backpressure: Gradio buffers SSE messages without bound until a client reads them."""

from __future__ import annotations

import asyncio
import time
from typing import Self

import gradio as gr

from hubcharlstm.demo.errors import UserError
from hubcharlstm.demo.serving.gradio_compat import current_blocks, message_queues

MAX_PENDING_MESSAGES = 6
"""Messages that may wait in a session's queue; text that comes after that goes out with the next message."""

CLIENT_TIMEOUT = 30.0
"""Seconds without a read after which the client counts as gone."""


class BackpressureMonitor:
    """The message queue of one session of a served `gr.Blocks`; always empty if there is no session."""

    def __init__(self, demo: gr.Blocks | None, session: str) -> None:
        self._queues = message_queues(demo) if demo is not None and session else {}
        self._session = session
        self._had_queue = session in self._queues
        self._fewest, self._last_progress = 0, time.monotonic()

    @classmethod
    def of(cls, request: gr.Request | None) -> Self:
        """The monitor of the request that this task handles."""
        return cls(current_blocks(), (request and request.session_hash) or "")

    @property
    def pending(self) -> int:
        """Messages that the client has not read."""
        queue = self._queues.get(self._session)
        return queue.qsize() if queue is not None else 0

    @property
    def behind(self) -> bool:
        return self.pending > MAX_PENDING_MESSAGES

    def check(self) -> None:
        """Raise `UserError` if the client has disconnected, or has read nothing for `CLIENT_TIMEOUT` seconds."""
        pending, now = self.pending, time.monotonic()
        if pending == 0 or pending < self._fewest:
            self._last_progress = now
        self._fewest = pending
        has_disconnected = self._had_queue and self._session not in self._queues
        if has_disconnected or now - self._last_progress > CLIENT_TIMEOUT:
            raise UserError("Nobody reads what is written; expected a reader: ask again and read the answer's stream.")

    async def caught_up(self) -> None:
        """Wait until the client has read everything; raises as `check` does."""
        while self.pending:
            self.check()
            await asyncio.sleep(0.01)
