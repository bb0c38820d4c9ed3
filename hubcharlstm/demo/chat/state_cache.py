"""Where replies stopped, so that they can go on exactly there: the only thing the server remembers of them.

A state is some kilobytes of numbers without text, found by the reply's random id, and the oldest are dropped; one
that is gone is made again from the reply's receipt, for one seed is one text.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from hubcharlstm.generation.stream import GenerationState

MAX_STATES = 500


@dataclass(frozen=True)
class CacheEntry:
    """hash: of the text that the state comes after."""

    hash: str
    state: GenerationState


class StateCache:
    """The newest `limit` states by reply."""

    def __init__(self, limit: int = MAX_STATES) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, CacheEntry] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, reply: str, hash: str, state: GenerationState) -> None:
        with self._lock:
            self._kept[reply] = CacheEntry(hash, state)
            self._kept.move_to_end(reply)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)

    def find(self, reply: str, hash: str, fingerprint: str) -> GenerationState | None:
        """The state after that very text of that very model, if it is still here."""
        with self._lock:
            kept = self._kept.get(reply)
        fits = kept is not None and kept.hash == hash and kept.state.fingerprint == fingerprint
        return kept.state if kept is not None and fits else None

    def forget(self, reply: str) -> None:
        with self._lock:
            self._kept.pop(reply, None)

    def __len__(self) -> int:
        return len(self._kept)
