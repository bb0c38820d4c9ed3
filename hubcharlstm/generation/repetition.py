"""Greedy decoding that goes in circles: noticed from what was drawn, told once the state comes round too."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.network import State

LONGEST = 200
"""Characters of the longest circle that is looked for."""

ROUNDS, AT_LEAST = 3, 60
"""How often it must have been gone round, and over how many characters: networks count, and leave after a dozen."""

GOES_ON = 1_000
"""Characters for which it is followed: a circle may be all but closed, and drift out of step after two rounds more."""

SAME_STATE = 0.02
"""The largest difference of h and tanh(c), in (-1, 1), between two rounds; int8 knows h to 1/127."""


def cycle_length(ids: Sequence[int]) -> int | None:
    """The length of the shortest circle that `ids` end in, gone round often enough; None if in none."""
    for length in range(1, LONGEST + 1):
        needed = max(ROUNDS * length, AT_LEAST)
        tail = ids[-needed:]
        if len(tail) == needed and tail[length:] == tail[:-length]:
            return length
    return None


@torch.inference_mode()
def returns_to_state(decoder: Decoder, state: State, last_id: int, cycle: Sequence[int]) -> bool:
    """True if the likeliest characters from here are `circle`, once and again, and it leads back to the same state.

    state: (h, c) before `last_id`, the circle's last id, is read.
    """
    rows = decoder.state_buffer(1)
    rows.put(0, state)
    new_id = last_id
    for number in range(max(1, GOES_ON // len(cycle))):
        for expected in cycle:
            new_id = int(decoder.step(torch.tensor([new_id], device=decoder.device), rows)[0].argmax())
            if new_id != expected:
                return False
        if number == 0:
            (h, c), (new_h, new_c) = state, rows.get(0)
            if max((new_h - h).abs().max(), (new_c.tanh() - c.tanh()).abs().max()) >= SAME_STATE:
                return False
    return True
