"""Is anybody reading? Gradio keeps what it sends to a session until it is read, however long that is."""

from __future__ import annotations

import asyncio
import time
from typing import Self

import gradio as gr
from gradio.context import LocalContext

from hubcharlstm.demo.errors import UserError

MAX_UNREAD = 6
"""Messages that may lie unread; text that comes then goes with the next one that is sent."""

PATIENCE = 30.0
"""Seconds after which nobody is taken to read any more."""


class BackpressureMonitor:
    """What lies unread in one session of a served `gr.Blocks`; nothing does where there is no session."""

    def __init__(self, demo: gr.Blocks | None, session: str) -> None:
        self._boxes = demo._queue.pending_messages_per_session if demo is not None and session else {}
        self._session = session
        self._had_box = session in self._boxes
        self._fewest, self._since = 0, time.monotonic()

    @classmethod
    def of(cls, request: gr.Request | None) -> Self:
        """Whoever sent the request that is being handled."""
        return cls(LocalContext.blocks.get(None), (request and request.session_hash) or "")

    @property
    def unread(self) -> int:
        box = self._boxes.get(self._session)
        return box.qsize() if box is not None else 0

    @property
    def behind(self) -> bool:
        return self.unread > MAX_UNREAD

    def check(self) -> None:
        """Raise `Problem` if the reader has left, or reads nothing for `PATIENCE` seconds."""
        unread, now = self.unread, time.monotonic()
        if unread == 0 or unread < self._fewest:
            self._since = now
        self._fewest = unread
        has_left = self._had_box and self._session not in self._boxes
        if has_left or now - self._since > PATIENCE:
            raise UserError("Nobody reads what is written; expected a reader: ask again and read the answer's stream.")

    async def caught_up(self) -> None:
        """Wait until all is read; raises as `check` does."""
        while self.unread:
            self.check()
            await asyncio.sleep(0.01)
