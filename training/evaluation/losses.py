"""Mean loss of a network on a text in nats per character: state carried, cold windows, and dynamic evaluation."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hubcharlstm.adaptation import RATE, WINDOW, DynamicEvaluation
from hubcharlstm.inspection.scoring import WINDOW as SCORING_WINDOW
from hubcharlstm.inspection.scoring import cold_log_probs, token_log_probs
from hubcharlstm.network import CharLSTMNetwork


def carried_loss(
    network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, num_chunks: int = 32, window: int = SCORING_WINDOW
) -> float:
    """Mean loss over ids[1:], each scored once, with the state carried; ids (N,) integers, N at least 2."""
    return -float(token_log_probs(network, ids, num_chunks=num_chunks, window=window).mean(dtype=np.float64))


def cold_loss(network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, window: int = SCORING_WINDOW) -> float:
    """Mean loss over ids[1:] with the state reset to zero every `window` characters."""
    return -float(cold_log_probs(network, ids, window=window).mean(dtype=np.float64))


def dynamic_loss(
    network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, window: int = WINDOW, rate: float = RATE
) -> float:
    """Mean loss over ids[1:] by dynamic evaluation, see `dynamic_log_probs`."""
    return -float(dynamic_log_probs(network, ids, window=window, rate=rate).mean(dtype=np.float64))


def dynamic_log_probs(
    network: CharLSTMNetwork, ids: ArrayLike | Tensor, *, window: int = WINDOW, rate: float = RATE
) -> NDArray[np.float32]:
    """Log-probabilities (N - 1,) of ids[1:] by a copy that learns from each window after the window is scored.

    See `DynamicEvaluation`.
    """
    ids = np.asarray(ids)
    evaluation, scored = DynamicEvaluation(network, rate=rate), []
    device = network.head.weight.device
    for start in range(0, len(ids) - 1, window):
        part = torch.from_numpy(ids[start : start + window + 1].astype(np.int64)).to(device)
        scored.append(-evaluation.step(part[None])[0].cpu().numpy())
    return np.concatenate(scored)
