"""The log of a Job, line by line, by a client that may wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from huggingface_hub import HfApi


def log_lines(job: str, namespace: str, has_ended: Callable[[], bool], *, quiet_seconds: float) -> Iterator[str]:
    """The lines of the log, up to the Job's end.

    The client asks for the log again and again where the stage is answered in a form that it does not know. So it reads
    in a thread, which is left behind as a daemon, and `has_ended` is called when no line came for `quiet_seconds`: what
    it raises ends the wait.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()
    end: Future[None] = Future()

    def fetch() -> None:
        try:
            for line in HfApi().fetch_job_logs(job_id=job, namespace=namespace, follow=True):
                lines.put(line)
            end.set_result(None)
        except BaseException as error:  # raised where the lines are read
            end.set_exception(error)
        lines.put(None)

    threading.Thread(target=fetch, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=quiet_seconds)
        except Empty:
            if has_ended():
                return
            continue
        if line is None:
            return end.result()
        yield line
