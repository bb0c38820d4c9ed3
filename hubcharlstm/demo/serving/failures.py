"""What the log holds of requests that fail: a bounded number of tracebacks, since strangers can provoke failures."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path

from starlette.exceptions import HTTPException

from hubcharlstm.demo.serving.middleware import App, Message, Receive, Scope, Send, refusal

logger = logging.getLogger(__name__)

MAX_TRACEBACKS, MAX_LINES = 20, 200
"""In the log within an hour: of failures, and of warnings that Uvicorn logs about requests."""

OWN_CODE, MIDDLEWARE = str(Path(__file__).parents[2]), str(Path(__file__).parent)


class Budget:
    """Admits `limit` events within any hour."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._admitted: deque[float] = deque()

    def admit(self) -> bool:
        now = self._clock()
        while self._admitted and now - self._admitted[0] > 3_600:
            self._admitted.popleft()
        if len(self._admitted) >= self._limit:
            return False
        self._admitted.append(now)
        return True


class FailureLog:
    """Logs failures: with a traceback where our own code has failed, in one line at level INFO otherwise."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._tracebacks = Budget(MAX_TRACEBACKS, clock)

    def log(self) -> None:
        """Log the exception that is being handled.

        One that Gradio raises on its own, before any handler of ours has begun, is about what the request holds.
        """
        error = sys.exception()
        if error is None:
            return
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        is_own = any(file.startswith(OWN_CODE) and not file.startswith(MIDDLEWARE) for file in files)
        if is_own and self._tracebacks.admit():
            logger.error("A request failed.", exc_info=error)
        else:
            logger.info("a request failed: %s: %r", type(error).__name__, str(error)[:200])


class FailureMiddleware:
    """Answers with status 500 what fails before it is answered, and logs it in place of Uvicorn."""

    def __init__(self, app: App, log: FailureLog) -> None:
        self.app, self.log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception:
            if scope["type"] != "http":
                raise
            self.log.log()
            if not has_begun:
                sentence = "The request failed; expected one that /gradio_api/info describes: correct it."
                await refusal(scope["path"], HTTPException(500, sentence))(scope, receive, send)


class LineBudget(logging.Filter):
    """Drops what a logger has to say about requests beyond `MAX_LINES` within an hour."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = Budget(MAX_LINES)

    def filter(self, record: logging.LogRecord) -> bool:
        return self._lines.admit()
