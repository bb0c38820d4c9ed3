"""Greedy decoding that repeats itself: found in the sampled ids, confirmed once the state repeats too."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.network import State

MAX_CYCLE_LENGTH = 200
"""Characters of the longest cycle that is found."""

MIN_REPEATS, MIN_CHARS = 3, 60
"""Repeats, and characters in all, before text counts as a cycle: networks count, and may leave one after a dozen."""

CONFIRM_CHARS = 1_000
"""Characters for which a cycle is followed: an almost closed one drifts apart after two more repeats."""

SAME_STATE = 0.02
"""The largest difference of h and tanh(c), in (-1, 1), between two repeats; int8 resolves h to 1/127."""


def cycle_length(ids: Sequence[int]) -> int | None:
    """The length of the shortest cycle that `ids` end in, repeated often enough; None without one."""
    for length in range(1, MAX_CYCLE_LENGTH + 1):
        needed = max(MIN_REPEATS * length, MIN_CHARS)
        tail = ids[-needed:]
        if len(tail) == needed and tail[length:] == tail[:-length]:
            return length
    return None


@torch.inference_mode()
def returns_to_state(decoder: Decoder, state: State, last_id: int, cycle: Sequence[int], clamp: Clamp = ()) -> bool:
    """Whether the most likely ids from here are `cycle` again and again, and lead back to the same state.

    state: (h, c) before `last_id`, the cycle's last id, is the input.
    """
    buffer = decoder.state_buffer(1)
    buffer.put(0, state, clamp)
    new_id = last_id
    for number in range(max(1, CONFIRM_CHARS // len(cycle))):
        for expected in cycle:
            new_id = int(decoder.step(torch.tensor([new_id], device=decoder.device), buffer)[0].argmax())
            if new_id != expected:
                return False
        if number == 0:
            (h, c), (new_h, new_c) = state, buffer.get(0)
            if max((new_h - h).abs().max(), (new_c.tanh() - c.tanh()).abs().max()) >= SAME_STATE:
                return False
    return True
