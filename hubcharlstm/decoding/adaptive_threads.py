"""Runs steps on one thread or on several, whichever is faster now, and changes no setting but the calling thread's."""

from __future__ import annotations

import time
from collections.abc import Hashable
from types import TracebackType

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.cores import IdleCores, available_cores
from hubcharlstm.decoding.thread_choice import ThreadChoice

MIN_IDLE = 0.7
"""Of each further core, so that several threads are worth a try."""


class AdaptiveThreads:
    """A `ThreadChoice` for each kind of step of a decoder; several threads may use it at once.

    Never more threads than the calling thread is set to, by OMP_NUM_THREADS, `torch.set_num_threads` or
    `openmp.num_threads`, and never more than `available_cores`.
    """

    def __init__(self) -> None:
        self._max_threads = available_cores()
        self._cores = IdleCores()
        self._are_idle = not self._cores.is_known
        self._choices: dict[Hashable, ThreadChoice] = {}

    def region(self, kind: Hashable, *, steps: int = 1) -> Region:
        """A context for steps of one kind, whose times are comparable; it tells whether to use several threads.

        kind: such as the number of rows. steps: how many it takes.
        """
        choice = self._choices.get(kind)
        if choice is None:
            choice = self._choices[kind] = ThreadChoice(self._may_probe)
        return Region(choice, self._max_threads, steps)

    def _may_probe(self) -> bool:
        """Whether the cores of further threads stand idle, as far as this system tells."""
        if self._cores.is_known and (idle := self._cores.since_last()) is not None:
            self._are_idle = idle >= MIN_IDLE * (self._max_threads - 1)
        return self._are_idle


class Region:
    """Sets the calling thread's number of OpenMP threads for a block, and records the time that the block takes.

    steps: that the block takes, for a mean; the block may still change it.
    """

    __slots__ = ("_choice", "_max_threads", "_num_threads", "_parallel", "_started", "_threads_before", "steps")

    def __init__(self, choice: ThreadChoice, max_threads: int, steps: int) -> None:
        self._choice, self._max_threads, self.steps = choice, max_threads, steps

    def __enter__(self) -> bool:
        self._threads_before = openmp.get_num_threads()
        self._max_threads = min(self._max_threads, self._threads_before)
        self._parallel = self._max_threads > 1 and self._choice.parallel
        self._num_threads = self._max_threads if self._parallel else 1
        if self._num_threads != self._threads_before:
            openmp.set_num_threads(self._num_threads)
        self._started = time.perf_counter()
        return self._parallel

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        if self._num_threads != self._threads_before:
            openmp.set_num_threads(self._threads_before)
        if self._max_threads > 1 and error is None:
            self._choice.record(self._parallel, seconds, self.steps)
