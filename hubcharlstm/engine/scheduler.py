"""Policy of the engine: which requests wait, prefill, run or pause. It touches no tensor."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from hubcharlstm.engine.sequence import EngineRequest
from hubcharlstm.errors import BusyError


class Scheduler:
    """First come, first served. Every unfinished request stands in exactly one of its four queues.

    A request that has used up its time slice is preempted if others wait; one whose client reads too slowly is paused.
    The scheduler alone changes the queues; others read them. Not thread-safe: the engine calls it under its lock.

    max_rows: requests that prefill or run at once. max_waiting: requests that may wait. time_slice: ids that a request
    samples before it can be preempted.
    """

    def __init__(self, max_rows: int, max_waiting: int, time_slice: int) -> None:
        self.max_rows, self.max_waiting, self.time_slice = max_rows, max_waiting, time_slice
        self._waiting: deque[EngineRequest] = deque()
        self._prefilling: list[EngineRequest] = []
        self._running: list[EngineRequest] = []
        self._paused: list[EngineRequest] = []

    @property
    def waiting(self) -> Sequence[EngineRequest]:
        """Requests that wait for a row, the next one first."""
        return self._waiting

    @property
    def prefilling(self) -> Sequence[EngineRequest]:
        """Requests whose prompts are being read, in the order of their admission."""
        return self._prefilling

    @property
    def running(self) -> Sequence[EngineRequest]:
        """Requests that are decoded, one row each."""
        return self._running

    @property
    def paused(self) -> Sequence[EngineRequest]:
        """Requests whose clients have yet to take what was sampled."""
        return self._paused

    def __len__(self) -> int:
        return len(self._waiting) + len(self._prefilling) + len(self._running) + len(self._paused)

    @property
    def load(self) -> dict[str, int]:
        """The length of each queue."""
        return {
            "running": len(self._running),
            "prefilling": len(self._prefilling),
            "waiting": len(self._waiting),
            "paused": len(self._paused),
        }

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""
        return not (self._waiting or self._prefilling or self._running)

    def add(self, request: EngineRequest) -> None:
        """Queue a request; raises `BusyError` if `max_waiting` others wait."""
        if len(self._waiting) >= self.max_waiting:
            raise BusyError(
                f"{len(self)} requests are being served or wait; expected fewer: try again in a few seconds."
            )
        self._waiting.append(request)

    def admit(self) -> list[EngineRequest]:
        """Move as many waiting requests to prefill as there are free rows -> those requests."""
        num_free = self.max_rows - len(self._running) - len(self._prefilling)
        admitted = [self._waiting.popleft() for _ in range(min(num_free, len(self._waiting)))]
        self._prefilling += admitted
        return admitted

    def start_running(self, request: EngineRequest) -> None:
        """Move a request from prefill to decoding."""
        self._prefilling.remove(request)
        self._running.append(request)

    def select_preempted(self) -> list[EngineRequest]:
        """The running requests to preempt for those that wait: of those past their time slice the longest running."""
        num_needed = len(self._waiting) - (self.max_rows - len(self._running) - len(self._prefilling))
        if num_needed <= 0:
            return []
        past_slice = [request for request in self._running if request.num_sampled_since_admitted >= self.time_slice]
        past_slice.sort(key=lambda request: -request.num_sampled_since_admitted)
        return past_slice[:num_needed]

    def preempt(self, requests: Collection[EngineRequest]) -> None:
        """Move running requests behind the waiting ones."""
        for request in requests:
            self._running.remove(request)
            self._waiting.append(request)

    def pause(self, requests: Collection[EngineRequest]) -> None:
        """Set running requests aside until their clients have caught up."""
        for request in requests:
            self._running.remove(request)
            self._paused.append(request)
            request.paused = True

    def resume(self) -> None:
        """Let paused requests whose clients have caught up wait for a row, before newcomers."""
        resumed = [request for request in self._paused if request.below_low_watermark]
        for request in reversed(resumed):
            self._paused.remove(request)
            self._waiting.appendleft(request)
            request.paused = False

    def remove(self, request: EngineRequest) -> None:
        """Take out a request that has ended, wherever it is."""
        for queue in (self._waiting, self._prefilling, self._running, self._paused):
            if request in queue:
                queue.remove(request)

    def remove_cancelled(self) -> list[EngineRequest]:
        """Take out and return the requests that their clients have cancelled."""
        queues = (self._waiting, self._prefilling, self._paused, self._running)
        cancelled = [request for queue in queues for request in queue if request.cancelled]
        for request in cancelled:
            self.remove(request)
        return cancelled

    def remove_all(self) -> list[EngineRequest]:
        """Take out and return every request."""
        queues = (self._waiting, self._prefilling, self._paused, self._running)
        requests = [request for queue in queues for request in queue]
        for queue in queues:
            queue.clear()
        return requests
