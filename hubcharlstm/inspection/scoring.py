"""How likely a model finds a text: the log-probability of every character, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm.network import CharLSTMNetwork, State
from hubcharlstm.vocabulary import Vocabulary

WARM = 512
"""Characters that each lane reads, unscored, before its own part, so that its state is as good as carried."""
WINDOW = 256
"""Characters that are read in one call, which bounds the memory that logits take."""

LogProbs = NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """What a model makes of a text.

    text: as the model read it. log_probs (N,) float32: the natural logarithm of each character's probability, given
    the start text and all characters before it. notes: what was folded or skipped, for a person.
    """

    text: str
    log_probs: LogProbs = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def nats(self) -> float:
        """The mean negative log-probability of a character."""
        return -float(self.log_probs.mean(dtype=np.float64))

    @property
    def bpc(self) -> float:
        """Bits per character."""
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """Among how many equally likely characters the model would have been as unsure."""
        return math.exp(self.nats)


def score(
    network: CharLSTMNetwork, vocabulary: Vocabulary, text: str, *, start_text: str, num_chunks: int = 1
) -> Score:
    """The score of `text` as if it came after `start_text`; raises `ValueError` if the model can read none of it.

    lanes: 1 reads from end to end. More read as many parts of a long text side by side, which is faster and differs
    in the last digits: each part but the first starts from the state after the `WARM` characters before it.
    """
    if isinstance(num_chunks, bool) or not isinstance(num_chunks, int) or num_chunks < 1:
        raise ValueError(f"lanes is {num_chunks!r}; expected a whole number of at least 1.")
    reading = vocabulary.encode(text)
    if not reading.ids:
        dropped = f" ({reading.describe()})" if reading.dropped else ""
        raise ValueError(f"The text holds nothing that the model can read{dropped}; expected at least one character.")
    before = vocabulary.encode(start_text).ids or (0,)
    ids = np.array(before + reading.ids, dtype=np.int32)
    values = token_log_probs(network, ids, num_chunks=num_chunks)[len(before) - 1 :]
    return Score(reading.text, values, (reading.describe(),) if not reading.exact else ())


@torch.inference_mode()
def token_log_probs(
    network: CharLSTMNetwork, ids: Sequence[int] | ArrayLike | Tensor, *, num_chunks: int = 1, window: int = WINDOW
) -> LogProbs:
    """Log-probabilities (N - 1,) of ids[1:], each given all before it; ids (N,) integers, N at least 2.

    The text is cut into `lanes` contiguous parts read side by side. The first starts from a zero state, each other
    after reading the `WARM` ids before it. Lanes are fewer where they would be shorter than four times that.
    """
    ids = np.asarray(ids)
    count = len(ids) - 1
    num_chunks = max(1, min(num_chunks, count // (4 * WARM)))
    warm = WARM if num_chunks > 1 else 0
    length = -(-count // num_chunks)
    first = np.arange(num_chunks)[:, None] * length
    found = np.zeros(count, dtype=np.float32)
    with _evaluating(network):
        state = network.initial_state(num_chunks)
        for start in (*range(-warm, 0, window), *range(0, length, window)):
            if start == 0 < warm:
                state = _clear_first_chunk(state)
            positions = first + np.arange(start, min(start + window, 0 if start < 0 else length))  # (lanes, T)
            safe = positions.clip(0, count - 1)  # what lies outside the text is padding and counts for nothing
            logits, state = network(_tensor(ids[safe], network), state)
            if start >= 0:
                inside = positions < count
                found[positions[inside]] = _log_probs(logits, ids[safe + 1])[inside]
    return found


@torch.inference_mode()
def cold_log_probs(
    network: CharLSTMNetwork, ids: Sequence[int] | ArrayLike | Tensor, *, window: int = WINDOW, rows: int = 32
) -> LogProbs:
    """Log-probabilities (N - 1,) of ids[1:] with the state put back to zero every `window` characters."""
    ids = np.asarray(ids)
    count = len(ids) - 1
    found = np.zeros(count, dtype=np.float32)
    with _evaluating(network):
        for start in range(0, count, window * rows):
            part = range(start, min(start + window * rows, count), window)
            positions = np.array(part)[:, None] + np.arange(window)  # (rows, window)
            safe, inside = positions.clip(0, count - 1), positions < count
            logits, _ = network(_tensor(ids[safe], network), network.initial_state(len(part)))
            found[positions[inside]] = _log_probs(logits, ids[safe + 1])[inside]
    return found


def _tensor(ids: NDArray[np.integer], network: CharLSTMNetwork) -> Tensor:
    return torch.from_numpy(ids.astype(np.int64)).to(network.head.weight.device)


def _log_probs(logits: Tensor, targets: NDArray[np.integer]) -> LogProbs:
    """logits (B, T, V), targets (B, T) -> (B, T)."""
    wanted = torch.from_numpy(targets.astype(np.int64)).to(logits.device).flatten()
    losses = cross_entropy(logits.flatten(0, 1).float(), wanted, reduction="none")
    return -losses.cpu().numpy().reshape(targets.shape)


def _clear_first_chunk(state: State) -> State:
    """Lane 0 has nothing before it: what it read as warm-up was padding."""
    h, c = (part.clone() for part in state)
    h[:, 0] = 0
    c[:, 0] = 0
    return h, c


@contextmanager
def _evaluating(network: CharLSTMNetwork) -> Iterator[None]:
    """Dropout off for a while."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
