"""Continuous batching for many readers at once: requests join and leave between steps; ids only.

Policy (who joins, who makes room, who leaves) is `Schedule`, mechanism is `Prompts` and `Batch`; the engine is the
thread that runs them. A request's text does not depend on the others: its random stream is its own, in int8 its logits
are the same to the bit in any batch, and otherwise its prompt is read alone in chunks whose bounds depend on it alone.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Iterator

from hubcharlstm.decoding import openmp as threads
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.engine.model_runner import Batch
from hubcharlstm.engine.prefill import Done, Prompts, prompts_of
from hubcharlstm.engine.scheduler import Schedule
from hubcharlstm.engine.sequence import FinishReason, Job, Request, Sequence
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.errors import BusyError, EngineError

logger = logging.getLogger(__name__)

MAX_ROWS = 256
MAX_WAITING = 1024
SHARE = 500
"""Characters after which a row makes room, if others wait; its state goes with it and comes back."""

STUCK_SECONDS = 10.0
"""A step takes milliseconds; a GPU may be slow at its first."""

WAIT_SECONDS = 0.1
"""How long a reader sleeps at most before it looks whether the engine is still alive."""


class Reader(Iterator[Ids]):
    """One request at the engine, read from another thread: iterate for the ids that may be shown.

    `cancel()` frees its row within one step, and so does dropping the reader.
    """

    def __init__(self, job: Job, engine: Engine) -> None:
        self._job, self._engine = job, engine
        weakref.finalize(self, engine.cancel, job).atexit = False

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
        if not self._engine.alive:
            self._engine.check()
        with job.changed:
            if timeout and not job.ready and not job.done:
                job.changed.wait(timeout)
            ids = job.take()
            if job.error is not None and not ids:
                raise job.error
        if ids and job.rests and job.has_room:
            self._engine.wake()
        return ids

    def cancel(self) -> None:
        """End the request before its next character."""
        self._engine.cancel(self._job)

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


class Engine:
    """One thread that decodes for all readers; it starts with the first request and ends with `close`."""

    def __init__(
        self, decoder: Decoder, *, max_rows: int = MAX_ROWS, max_waiting: int = MAX_WAITING, share: int = SHARE
    ) -> None:
        self._decoder, self._max_rows = decoder, max_rows
        self._schedule = Schedule(max_rows, max_waiting, share)
        self._called = False  # something other than decoding is to be done before the next step
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._last_step = 0.0
        threads.give_back()  # of this thread, which most likely has folded the decoder and now only reads

    def submit(self, request: Request, *, ahead: int | None = None) -> Reader:
        """Queue a request; raises `BusyError` at once if too many wait.

        ahead: ids that may be drawn beyond those taken, about; then its row is lent to others until half are taken.
        """
        job = Job(request, ahead)
        self.check()
        with self._changed:
            if self._closed:
                raise BusyError("The engine is closed; expected an open one: start the program again.")
            self._schedule.add(job)
            if self._thread is None:
                self._start()
            self._call()
        return Reader(job, self)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="hubcharlstm-engine", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Start again if the thread has died, whatever killed it; its readers are told."""
        with self._changed:
            if self._thread is None or self._thread.is_alive() or self._closed:
                return
            everyone = self._schedule.take_all()
            self._start()
        self._tell(everyone, RuntimeError("its thread has died"))

    def cancel(self, job: Job) -> None:
        """End a request before its next id."""
        job.cancelled = True
        self.wake()

    def wake(self) -> None:
        """Let the engine look at its schedule before the next step."""
        with self._changed:
            self._call()

    def _call(self) -> None:
        self._called = True
        self._changed.notify()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_stuck(self) -> bool:
        """True if there is work and no step was made for `STUCK_SECONDS`."""
        return any(self.load[queue] for queue in ("rows", "reading")) and (
            time.monotonic() - self._last_step > STUCK_SECONDS
        )

    @property
    def load(self) -> dict[str, int]:
        """How many rows are decoded, prompts read, requests waiting, and how many rest until they are read."""
        with self._changed:
            schedule = self._schedule
            return {
                "rows": len(schedule.rows),
                "reading": len(schedule.reading),
                "waiting": len(schedule.waiting),
                "resting": len(schedule.resting),
            }

    def close(self, timeout: float = 5.0) -> None:
        """Cancel all requests and end the thread."""
        with self._changed:
            self._closed = True
            self._call()
        if self._thread is not None:
            self._thread.join(timeout)

    # --- the worker ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            batch = Batch(self._decoder, self._schedule.rows, self._max_rows)
            prompts = prompts_of(self._decoder, self._max_rows)
            try:
                while self._manage(prompts, batch):
                    if self._schedule.reading:
                        self._read_prompts(prompts, batch)
                    if self._schedule.rows:
                        self._decode(batch)
                return
            except Exception as error:  # nobody is left waiting, and whoever comes next finds a new batch
                logger.exception("The engine failed.")
                with self._changed:
                    everyone = self._schedule.take_all()
                self._tell(everyone, error)

    def _tell(self, everyone: list[Job], failure: BaseException) -> None:
        for job in everyone:
            job.end("cancelled", EngineError(failure))

    def _manage(self, prompts: Prompts, batch: Batch) -> bool:
        """Let requests leave, rest, wait and start; False if the engine is closed. Most steps need none of it."""
        schedule = self._schedule
        self._last_step = time.monotonic()
        if not (self._called or schedule.waiting or schedule.is_idle):
            return True
        with self._changed:
            while schedule.is_idle and not self._called:
                self._changed.wait()
            self._called = False
            if self._closed:
                gone = schedule.take_all()
                prompts.forget(gone)
            else:
                gone = schedule.take_cancelled()
                prompts.forget(gone)
                for row in reversed(range(len(schedule.rows))):
                    if schedule.rows[row].cancelled:
                        gone.append(batch.leave(row))
                schedule.wake()
                for row in schedule.must_yield():
                    schedule.waiting.append(batch.leave(row))
                schedule.admit()
        for job in gone:
            job.end("cancelled")
        return not self._closed

    def _read_prompts(self, prompts: Prompts, batch: Batch) -> None:
        """Read some of the prompts; one that is read through takes a row."""
        reading = self._schedule.reading
        # A stop string may have been complete in what an earlier call held back: then nothing is to be read.
        ready = [job for job in reading if job.sequence.finish_reason is not None or len(job.sequence.unread) == 1]
        self._start_writing([(job, None) for job in ready], batch)
        if reading:
            self._start_writing(prompts.read(reading), batch)

    def _start_writing(self, done: list[Done], batch: Batch) -> None:
        """Give those whose prompts are read a row, or end them."""
        for job, error in done:
            ended = job.sequence.finish_reason
            with self._changed:  # whoever asks for the load finds it in one place
                self._schedule.reading.remove(job)
                if ended is None and error is None:
                    try:
                        batch.join(job)
                    except Exception as failure:  # such as a state of the wrong size
                        error = failure
            if error is not None:
                logger.error("A request failed while its prompt was read.", exc_info=error)
            if ended is not None or error is not None:
                job.end(ended or "cancelled", error)

    def _decode(self, batch: Batch) -> None:
        for row, error in batch.step():
            job = batch.leave(row)
            job.end(job.sequence.finish_reason or "cancelled", error)
        if not batch.is_due:
            return
        batch.flush()
        full = [row for row, job in enumerate(self._schedule.rows) if job.is_full]
        for row in reversed(full):
            with self._changed:
                job = batch.leave(row)
                job.rests = True
                self._schedule.resting.append(job)
                self._called = True  # its reader may have caught up by now
