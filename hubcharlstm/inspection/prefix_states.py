"""The states of texts read last, at every 64th character: another place of the same text is some steps away."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.network import State

MAX_BYTES = 16 * 2**20
"""Of all states: seventy texts of 2,000 characters of the shipped model."""


class PrefixStates:
    """States by a hash of what was read up to them, within `max_bytes`; the one that nobody used longest goes first.

    They stand where `Decoder.prefill` begins a chunk, so that what follows is the same to the bit in every precision.
    Thread-safe.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._states: OrderedDict[bytes, State] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def prefill(self, decoder: Decoder, ids: Sequence[int], clamp: Clamp, owner: str) -> State:
        """`decoder.prefill(ids, None, clamp)`, from the last state of the same beginning on.

        owner: who asks, and for which model: states are found by the same alone.
        """
        keys = self._keys(ids, clamp, owner)
        count, state = self._longest(keys)
        for number in range(count, len(keys)):
            chunk = ids[number * PREFILL_CHUNK : (number + 1) * PREFILL_CHUNK]
            state = decoder.prefill(chunk, state, clamp)
            self._store(keys[number], state)
        return decoder.prefill(ids[len(keys) * PREFILL_CHUNK :], state, clamp)

    @staticmethod
    def _keys(ids: Sequence[int], clamp: Clamp, owner: str) -> list[bytes]:
        """A hash for each whole chunk, of all that is read up to its end."""
        array = np.asarray(ids, np.int32)
        digest = hashlib.blake2b(f"{owner}\n{clamp}\n".encode(), digest_size=32)
        keys = []
        for end in range(PREFILL_CHUNK, len(array) + 1, PREFILL_CHUNK):
            digest.update(array[end - PREFILL_CHUNK : end].tobytes())
            keys.append(digest.digest())
        return keys

    def _longest(self, keys: list[bytes]) -> tuple[int, State | None]:
        """How many chunks the longest beginning has that is known, and the state after them."""
        with self._lock:
            for number in range(len(keys), 0, -1):
                state = self._states.get(keys[number - 1])
                if state is not None:
                    self._states.move_to_end(keys[number - 1])
                    return number, state
        return 0, None

    def _store(self, key: bytes, state: State) -> None:
        with self._lock:
            if key not in self._states:
                self._num_bytes += num_bytes(state)
            self._states[key] = state
            while self._num_bytes > self._max_bytes:
                _, oldest = self._states.popitem(last=False)
                self._num_bytes -= num_bytes(oldest)

    def __len__(self) -> int:
        return len(self._states)


def num_bytes(state: State) -> int:
    """The size of (h, c)."""
    return sum(part.element_size() * part.numel() for part in state)
