"""Mean loss of a network on a text in nats per character: state carried, cold windows, and dynamic evaluation."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm.inspection.scoring import WINDOW, cold_log_probs, token_log_probs
from hubcharlstm.network import CharLSTMNetwork

DYNAMIC_WINDOW = 30
DYNAMIC_RATE = 8e-4
DYNAMIC_RETURN = 0.003
"""Decay rate towards the initial weights at each step."""

DYNAMIC_MEMORY = 0.999
DYNAMIC_CLIP = 1.0


def carried_loss(
    network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, num_chunks: int = 32, window: int = WINDOW
) -> float:
    """Mean loss over ids[1:], each scored once, with the state carried; ids (N,) integers, N at least 2."""
    return -float(token_log_probs(network, ids, num_chunks=num_chunks, window=window).mean(dtype=np.float64))


def cold_loss(network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, window: int = WINDOW) -> float:
    """Mean loss over ids[1:] with the state reset to zero every `window` characters."""
    return -float(cold_log_probs(network, ids, window=window).mean(dtype=np.float64))


def dynamic_loss(
    network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, window: int = DYNAMIC_WINDOW, rate: float = DYNAMIC_RATE
) -> float:
    """Mean loss over ids[1:] by dynamic evaluation, see `dynamic_log_probs`."""
    return -float(dynamic_log_probs(network, ids, window=window, rate=rate).mean(dtype=np.float64))


def dynamic_log_probs(
    network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, window: int = DYNAMIC_WINDOW, rate: float = DYNAMIC_RATE
) -> NDArray[np.float32]:
    """Log-probabilities (N - 1,) of ids[1:] by a copy that trains on each window after the window is scored.

    Dynamic evaluation (Mikolov 2010; Krause et al. 2018): gradient steps divided by a running root mean square of each
    weight's gradients, which is Adam without momentum, with a batch of one, and a decay towards the initial weights.
    """
    ids = np.asarray(ids)
    adapting = copy.deepcopy(network).eval().requires_grad_()
    device = adapting.head.weight.device
    optimizer = torch.optim.Adam(adapting.parameters(), lr=rate, betas=(0.0, DYNAMIC_MEMORY), fused=True)
    state, scored = adapting.initial_state(1), []
    for start in range(0, len(ids) - 1, window):
        part = torch.from_numpy(ids[start : start + window + 1].astype(np.int64)).to(device)
        logits, (h, c) = adapting(part[None, :-1], state)
        state = (h.detach(), c.detach())
        losses = cross_entropy(logits[0], part[1:], reduction="none")
        scored.append(-losses.detach().cpu().numpy())
        loss = losses.mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # Tensor.backward has no annotations
        torch.nn.utils.clip_grad_norm_(adapting.parameters(), DYNAMIC_CLIP)
        optimizer.step()
        with torch.no_grad():
            for weight, first in zip(adapting.parameters(), network.parameters(), strict=True):
                weight.lerp_(first, DYNAMIC_RETURN)
    return np.concatenate(scored)
