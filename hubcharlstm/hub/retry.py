"""What can go wrong with the Hub, and the one sentence for each; patience, and its end.

The client's failures come as families without a common root: refusals (OSError), broken connections (httpx's), what
is not in the cache (FileNotFoundError), what its upload threads raise (RuntimeError), and its own complaints
(ValueError, as ours are).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from huggingface_hub.errors import (
    HfHubHTTPError,
)
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx is exported lazily

T = TypeVar("T")

SECONDS = 4.0
"""For the first answer; after that the client's own limits hold."""
MAX_PAUSE = 20.0
CLIENT_ERRORS = (OSError, httpx.HTTPError, RuntimeError, ValueError)


# --- patience ----------------------------------------------------------------------------------------------------


def call_with_deadline(seconds: float, ask: Callable[[], T]) -> T:
    """What `ask` returns or raises, or `TimeoutError`.

    The limits of a request are no limit of its whole: a name is looked up without one, and each address of the name
    is tried for as long as the limit says.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.result(timeout=seconds)
    except TimeoutError as error:
        raise error if answer.done() else TimeoutError(f"no answer within {seconds:g} seconds") from None


def with_retries(call: Callable[[], T], *, pauses: Sequence[float]) -> T:
    """What `call` returns, called again after each pause while the Hub is busy or the connection breaks.

    A Hub that cannot be reached at all is not asked again: the user would wait for nothing.
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
    """Whether nobody answered at all."""
    causes = [error, *_causes(error)]
    return any(isinstance(cause, httpx.ConnectError | httpx.TimeoutException | TimeoutError) for cause in causes)


def is_transient(error: BaseException) -> bool:
    """Whether it may go well at another time: no connection, or a Hub that is busy."""
    for cause in (error, *_causes(error)):
        if isinstance(cause, HfHubHTTPError):
            return cause.response.status_code in (408, 429) or cause.response.status_code >= 500
        if isinstance(cause, httpx.TransportError | ConnectionError | TimeoutError):
            return True
    return False


def retry_after(error: BaseException) -> float:
    """The seconds that the Hub asks to wait, 0 where it does not say."""
    if isinstance(error, HfHubHTTPError):
        said = error.response.headers.get("Retry-After", "")
        return float(said) if said.isascii() and said.isdecimal() else 0.0
    return 0.0


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    while error.__cause__ is not None:
        causes.append(error := error.__cause__)
    return causes


# --- sentences ---------------------------------------------------------------------------------------------------
