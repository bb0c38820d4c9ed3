"""Cache of final generation states, from which replies are continued exactly: all that the server keeps of a reply.

A state is a few kilobytes of numbers without text, keyed by the reply's random id. The oldest states are evicted; an
evicted one is recomputed by a replay, because one seed is one text.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from hubcharlstm.generation.stream import GenerationState

MAX_STATES = 500


@dataclass(frozen=True)
class CacheEntry:
    """text_hash: of the text that the state comes after."""

    text_hash: str
    state: GenerationState


class StateCache:
    """The newest `limit` states by reply id. Thread-safe."""

    def __init__(self, limit: int = MAX_STATES) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, CacheEntry] = OrderedDict()
        self._lock = threading.Lock()

    def store(self, reply_id: str, text_hash: str, state: GenerationState) -> None:
        """Store the state after a reply's text, and evict the oldest beyond the limit."""
        with self._lock:
            self._entries[reply_id] = CacheEntry(text_hash, state)
            self._entries.move_to_end(reply_id)
            while len(self._entries) > self._limit:
                self._entries.popitem(last=False)

    def find(self, reply_id: str, text_hash: str, fingerprint: str) -> GenerationState | None:
        """The state after exactly this text of exactly this model; None if it is not cached."""
        with self._lock:
            entry = self._entries.get(reply_id)
        if entry is None or entry.text_hash != text_hash or entry.state.fingerprint != fingerprint:
            return None
        return entry.state

    def evict(self, reply_id: str) -> None:
        """Drop the state of a reply, if it is cached."""
        with self._lock:
            self._entries.pop(reply_id, None)

    def __len__(self) -> int:
        return len(self._entries)
