"""The stop rule: which generated ids may be shown, and when a stop string is complete."""

from __future__ import annotations

from collections.abc import Sequence

Ids = tuple[int, ...]


class StopRule:
    """Holds back ids that may be the beginning of a stop string, so that no part of one is ever shown.

    `push` takes generated ids one by one. `held` are those not yet released; a request that is continued later needs
    them as part of its state. stops: the ids of each stop string, none of them empty.
    """

    def __init__(self, stops: Sequence[Ids]) -> None:
        self.stops = tuple(stops)
        self.held: Ids = ()
        self.stopped = False
        self._prefixes = {stop[:n] for stop in self.stops for n in range(1, len(stop))}
        self._longest = max((len(stop) for stop in self.stops), default=0)

    def push(self, new_id: int) -> Ids:
        """Take one generated id -> the ids that certainly belong to no stop string, to be shown.

        Sets `stopped` when a stop string is complete; its ids are dropped, and no further push is allowed.
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
