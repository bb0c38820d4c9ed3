"""The one stop rule: which generated ids may be shown, and when a stop string is complete."""

from __future__ import annotations

from collections.abc import Sequence

Ids = tuple[int, ...]


class StopRule:
    """Holds back ids that may be the start of a stop string, so that no part of one is ever shown.

    Feed generated ids one by one with `push`. `held` are the ids not yet released; they belong to the
    state of a request that goes on later.
    """

    def __init__(self, stops: Sequence[Ids]) -> None:
        self.stops = tuple(stops)
        self.held: Ids = ()
        self.stopped = False
        self._prefixes = {stop[:n] for stop in self.stops for n in range(1, len(stop))}
        self._longest = max((len(stop) for stop in self.stops), default=0)

    def push(self, new_id: int) -> Ids:
        """Take one generated id and return the ids that are now certain not to belong to a stop string.

        Sets `stopped` once a stop string is complete; its ids are dropped and nothing may be pushed after it.
        """
        assert not self.stopped, "push after the stop"
        ids = (*self.held, new_id)
        for stop in self.stops:
            if ids[-len(stop) :] == stop:
                self.stopped, self.held = True, ()
                return ids[: -len(stop)]
        for length in range(min(len(ids), self._longest), 0, -1):
            if ids[-length:] in self._prefixes:
                self.held = ids[-length:]
                return ids[:-length]
        self.held = ()
        return ids
