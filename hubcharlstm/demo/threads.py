"""Worker threads beside the ones that write replies: their cores and their priority."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.cores import available_cores

NICENESS = 10
"""Of a thread of low priority; replies are written at 0."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@contextmanager
def compute_threads(count: int | None = None) -> Iterator[None]:
    """Up to `count` cores for a worker thread, by default all but one; its OpenMP team is released afterwards."""
    try:
        with openmp.num_threads(count or max_compute_threads()):
            yield
    finally:
        openmp.release_thread_team()


def max_compute_threads() -> int:
    """All cores but one, which the event loop needs."""
    return max(1, available_cores() - 1)


def lower_priority() -> None:
    """Let replies go before this thread; only Linux has priorities of single threads."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


async def wait_in_daemon_thread(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """The result of a call that may wait for the Hub for minutes.

    Unlike `asyncio.to_thread` it takes none of the few threads in which replies end, and the process ends without it.
    """
    outcome: Future[Result] = Future()
    outcome.set_running_or_notify_cancel()
    context = copy_context()

    def run() -> None:
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    threading.Thread(target=run, name="hubcharlstm-hub", daemon=True).start()
    return await asyncio.wrap_future(outcome)
