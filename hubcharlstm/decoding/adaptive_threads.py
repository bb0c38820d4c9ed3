"""Runs steps on one thread or on several, whichever is faster now, and changes no setting but the calling thread's."""

from __future__ import annotations

import time
from collections.abc import Hashable
from types import TracebackType

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.cores import available_cores
from hubcharlstm.decoding.thread_choice import ThreadChoice


class AdaptiveThreads:
    """A `ThreadChoice` for each kind of step of a decoder; several threads may use it at once.

    Never more threads than the calling thread is set to, by OMP_NUM_THREADS, `torch.set_num_threads` or
    `openmp.num_threads`, and never more than `available_cores`.
    """

    def __init__(self) -> None:
        self._max_threads = available_cores()
        self._choices: dict[Hashable, ThreadChoice] = {}

    def region(self, kind: Hashable, *, parallel: bool, steps: int = 1) -> Region:
        """A context for steps of one kind, whose times are comparable; it tells whether to use several threads.

        kind: such as the number of rows. parallel: what the first region of this kind does. steps: how many it takes.
        """
        choice = self._choices.get(kind)
        if choice is None:
            choice = self._choices[kind] = ThreadChoice(parallel)
        return Region(choice, self._max_threads, steps)


class Region:
    """Sets the calling thread's number of OpenMP threads for a block, and records the time that the block takes."""

    __slots__ = ("_choice", "_max_threads", "_num_threads", "_parallel", "_started", "_steps", "_threads_before")

    def __init__(self, choice: ThreadChoice, max_threads: int, steps: int) -> None:
        self._choice, self._max_threads, self._steps = choice, max_threads, steps

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
            self._choice.record(self._parallel, seconds, self._steps)
