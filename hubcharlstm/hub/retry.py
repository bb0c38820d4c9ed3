"""Calls of the Hub's client with a deadline and with retries, and which of its errors are worth one.

The client's errors have no common base class: HTTP errors (OSError), broken connections (httpx), a file that is not in
the cache (FileNotFoundError), failures of its upload threads (RuntimeError), and refused arguments (ValueError).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx is exported lazily

T = TypeVar("T")

ANSWER_SECONDS = 4.0
"""Deadline of the first answer of the Hub; later requests keep the client's own timeouts."""
MAX_PAUSE = 20.0
CLIENT_ERRORS = (OSError, httpx.HTTPError, RuntimeError, ValueError)


def call_with_deadline(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; `TimeoutError` after `seconds`.

    The client's timeouts do not bound a whole request: the name lookup has none, and each address of the name is tried
    for the full timeout. The thread that waits is left behind as a daemon.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return result.result(timeout=seconds)
    except TimeoutError as error:
        raise error if result.done() else TimeoutError(f"no answer within {seconds:g} seconds") from None


def with_retries(call: Callable[[], T], *, pauses: Sequence[float]) -> T:
    """What `call` returns, called again after each of `pauses` (seconds) while its error is transient.

    A Hub that cannot be reached at all gets no second call: the user would wait in vain.
    """
    for pause in pauses:
        try:
            return call()
        except CLIENT_ERRORS as error:
            if not is_transient(error) or is_unreachable(error):
                raise
            time.sleep(min(MAX_PAUSE, max(pause, retry_after(error))))
    return call()


def is_unreachable(error: BaseException) -> bool:
    """Whether no connection was made or nothing answered."""
    return any(
        isinstance(cause, httpx.ConnectError | httpx.TimeoutException | TimeoutError)
        for cause in (error, *causes(error))
    )


def is_transient(error: BaseException) -> bool:
    """Whether a later call may succeed: the connection failed, or the Hub is busy."""
    for cause in (error, *causes(error)):
        if isinstance(cause, HfHubHTTPError):
            return cause.response.status_code in (408, 429) or cause.response.status_code >= 500
        if isinstance(cause, httpx.TransportError | ConnectionError | TimeoutError):
            return True
    return False


def retry_after(error: BaseException) -> float:
    """Seconds of the response's Retry-After header; 0 without one."""
    if isinstance(error, HfHubHTTPError):
        header = error.response.headers.get("Retry-After", "")
        return float(header) if header.isascii() and header.isdecimal() else 0.0
    return 0.0


def causes(error: BaseException) -> list[BaseException]:
    """The chain of `__cause__`, nearest first."""
    chain: list[BaseException] = []
    while error.__cause__ is not None:
        chain.append(error := error.__cause__)
    return chain
