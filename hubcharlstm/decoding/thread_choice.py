"""One thread or several: which is faster for a step that is repeated, measured while it runs.

Several threads halve an idle machine's time for large weights. Beside another busy process they wait for each other
instead, spinning: 14,000 characters/s became 1,300 (benchmarks/RESULTS.md). No setting is right for both, so both are
measured. Both compute the same bits, so no text depends on the choice.
"""

from __future__ import annotations

from collections.abc import Callable

BLOCK_SECONDS = {False: 0.01, True: 0.04}
"""Steps are compared by their mean over blocks of this length, by `parallel`. Beside a busy process several threads are
fast for some milliseconds, until the scheduler takes the core from one of them."""

MIN_PROBE_INTERVAL, MAX_PROBE_INTERVAL = 0.5, 8.0
"""Seconds of steps after which the other number of threads is tried again; doubled each time that it is slower.
OpenBLAS lets its threads spin for some 0.1 s after a product."""

RETRY_INTERVAL = 0.1
"""Seconds of steps after which a probe of several threads that was not allowed is asked for again."""

SERIAL_BONUS = 0.95
"""Several threads must take less than this share of one thread's time, for they take a core from somebody else."""

HOPELESS = 2.0
"""A probe ends early when it has taken that many times the other's whole block for no more steps."""


class ThreadChoice:
    """Whether the next step should be `parallel`, from the `record` of the steps before it; not so at first.

    may_probe: whether several threads may be tried now; "no" where cores are known to be busy, since a probe takes
    time from others, and beside them as much as a hundred steps of one thread. Threads may share a choice without a
    lock: a lost update costs a measurement.
    """

    def __init__(self, may_probe: Callable[[], bool] = lambda: True) -> None:
        self.parallel = False
        self._may_probe = may_probe
        self._means: dict[bool, float] = {}  # the last mean seconds of a step, by `parallel`
        self._probing = False  # the current block decides whether to stay
        self._seconds, self._steps = 0.0, 0  # of the current block
        self._since_probe, self._interval = MIN_PROBE_INTERVAL, MIN_PROBE_INTERVAL

    def record(self, parallel: bool, seconds: float, steps: int = 1) -> None:
        """Take the time of `steps` steps that were run as `parallel` says."""
        if parallel != self.parallel:  # another thread has switched meanwhile
            return
        self._seconds += seconds
        self._steps += steps
        if self._seconds < BLOCK_SECONDS[parallel] and not self._is_hopeless:
            return
        self._means[parallel] = self._seconds / self._steps
        self._since_probe += self._seconds
        self._seconds, self._steps = 0.0, 0
        other = not parallel
        if self._probing:
            self._probing, self._since_probe = False, 0.0
            if self._is_faster(parallel):
                self._interval = MIN_PROBE_INTERVAL
            else:
                self.parallel, self._interval = other, min(2 * self._interval, MAX_PROBE_INTERVAL)
        elif self._since_probe >= self._interval or (other in self._means and self._is_faster(other)):
            if parallel or self._may_probe():
                self.parallel, self._probing = other, True
            else:
                self._since_probe = self._interval - RETRY_INTERVAL

    @property
    def _is_hopeless(self) -> bool:
        """Whether a probe has lost already, although its block is not over."""
        expected = self._means.get(not self.parallel, 0.0) * self._steps
        return self._probing and self._seconds > BLOCK_SECONDS[False] and self._seconds > HOPELESS * expected

    def _is_faster(self, parallel: bool) -> bool:
        """Whether the last block run as `parallel` says beat the last one run the other way."""
        serial_bound = SERIAL_BONUS * self._means[False]
        return (self._means[True] < serial_bound) == parallel
