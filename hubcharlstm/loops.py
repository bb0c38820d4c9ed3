"""Greedy decoding that goes in circles: noticed from what was drawn, certain once the state comes round too."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hubcharlstm.decoder import Decoder
from hubcharlstm.network import State

LONGEST = 200
"""Characters of the longest circle that is looked for."""

ROUNDS, AT_LEAST = 3, 60
"""How often it must have been gone round, and over how many characters: networks count, and leave after a dozen."""

SAME_STATE = 0.02
"""The largest difference of h and tanh(c), in (-1, 1), between two rounds; int8 knows h to 1/127."""


def period(ids: Sequence[int]) -> int | None:
    """The length of the shortest circle that `ids` end in, gone round often enough; None if in none."""
    for length in range(1, LONGEST + 1):
        needed = max(ROUNDS * length, AT_LEAST)
        tail = ids[-needed:]
        if len(tail) == needed and tail[length:] == tail[:-length]:
            return length
    return None


@torch.inference_mode()
def comes_round(decoder: Decoder, state: State, last_id: int, circle: Sequence[int]) -> bool:
    """True if the likeliest characters from here are `circle` once more and lead back to the same state.

    state: (h, c) before `last_id`, the circle's last id, is read.
    """
    rows = decoder.rows(1)
    rows.put(0, state)
    new_id = last_id
    for expected in circle:
        new_id = int(decoder.step(torch.tensor([new_id], device=decoder.device), rows)[0].argmax())
        if new_id != expected:
            return False
    (h, c), (new_h, new_c) = state, rows.get(0)
    return bool(max((new_h - h).abs().max(), (new_c.tanh() - c.tanh()).abs().max()) < SAME_STATE)
