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

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.engine.model_runner import ModelRunner
from hubcharlstm.engine.prefill import Done, Prefill, prefill_for
from hubcharlstm.engine.scheduler import Scheduler
from hubcharlstm.engine.sequence import EngineRequest, FinishReason, Request, Sequence
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


class RequestHandle(Iterator[Ids]):
    """One request at the engine, read from another thread: iterate for the ids that may be shown.

    `cancel()` frees its row within one step, and so does dropping the reader.
    """

    def __init__(self, job: EngineRequest, engine: Engine) -> None:
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
        if ids and job.paused and job.below_low_watermark:
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
        self, decoder: Decoder, *, max_rows: int = MAX_ROWS, max_waiting: int = MAX_WAITING, time_slice: int = SHARE
    ) -> None:
        self._decoder, self._max_rows = decoder, max_rows
        self._scheduler = Scheduler(max_rows, max_waiting, time_slice)
        self._wakeup_pending = False  # something other than decoding is to be done before the next step
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._last_step = 0.0
        openmp.release_thread_team()  # of this thread, which most likely has folded the decoder and now only reads

    def submit(self, request: Request, *, max_buffered_tokens: int | None = None) -> RequestHandle:
        """Queue a request; raises `BusyError` at once if too many wait.

        ahead: ids that may be drawn beyond those taken, about; then its row is lent to others until half are taken.
        """
        job = EngineRequest(request, max_buffered_tokens)
        self.check()
        with self._changed:
            if self._closed:
                raise BusyError("The engine is closed; expected an open one: start the program again.")
            self._scheduler.add(job)
            if self._thread is None:
                self._start()
            self._call()
        return RequestHandle(job, self)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="hubcharlstm-engine", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Start again if the thread has died, whatever killed it; its readers are told."""
        with self._changed:
            if self._thread is None or self._thread.is_alive() or self._closed:
                return
            everyone = self._scheduler.take_all()
            self._start()
        self._fail_all(everyone, RuntimeError("its thread has died"))

    def cancel(self, job: EngineRequest) -> None:
        """End a request before its next id."""
        job.cancelled = True
        self.wake()

    def wake(self) -> None:
        """Let the engine look at its schedule before the next step."""
        with self._changed:
            self._call()

    def _call(self) -> None:
        self._wakeup_pending = True
        self._changed.notify()

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_stuck(self) -> bool:
        """True if there is work and no step was made for `STUCK_SECONDS`."""
        return any(self.load[queue] for queue in ("running", "prefilling")) and (
            time.monotonic() - self._last_step > STUCK_SECONDS
        )

    @property
    def load(self) -> dict[str, int]:
        """How many rows are decoded, prompts read, requests waiting, and how many rest until they are read."""
        with self._changed:
            schedule = self._scheduler
            return {
                "running": len(schedule.running),
                "prefilling": len(schedule.prefilling),
                "waiting": len(schedule.waiting),
                "paused": len(schedule.paused),
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
            batch = ModelRunner(self._decoder, self._scheduler.running, self._max_rows)
            prompts = prefill_for(self._decoder, self._max_rows)
            try:
                while self._schedule(prompts, batch):
                    if self._scheduler.prefilling:
                        self._read_prompts(prompts, batch)
                    if self._scheduler.running:
                        self._decode(batch)
                return
            except Exception as error:  # nobody is left waiting, and whoever comes next finds a new batch
                logger.exception("The engine failed.")
                with self._changed:
                    everyone = self._scheduler.take_all()
                self._fail_all(everyone, error)

    def _fail_all(self, everyone: list[EngineRequest], failure: BaseException) -> None:
        for job in everyone:
            job.end("cancelled", EngineError(failure))

    def _schedule(self, prompts: Prefill, batch: ModelRunner) -> bool:
        """Let requests leave, rest, wait and start; False if the engine is closed. Most steps need none of it."""
        schedule = self._scheduler
        self._last_step = time.monotonic()
        if not (self._wakeup_pending or schedule.waiting or schedule.is_idle):
            return True
        with self._changed:
            while schedule.is_idle and not self._wakeup_pending:
                self._changed.wait()
            self._wakeup_pending = False
            if self._closed:
                gone = schedule.take_all()
                prompts.forget(gone)
            else:
                gone = schedule.take_cancelled()
                prompts.forget(gone)
                for row in reversed(range(len(schedule.running))):
                    if schedule.running[row].cancelled:
                        gone.append(batch.leave(row))
                schedule.wake()
                for row in schedule.select_preempted():
                    schedule.waiting.append(batch.leave(row))
                schedule.admit()
        for job in gone:
            job.end("cancelled")
        return not self._closed

    def _read_prompts(self, prompts: Prefill, batch: ModelRunner) -> None:
        """Read some of the prompts; one that is read through takes a row."""
        prefilling = self._scheduler.prefilling
        # A stop string may have been complete in what an earlier call held back: then nothing is to be read.
        ready = [
            job for job in prefilling if job.sequence.finish_reason is not None or len(job.sequence.pending_ids) == 1
        ]
        self._start_writing([(job, None) for job in ready], batch)
        if prefilling:
            self._start_writing(prompts.read(prefilling), batch)

    def _start_writing(self, done: list[Done], batch: ModelRunner) -> None:
        """Give those whose prompts are read a row, or end them."""
        for job, error in done:
            ended = job.sequence.finish_reason
            with self._changed:  # whoever asks for the load finds it in one place
                self._scheduler.prefilling.remove(job)
                if ended is None and error is None:
                    try:
                        batch.join(job)
                    except Exception as failure:  # such as a state of the wrong size
                        error = failure
            if error is not None:
                logger.error("A request failed while its prompt was read.", exc_info=error)
            if ended is not None or error is not None:
                job.end(ended or "cancelled", error)

    def _decode(self, batch: ModelRunner) -> None:
        for row, error in batch.step():
            job = batch.leave(row)
            job.end(job.sequence.finish_reason or "cancelled", error)
        if not batch.is_due:
            return
        batch.flush()
        full = [row for row, job in enumerate(self._scheduler.running) if job.above_high_watermark]
        for row in reversed(full):
            with self._changed:
                job = batch.leave(row)
                job.paused = True
                self._scheduler.paused.append(job)
                self._wakeup_pending = True  # its reader may have caught up by now
