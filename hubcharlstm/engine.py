"""Continuous batching for many readers at once: requests join and leave between steps; ids only.

Policy (who joins, who makes room, who leaves) is `Schedule` and touches no tensor; mechanism is `Engine`.
A request's text does not depend on the others: its random stream is its own, its prompt is read alone in
chunks whose bounds depend on it alone, and in int8 its logits are the same to the bit in any batch.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Iterator

import numpy as np
import torch

from hubcharlstm.decoder import DamagedModelError, Decoder
from hubcharlstm.sampling import SamplingBatch, next_ids
from hubcharlstm.sequence import FinishReason, Request, Sequence
from hubcharlstm.stopping import Ids

logger = logging.getLogger(__name__)

MAX_ROWS = 256
MAX_WAITING = 1024
SHARE = 500
"""Characters after which a row makes room, if others wait; its state goes with it and comes back."""

WAIT_SECONDS = 0.1
"""How long a reader sleeps at most before it looks whether the engine is still alive."""


class BusyError(ValueError):
    """The engine has as many requests as it takes."""


class Reader(Iterator[Ids]):
    """One request at the engine, read from another thread: iterate for the ids that may be shown.

    `cancel()` frees its row within one step, and so does dropping the reader.
    """

    def __init__(self, job: _Job, engine: Engine) -> None:
        self._job, self._engine = job, engine
        self._finalizer = weakref.finalize(self, job.cancel)

    def __next__(self) -> Ids:
        while True:
            ids = self.take(WAIT_SECONDS)
            if ids:
                return ids
            if self.finish_reason is not None:
                raise StopIteration

    def take(self, timeout: float) -> Ids:
        """The ids that are ready, waiting up to `timeout` seconds for some; raises what ended the request."""
        job = self._job
        with job.changed:
            if not job.ready and not job.done:
                job.changed.wait(timeout)
            ids, job.ready = tuple(job.ready), []
            if job.error is not None and not ids:
                raise job.error
        if not ids and not job.done and not self._engine.alive:
            raise RuntimeError("The engine has ended; expected it to run: start the program again.")
        return ids

    def cancel(self) -> None:
        """End the request before its next character."""
        self._job.cancel()

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why it ended; None while characters may still come."""
        job = self._job
        with job.changed:
            return job.sequence.finish_reason if job.done and not job.ready else None

    @property
    def sequence(self) -> Sequence:
        """The request's progress; its own once the request has ended."""
        return self._job.sequence


class _Job:
    """What a reader and the engine share of a request."""

    def __init__(self, request: Request) -> None:
        self.sequence = Sequence(request)
        self.changed = threading.Condition()
        self.ready: list[int] = list(self.sequence.ready)
        self.sequence.ready.clear()
        self.error: Exception | None = None
        self.done = False
        self.cancelled = False
        self.since_joined = 0

    def cancel(self) -> None:
        self.cancelled = True

    def deliver(self, *, done: bool = False, error: Exception | None = None) -> None:
        with self.changed:
            self.ready += self.sequence.ready
            self.sequence.ready.clear()
            if done:
                self.done, self.error = True, error
            self.changed.notify_all()


class Schedule:
    """Who has a row, who is reading a prompt, who waits. First come, first served; a full share makes room."""

    def __init__(self, max_rows: int, max_waiting: int, share: int) -> None:
        self.max_rows, self.max_waiting, self.share = max_rows, max_waiting, share
        self.waiting: deque[_Job] = deque()
        self.reading: deque[_Job] = deque()  # their prompts are read in turn, a chunk at a time
        self.rows: list[_Job] = []

    def __len__(self) -> int:
        return len(self.waiting) + len(self.reading) + len(self.rows)

    def add(self, job: _Job) -> None:
        if len(self.waiting) >= self.max_waiting:
            raise BusyError(
                f"{len(self)} requests are being served or wait; expected fewer: try again in a few seconds."
            )
        self.waiting.append(job)

    def admit(self) -> None:
        """Let as many waiting jobs start as there are rows free."""
        while self.waiting and len(self.rows) + len(self.reading) < self.max_rows:
            self.reading.append(self.waiting.popleft())

    def must_yield(self) -> list[int]:
        """The rows, last first, that make room for those who wait."""
        wanted = len(self.waiting) - (self.max_rows - len(self.rows) - len(self.reading))
        had = [index for index, job in enumerate(self.rows) if job.since_joined >= self.share]
        had.sort(key=lambda index: -self.rows[index].since_joined)
        return sorted(had[: max(0, wanted)], reverse=True)


class Engine:
    """One thread that decodes for all readers; it starts with the first request and ends with `close`."""

    def __init__(
        self, decoder: Decoder, *, max_rows: int = MAX_ROWS, max_waiting: int = MAX_WAITING, share: int = SHARE
    ) -> None:
        self._decoder = decoder
        self._rows = decoder.rows(max_rows)
        self._schedule = Schedule(max_rows, max_waiting, share)
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._batch: SamplingBatch | None = None
        self._ids = torch.zeros(max_rows, dtype=torch.int64)

    def submit(self, request: Request) -> Reader:
        """Queue a request; raises `BusyError` at once if too many wait."""
        job = _Job(request)
        with self._changed:
            if self._closed:
                raise BusyError("The engine is closed; expected an open one: start the program again.")
            self._schedule.add(job)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="hubcharlstm-engine", daemon=True)
                self._thread.start()
            self._changed.notify()
        return Reader(job, self)

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def load(self) -> dict[str, int]:
        """How many rows are decoded, prompts read, and requests waiting."""
        with self._changed:
            schedule = self._schedule
            return {"rows": len(schedule.rows), "reading": len(schedule.reading), "waiting": len(schedule.waiting)}

    def close(self, timeout: float = 5.0) -> None:
        """Cancel all requests and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    # --- the worker ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        schedule = self._schedule
        while True:
            with self._changed:
                while not len(schedule) and not self._closed:
                    self._changed.wait()
                if self._closed:
                    everyone = [*schedule.waiting, *schedule.reading, *schedule.rows]
                    for queue in (schedule.waiting, schedule.reading, schedule.rows):
                        queue.clear()
                    for job in everyone:
                        self._end(job, "cancelled")
                    return
                self._drop_cancelled()
                for index in schedule.must_yield():
                    job = self._leave(index)
                    schedule.waiting.append(job)
                schedule.admit()
            self._read_a_chunk()
            self._step()

    def _drop_cancelled(self) -> None:
        schedule = self._schedule
        for queue in (schedule.waiting, schedule.reading):
            for job in [job for job in queue if job.cancelled]:
                queue.remove(job)
                self._end(job, "cancelled")
        for index in reversed(range(len(schedule.rows))):
            if schedule.rows[index].cancelled:
                self._end(self._leave(index), "cancelled")

    def _read_a_chunk(self) -> None:
        """Read one chunk of one prompt; a prompt that is read through takes a row."""
        schedule = self._schedule
        if not schedule.reading:
            return
        job = schedule.reading[0]
        sequence = job.sequence
        if sequence.finish_reason is not None:  # a stop string was complete in what an earlier call held back
            schedule.reading.popleft()
            self._end(job, sequence.finish_reason)
            return
        try:
            sequence.state, sequence.unread = self._decoder.prefill_chunk(sequence.unread, sequence.state)
        except Exception as error:  # whatever it is, it is this request's alone
            logger.exception("A request failed while its prompt was read.")
            schedule.reading.popleft()
            self._end(job, "cancelled", error)
            return
        if len(sequence.unread) > 1:
            schedule.reading.rotate(-1)
            return
        schedule.reading.popleft()
        row = len(schedule.rows)
        schedule.rows.append(job)
        self._rows.put(row, sequence.state)
        self._ids[row] = sequence.unread[0]
        sequence.state, job.since_joined, self._batch = None, 0, None

    def _step(self) -> None:
        jobs = self._schedule.rows
        count = len(jobs)
        if not count:
            return
        if self._batch is None:
            self._batch = SamplingBatch.of([job.sequence.request.sampling for job in jobs])
        logits = self._decoder.step(self._ids[:count].to(self._decoder.device), self._rows).cpu().numpy()
        uniforms = np.array([job.sequence.uniform() for job in jobs])
        ids = next_ids(logits, self._batch, uniforms)
        self._ids[:count] = torch.from_numpy(ids)
        for index in reversed(range(count)):
            job, new_id = jobs[index], int(ids[index])
            if new_id < 0:
                self._end(self._leave(index), "cancelled", DamagedModelError())
                continue
            job.sequence.accept(new_id)
            job.since_joined += 1
            if job.sequence.finish_reason is not None:
                self._end(self._leave(index), job.sequence.finish_reason)
            elif job.sequence.ready:
                job.deliver()

    def _leave(self, index: int) -> _Job:
        """Free a row: its state goes to the job, the last row takes its place."""
        jobs = self._schedule.rows
        job, last = jobs[index], len(jobs) - 1
        job.sequence.state = self._rows.get(index)
        if index != last:
            self._rows.move(last, index)
            self._ids[index] = self._ids[last]
            jobs[index] = jobs[last]
        jobs.pop()
        self._batch = None
        return job

    @staticmethod
    def _end(job: _Job, reason: FinishReason, error: Exception | None = None) -> None:
        if job.sequence.finish_reason is None:
            job.sequence.finish_reason = reason
        job.deliver(done=True, error=error)
