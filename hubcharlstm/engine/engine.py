"""Continuous batching for many clients: requests join and leave between steps; token ids only.

`Scheduler` decides which requests wait, prefill, run or pause; `Prefill` and `ModelRunner` compute. `Engine` is the
thread that coordinates them, each of which owns its lists. A request's text does not depend on the others: its random
stream is its own, in int8 its logits are the same to the bit in any batch, and otherwise its prompt is read alone in
chunks whose bounds depend on it alone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator

from hubcharlstm.arguments import positive_integer
from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.engine.model_runner import ModelRunner
from hubcharlstm.engine.prefill import Prefill, Prefilled, prefill_for
from hubcharlstm.engine.scheduler import Scheduler
from hubcharlstm.engine.sequence import EngineRequest, FinishReason, GenerationRequest, Sequence
from hubcharlstm.engine.stopping import Ids
from hubcharlstm.errors import BusyError, EngineError

logger = logging.getLogger(__name__)

MAX_ROWS = 256
MAX_WAITING = 1024
TIME_SLICE = 500
"""Ids after which a running request is preempted if others wait; it keeps its state and resumes later."""

STUCK_SECONDS = 10.0
"""A step takes milliseconds; a GPU may be slow at its first."""

POLL_SECONDS = 0.1
"""How long a client waits for ids before it checks that the engine's thread is alive."""


class RequestHandle(Iterator[Ids]):
    """A client's end of a request at the engine: iterate for the ids that may be shown.

    `cancel()` frees its row within one step, and so does dropping the handle.
    """

    def __init__(self, request: EngineRequest, engine: Engine) -> None:
        self._request, self._engine = request, engine
        weakref.finalize(self, engine.cancel, request).atexit = False

    def __next__(self) -> Ids:
        while True:
            ids = self.take(POLL_SECONDS)
            if ids:
                return ids
            if self.finish_reason is not None:
                raise StopIteration

    def take(self, timeout: float) -> Ids:
        """The ids that are available, waiting up to `timeout` seconds for some; raises the error that ended it."""
        request = self._request
        if not self._engine.alive:
            self._engine.ensure_alive()
        with request.changed:
            if timeout and not request.output_ids and not request.finished:
                request.changed.wait(timeout)
            ids = request.take()
            if request.error is not None and not ids:
                raise request.error
        if ids and request.paused and request.below_low_watermark:
            self._engine.wake()
        return ids

    def cancel(self) -> None:
        """End the request before its next id."""
        self._engine.cancel(self._request)

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why it ended; None while ids may still come."""
        request = self._request
        with request.changed:
            return request.sequence.finish_reason if request.finished and not request.output_ids else None

    @property
    def sequence(self) -> Sequence:
        """The request's progress; the client's own once the request has ended."""
        return self._request.sequence


class Engine:
    """One thread that decodes for all clients; it starts with the first request and ends with `close`.

    max_rows: requests that are decoded together. max_waiting: requests that may wait for a row; one more is refused.
    time_slice: ids after which a running request is preempted if others wait. max_threads: of its steps (default: as
    many as the process is set to); the decoder takes fewer where they are faster. Raises `ValueError` for one below 1.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        max_rows: int = MAX_ROWS,
        max_waiting: int = MAX_WAITING,
        time_slice: int = TIME_SLICE,
        max_threads: int | None = None,
    ) -> None:
        self._decoder, self._max_rows = decoder, positive_integer("max_rows", max_rows)
        self._scheduler = Scheduler(
            self._max_rows,
            max_waiting=positive_integer("max_waiting", max_waiting),
            time_slice=positive_integer("time_slice", time_slice),
        )
        self._max_threads = None if max_threads is None else positive_integer("max_threads", max_threads)
        self._condition, self._pid = threading.Condition(), os.getpid()  # guards the scheduler and the fields below
        self._wakeup_pending = False  # the next step must begin with scheduling
        self._closed = False
        self._thread: threading.Thread | None = None
        self._last_step = 0.0
        openmp.release_thread_team()  # this thread has most likely built the decoder and will not multiply again

    # --- for clients, from any thread --------------------------------------------------------------------------

    def submit(self, request: GenerationRequest, *, max_buffered_tokens: int | None = None) -> RequestHandle:
        """Queue a request; raises `BusyError` at once if too many wait, `ValueError` for a bound below 1.

        max_buffered_tokens: about how many ids may be sampled before the client takes them; then the request is paused,
        and its row serves others, until half of them are taken. None for no bound.
        """
        if max_buffered_tokens is not None:
            max_buffered_tokens = positive_integer("max_buffered_tokens", max_buffered_tokens)
        engine_request = EngineRequest(request, max_buffered_tokens)
        self.ensure_alive()
        with self._changed:
            if self._closed:
                raise BusyError("The engine is closed and accepts no requests: create another one.")
            self._scheduler.add(engine_request)
            if self._thread is None:
                self._start()
            self._notify()
        return RequestHandle(engine_request, self)

    def cancel(self, request: EngineRequest) -> None:
        """End a request before its next id."""
        request.cancelled = True
        self.wake()

    def wake(self) -> None:
        """Make the engine schedule before its next step."""
        with self._changed:
            self._notify()

    def ensure_alive(self) -> None:
        """Restart the thread if something has killed it; the requests that it served end with `EngineError`.

        A closed engine stays without one: its thread ends its requests, unless it was killed before.
        """
        with self._changed:
            if self._thread is None or self._thread.is_alive():
                return
            requests = self._scheduler.remove_all()
            if not self._closed:
                self._start()
        fail_all(requests, RuntimeError("its thread has died"))

    def close(self, timeout: float = 5.0) -> None:
        """Cancel all requests and end the thread."""
        with self._changed:
            self._closed = True
            self._notify()
        if self._thread is not None:
            self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_stuck(self) -> bool:
        """Whether there is work but no step was made for `STUCK_SECONDS`."""
        return any(self.load[queue] for queue in ("running", "prefilling")) and (
            time.monotonic() - self._last_step > STUCK_SECONDS
        )

    @property
    def load(self) -> dict[str, int]:
        """How many requests are running, prefilling, waiting and paused."""
        with self._changed:
            return self._scheduler.load

    @property
    def _changed(self) -> threading.Condition:
        """The condition, in a forked child a new one: no thread survives a fork, and may have held the old one."""
        if os.getpid() != self._pid:
            requests = self._scheduler.remove_all()
            self._condition, self._pid, self._thread = threading.Condition(), os.getpid(), None
            for request in requests:
                request.changed = threading.Condition()
            fail_all(requests, RuntimeError("its process was forked, and the request is the parent's"))
        return self._condition

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="hubcharlstm-engine", daemon=True)
        self._thread.start()

    def _notify(self) -> None:
        self._wakeup_pending = True
        self._changed.notify()

    # --- the engine's thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        if self._max_threads is not None:
            openmp.set_num_threads(min(self._max_threads, openmp.get_num_threads()))  # of this thread alone
        while True:
            prefill, runner = prefill_for(self._decoder, self._max_rows), ModelRunner(self._decoder, self._max_rows)
            try:
                while self._schedule(prefill, runner):
                    self._step(prefill, runner)
                return
            except Exception as error:  # every request ends with it, and the next ones find new buffers
                logger.exception("The engine failed.")
                with self._changed:
                    requests = self._scheduler.remove_all()
                fail_all(requests, error)

    def _schedule(self, prefill: Prefill, runner: ModelRunner) -> bool:
        """Let requests leave, pause, wait and start; False if the engine is closed. Most steps need none of it."""
        scheduler = self._scheduler
        self._last_step = time.monotonic()
        if not (self._wakeup_pending or scheduler.waiting or scheduler.is_idle):
            return True
        with self._changed:
            while scheduler.is_idle and not self._wakeup_pending:
                self._changed.wait()
            self._last_step = time.monotonic()  # the wait for work is no step that takes long
            self._wakeup_pending = False
            cancelled = scheduler.remove_all() if self._closed else scheduler.remove_cancelled()
            if cancelled:
                prefill.remove(cancelled)
                runner.remove(cancelled)
            scheduler.resume()
            if preempted := scheduler.select_preempted():
                runner.remove(preempted)
                scheduler.preempt(preempted)
            admitted = scheduler.admit()
        for request in cancelled:
            request.finish("cancelled")
        self._start_prefill(admitted, prefill, runner)
        return not self._closed

    def _start_prefill(self, admitted: list[EngineRequest], prefill: Prefill, runner: ModelRunner) -> None:
        ready: list[Prefilled] = []
        for request in admitted:
            sequence = request.sequence
            # A stop string may be complete in what an earlier call held back: then there is nothing to read.
            if sequence.finish_reason is not None or len(sequence.pending_ids) == 1:
                ready.append((request, None))
            else:
                prefill.add(request)
        self._start_decoding(ready, runner)

    def _step(self, prefill: Prefill, runner: ModelRunner) -> None:
        """One part of the prompts, then one id for every running request."""
        if self._scheduler.prefilling:
            self._start_decoding(prefill.step(), runner)
        if self._scheduler.running:
            self._decode(runner)

    def _start_decoding(self, prefilled: list[Prefilled], runner: ModelRunner) -> None:
        """Give each prefilled request a row, or end it."""
        for request, error in prefilled:
            finish_reason = request.sequence.finish_reason
            with self._changed:  # the load counts the request in exactly one queue
                if finish_reason is None and error is None:
                    try:
                        runner.add(request)
                        self._scheduler.start_running(request)
                        continue
                    except Exception as failure:  # it concerns this request alone, such as a state of the wrong size
                        error = failure
                self._scheduler.remove(request)
            if error is not None:
                logger.error("A request failed while its prompt was read.", exc_info=error)
            request.finish(finish_reason or "cancelled", error)

    def _decode(self, runner: ModelRunner) -> None:
        """Sample an id for every running request, and deliver what is due."""
        for request, error in runner.step():
            with self._changed:
                self._scheduler.remove(request)
            request.finish(request.sequence.finish_reason or "cancelled", error)
        if not runner.is_due:
            return
        runner.flush()
        full = [request for request in self._scheduler.running if request.above_high_watermark]
        if full:
            with self._changed:
                runner.remove(full)
                self._scheduler.pause(full)
                self._wakeup_pending = True  # a client may have caught up by now


def fail_all(requests: list[EngineRequest], failure: BaseException) -> None:
    """End each request with an `EngineError` whose cause is `failure`."""
    for request in requests:
        request.finish("cancelled", EngineError(failure))
