"""Policy of the engine: who has a row, who is reading a prompt, who waits, who rests. It touches no tensor."""

from __future__ import annotations

from collections import deque

from hubcharlstm.engine.sequence import Job
from hubcharlstm.errors import BusyError


class Schedule:
    """First come, first served; a full share makes room for those who wait, and a full reader for anyone."""

    def __init__(self, max_rows: int, max_waiting: int, share: int) -> None:
        self.max_rows, self.max_waiting, self.share = max_rows, max_waiting, share
        self.waiting: deque[Job] = deque()
        self.reading: deque[Job] = deque()  # their prompts are read in turn, a chunk at a time
        self.rows: list[Job] = []
        self.resting: list[Job] = []

    def __len__(self) -> int:
        return len(self.waiting) + len(self.reading) + len(self.rows) + len(self.resting)

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.reading or self.rows)

    def add(self, job: Job) -> None:
        """Let it wait; raises `BusyError` if too many do."""
        if len(self.waiting) >= self.max_waiting:
            raise BusyError(
                f"{len(self)} requests are being served or wait; expected fewer: try again in a few seconds."
            )
        self.waiting.append(job)

    def wake(self) -> None:
        """Those who rested and whose readers have caught up wait for a row again, before newcomers."""
        woken = [job for job in self.resting if job.has_room]
        for job in reversed(woken):
            self.resting.remove(job)
            self.waiting.appendleft(job)
            job.rests = False

    def admit(self) -> None:
        """Let as many waiting jobs start as there are rows free."""
        while self.waiting and len(self.rows) + len(self.reading) < self.max_rows:
            self.reading.append(self.waiting.popleft())

    def must_yield(self) -> list[int]:
        """The rows, last first, that make room for those who wait."""
        wanted = len(self.waiting) - (self.max_rows - len(self.rows) - len(self.reading))
        if wanted <= 0:
            return []
        had = [index for index, job in enumerate(self.rows) if job.since_joined >= self.share]
        had.sort(key=lambda index: -self.rows[index].since_joined)
        return sorted(had[:wanted], reverse=True)

    def take_cancelled(self) -> list[Job]:
        """Those without a row who were cancelled, taken out."""
        gone = [job for queue in (self.waiting, self.reading, self.resting) for job in queue if job.cancelled]
        for job in gone:
            for queue in (self.waiting, self.reading, self.resting):
                if job in queue:
                    queue.remove(job)
        return gone

    def take_all(self) -> list[Job]:
        """Everyone, taken out."""
        everyone = [*self.waiting, *self.reading, *self.resting, *self.rows]
        for queue in (self.waiting, self.reading, self.resting, self.rows):
            queue.clear()
        return everyone
