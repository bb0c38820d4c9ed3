"""Policy of the engine: who has a row, who is reading a prompt, who waits, who rests. It touches no tensor."""

from __future__ import annotations

from collections import deque

from hubcharlstm.engine.sequence import EngineRequest
from hubcharlstm.errors import BusyError


class Scheduler:
    """First come, first served; a full share makes room for those who wait, and a full reader for anyone."""

    def __init__(self, max_rows: int, max_waiting: int, time_slice: int) -> None:
        self.max_rows, self.max_waiting, self.time_slice = max_rows, max_waiting, time_slice
        self.waiting: deque[EngineRequest] = deque()
        self.prefilling: deque[EngineRequest] = deque()  # their prompts are read in turn, a chunk at a time
        self.running: list[EngineRequest] = []
        self.paused: list[EngineRequest] = []

    def __len__(self) -> int:
        return len(self.waiting) + len(self.prefilling) + len(self.running) + len(self.paused)

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.prefilling or self.running)

    def add(self, job: EngineRequest) -> None:
        """Let it wait; raises `BusyError` if too many do."""
        if len(self.waiting) >= self.max_waiting:
            raise BusyError(
                f"{len(self)} requests are being served or wait; expected fewer: try again in a few seconds."
            )
        self.waiting.append(job)

    def wake(self) -> None:
        """Those who rested and whose readers have caught up wait for a row again, before newcomers."""
        woken = [job for job in self.paused if job.below_low_watermark]
        for job in reversed(woken):
            self.paused.remove(job)
            self.waiting.appendleft(job)
            job.paused = False

    def admit(self) -> None:
        """Let as many waiting jobs start as there are rows free."""
        while self.waiting and len(self.running) + len(self.prefilling) < self.max_rows:
            self.prefilling.append(self.waiting.popleft())

    def select_preempted(self) -> list[int]:
        """The rows, last first, that make room for those who wait."""
        wanted = len(self.waiting) - (self.max_rows - len(self.running) - len(self.prefilling))
        if wanted <= 0:
            return []
        had = [index for index, job in enumerate(self.running) if job.since_joined >= self.time_slice]
        had.sort(key=lambda index: -self.running[index].since_joined)
        return sorted(had[:wanted], reverse=True)

    def take_cancelled(self) -> list[EngineRequest]:
        """Those without a row who were cancelled, taken out."""
        gone = [job for queue in (self.waiting, self.prefilling, self.paused) for job in queue if job.cancelled]
        for job in gone:
            for queue in (self.waiting, self.prefilling, self.paused):
                if job in queue:
                    queue.remove(job)
        return gone

    def take_all(self) -> list[EngineRequest]:
        """Everyone, taken out."""
        everyone = [*self.waiting, *self.prefilling, *self.paused, *self.running]
        for queue in (self.waiting, self.prefilling, self.paused, self.running):
            queue.clear()
        return everyone
