"""The stop rule: which generated ids may be shown, and when a stop string is complete."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

Ids = tuple[int, ...]


class StopRule:
    """Holds back ids that may be the beginning of a stop string, so that no part of one is ever shown.

    `push` takes generated ids one by one. `held` are those not yet released; a request that is continued later needs
    them as part of its state. stops: the ids of each stop string, none of them empty.

    The automaton of Aho and Corasick (1975): its state is the longest end of the text that begins a stop string, so
    that all of it takes time in proportion to the ids, however long the stop strings are.
    """

    def __init__(self, stops: Sequence[Ids]) -> None:
        self.stops = tuple(stops)
        self.stopped = False
        self._next: dict[tuple[int, int], int] = {}  # (state, id) -> the state that is one id longer
        self._depth, self._failure = [0], [0]  # of each state: its length, and the longest other end that is a state
        self._complete: list[int | None] = [None]  # and the first listed stop string that is complete there
        for number, stop in enumerate(self.stops):
            self._add(stop, number)
        self._link()
        self._state = 0
        self._held: deque[int] = deque()

    def _add(self, stop: Ids, number: int) -> None:
        state = 0
        for one_id in stop:
            longer = self._next.get((state, one_id))
            if longer is None:
                longer = self._next[state, one_id] = len(self._depth)
                self._depth.append(self._depth[state] + 1)
                self._failure.append(0)
                self._complete.append(None)
            state = longer
        if self._complete[state] is None:
            self._complete[state] = number

    def _link(self) -> None:
        """Find the failure of each state, the shorter states first."""
        edges = sorted(self._next.items(), key=lambda edge: self._depth[edge[1]])
        for (state, one_id), longer in edges:
            if state:
                self._failure[longer] = self._step(self._failure[state], one_id)
            inherited = self._complete[self._failure[longer]]
            own = self._complete[longer]
            if inherited is not None and (own is None or inherited < own):
                self._complete[longer] = inherited

    def _step(self, state: int, one_id: int) -> int:
        """The state after `one_id`."""
        while (longer := self._next.get((state, one_id))) is None:
            if state == 0:
                return 0
            state = self._failure[state]
        return longer

    @property
    def held(self) -> Ids:
        """Ids that are not released yet."""
        return tuple(self._held)

    def push(self, new_id: int) -> Ids:
        """Take one generated id -> the ids that certainly belong to no stop string, to be shown.

        Sets `stopped` when a stop string is complete; its ids are dropped, and no further push is allowed. Of two that
        are complete at once the first listed counts.
        """
        assert not self.stopped, "push after the stop"
        self._state = self._step(self._state, new_id)
        self._held.append(new_id)
        complete = self._complete[self._state]
        self.stopped = complete is not None
        count = len(self.stops[complete]) if complete is not None else self._depth[self._state]
        released = tuple(self._held.popleft() for _ in range(len(self._held) - count))
        if self.stopped:
            self._held.clear()
        return released
