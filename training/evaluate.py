"""The loss of a network on a text, in nats per character, with the state carried through it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm.network import CharLSTMNetwork, State

WARM = 512
"""Characters that each lane reads, unscored, before its own part, so that its state is as good as carried."""


@torch.inference_mode()
def carried_loss(network: CharLSTMNetwork, ids: Tensor, *, lanes: int = 32, window: int = 256) -> float:
    """Mean loss over ids[1:], each scored once; ids (N,) int64, N at least 2.

    The text is cut into `lanes` contiguous parts read side by side. The first starts from a zero state, each
    other after reading the `WARM` characters before it.
    """
    was_training = network.training
    network.eval()
    device = network.head.weight.device
    lanes = max(1, min(lanes, (len(ids) - 1) // (4 * WARM)))
    warm = WARM if lanes > 1 else 0
    length = -(-(len(ids) - 1) // lanes)
    # Lane n scores targets n*length + 1 to (n+1)*length; what lies outside the text is padding with weight 0.
    first = torch.arange(lanes)[:, None] * length
    columns = torch.arange(-warm, length)[None, :]
    positions = first + columns  # (lanes, W)
    inside = (positions >= 0) & (positions < len(ids) - 1)
    scored = inside & (columns >= 0)
    safe = positions.clamp(0, len(ids) - 2)
    inputs, targets = ids[safe], ids[safe + 1]
    state: State = network.initial_state(lanes)
    total = 0.0
    for start in (*range(0, warm, window), *range(warm, inputs.shape[1], window)):
        if start == warm > 0:
            state = _clear_first_lane(state)
        part = slice(start, min(start + window, warm) if start < warm else start + window)
        logits, state = network(inputs[:, part].to(device), state)
        losses = cross_entropy(logits.flatten(0, 1), targets[:, part].flatten().to(device), reduction="none").cpu()
        total += float((losses.double() * scored[:, part].flatten()).sum())
    network.train(was_training)
    return total / int(scored.sum())


def _clear_first_lane(state: State) -> State:
    """Lane 0 has nothing before it: what it read as warm-up was padding."""
    h, c = (part.clone() for part in state)
    h[:, 0] = 0
    c[:, 0] = 0
    return h, c
