"""Calls of the Hub's client with a deadline and with retries, and which of its errors are worth one.

The client's errors have no common base class: HTTP errors (OSError), broken connections (httpx), a file that is not in
the cache (FileNotFoundError), failures of its upload threads (RuntimeError), refused arguments (ValueError), and a wait
of 400 digits (OverflowError).
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx is exported lazily

from hubcharlstm.errors import HubError

T = TypeVar("T")

ANSWER_SECONDS = 4.0
"""Deadline of the first answer of the Hub; later requests keep the client's own timeouts."""
MAX_PAUSE = 20.0
"""However long the Hub asks to wait, no single pause is longer."""
MAX_RETRY_AFTER = 86_400.0
TIMEOUT_VARIABLE = "HUBCHARLSTM_HUB_TIMEOUT"
OPERATION_SECONDS = 900.0
"""Deadline of a pull or of one commit, with all its requests, pauses and files, unless the variable says otherwise."""
MAX_OPERATION_SECONDS = 86_400.0
REPORT_SECONDS = 15.0
"""After so many seconds of waiting the log says so."""
CLIENT_ERRORS = (OSError, httpx.HTTPError, RuntimeError, ValueError, OverflowError)
UNEXPECTED_SHAPE = (LookupError, TypeError, AttributeError, json.JSONDecodeError)
"""What the client raises when it takes a response apart that has not the Hub's form."""


logger = logging.getLogger(__name__)
_operation_end: ContextVar[float | None] = ContextVar("operation_end", default=None)


class UnexpectedAnswerError(ValueError):
    """A response that is not the Hub's, such as the sign-in page of a hotel's network."""


@contextmanager
def checked_answers() -> Iterator[None]:
    """Raise `UnexpectedAnswerError` where the client fails on a response of another form than the Hub's."""
    try:
        yield
    except UNEXPECTED_SHAPE as error:
        raise UnexpectedAnswerError(
            f"something answers in another form than the Hub, {type(error).__name__}: {error}"
        ) from error


@contextmanager
def bounded_operation() -> Iterator[None]:
    """One deadline for all requests and pauses of the block; one within another keeps the deadline of the outer one."""
    if _operation_end.get() is not None:
        yield
        return
    before = _operation_end.set(time.monotonic() + operation_seconds())
    try:
        yield
    finally:
        _operation_end.reset(before)


def operation_seconds() -> float:
    """Seconds that a pull or one commit may take; raises `HubError` for a variable that is no such number."""
    value = os.environ.get(TIMEOUT_VARIABLE, "")
    if not value:
        return OPERATION_SECONDS
    if value.isascii() and value.isdecimal() and len(value) <= 5 and 1 <= int(value) <= MAX_OPERATION_SECONDS:
        return float(value)
    raise HubError(
        f"{TIMEOUT_VARIABLE} is {value[:40]!r}; expected whole seconds from 1 to {MAX_OPERATION_SECONDS:.0f}: correct "
        "it, or leave it out."
    )


def remaining_seconds() -> float:
    """Seconds until the deadline of the operation; infinite outside of one."""
    end = _operation_end.get()
    return float("inf") if end is None else max(0.0, end - time.monotonic())


def call_with_deadline(
    seconds: float, call: Callable[[], T], *, progress: Callable[[], int] | None = None, stall: float = 60.0
) -> T:
    """What `call` returns or raises; `TimeoutError` after `seconds`, or at the deadline of the operation.

    progress: bytes so far; where they stay the same for `stall` seconds, the call ends, too. The client's timeouts do
    not bound a whole request: the name lookup has none, each address of the name is tried for the full timeout, it
    sleeps for as long as the Hub asks, and a body may come byte by byte. The thread that waits is left behind as a
    daemon.
    """
    result: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            with checked_answers():
                result.set_result(context.run(call))
        except BaseException as error:
            result.set_exception(error)

    start = grown = time.monotonic()
    reported, arrived, limit = start, 0, min(seconds, remaining_seconds(), operation_seconds())
    threading.Thread(target=run, daemon=True).start()
    while True:
        now = time.monotonic()
        if progress is not None and (count := progress()) != arrived:
            arrived, grown = count, now
        remaining = min(start + limit, grown + stall if progress is not None else float("inf")) - now
        if remaining <= 0 and not result.done():
            hint = f" ({TIMEOUT_VARIABLE} allows more)" if limit < seconds else ""
            answer = f"no answer within {round(limit, 1):g} seconds{hint}"
            what = answer if now >= start + limit else f"{stall:g} seconds of silence"
            raise TimeoutError(what)
        if now - reported >= REPORT_SECONDS:
            reported = now
            logger.warning("Waiting for the Hub for %.0f seconds, at most %.0f.", now - start, limit)
        try:
            return result.result(timeout=max(0.0, min(remaining, REPORT_SECONDS if progress is None else 0.5)))
        except TimeoutError:
            if result.done():  # the call has raised it, or has ended since the wait did
                return result.result()


def pause_before_retry(seconds: float, error: BaseException) -> None:
    """Sleep for `seconds` or as long as the Hub asks, `MAX_PAUSE` at most; raises `error` where no time is left."""
    wait = min(MAX_PAUSE, max(seconds, retry_after(error)))
    if wait >= remaining_seconds():
        raise error
    if wait >= 4:
        logger.warning("The Hub is busy; trying again in %.0f seconds.", wait)
    time.sleep(wait)


def with_retries(call: Callable[[], T], *, pauses: Sequence[float]) -> T:
    """What `call` returns, called again after each of `pauses` (seconds) while its error is transient.

    A Hub that cannot be reached at all gets no second call: the user would wait in vain.
    """
    for pause in pauses:
        try:
            return call_with_deadline(float("inf"), call)
        except CLIENT_ERRORS as error:
            if not is_transient(error) or is_unreachable(error):
                raise
            pause_before_retry(pause, error)
    return call_with_deadline(float("inf"), call)


def is_unreachable(error: BaseException) -> bool:
    """Whether no connection was made or nothing answered."""
    return any(
        isinstance(cause, httpx.ConnectError | httpx.TimeoutException | TimeoutError)
        for cause in (error, *causes(error))
    )


def is_transient(error: BaseException) -> bool:
    """Whether a later call may succeed: the connection failed, something else answered, or the Hub is busy."""
    for cause in (error, *causes(error)):
        if isinstance(cause, HfHubHTTPError):
            return cause.response.status_code in (408, 429) or cause.response.status_code >= 500
        if isinstance(cause, httpx.TransportError | ConnectionError | TimeoutError | UnexpectedAnswerError):
            return True
    return False


def retry_after(error: BaseException) -> float:
    """Seconds of the response's Retry-After header, a day at most; 0 without one."""
    if isinstance(error, HfHubHTTPError):
        header = error.response.headers.get("Retry-After", "")
        if header.isascii() and header.isdecimal():
            return MAX_RETRY_AFTER if len(header) > 5 else min(MAX_RETRY_AFTER, float(header))
    return 0.0


def causes(error: BaseException) -> list[BaseException]:
    """The chain of `__cause__`, nearest first."""
    chain: list[BaseException] = []
    while error.__cause__ is not None:
        chain.append(error := error.__cause__)
    return chain
