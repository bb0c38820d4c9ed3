"""Scoring: the log-probability of every character of a text, in bounded memory."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from hubcharlstm.arguments import checked_text, positive_integer
from hubcharlstm.colored_text import colored, sequential
from hubcharlstm.network import CharLSTMNetwork, State
from hubcharlstm.vocabulary import Vocabulary, shorten

WARMUP = 512
"""Characters before a chunk that are processed unscored, so that its first state is close to the carried one."""
WINDOW = 256
"""Characters per forward call, which bounds the memory of the logits."""

LogProbs = NDArray[np.float32]


class Ids(Protocol):
    """The ids of a text, in memory or on a disk: ids[positions] -> integers of the same shape."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Score:
    """The score of a text.

    text: the text as encoded. log_probs (N,) float32: the natural logarithm of each character's probability, given
    the start text and all characters before it. warnings: substituted and dropped characters, for a person.
    """

    text: str
    log_probs: LogProbs
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Score({shorten(self.text)!r}, {len(self.text):,} characters, bpc={self.bpc:.4f})"

    def _repr_html_(self) -> str:
        """In a notebook: the text coloured by surprise."""
        bits = (-self.log_probs / math.log(2)).tolist()
        return colored(self.text, bits, sequential, titles=[f"{value:.1f} bits" for value in bits])

    @property
    def nats(self) -> float:
        """The mean negative log-probability of a character, in nats."""
        return -float(self.log_probs.mean(dtype=np.float64))

    @property
    def bpc(self) -> float:
        """Bits per character."""
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(nats): the number of equally likely characters with the same uncertainty; infinite beyond a float."""
        return math.exp(self.nats) if self.nats < math.log(sys.float_info.max) else math.inf


def score(
    network: CharLSTMNetwork, vocabulary: Vocabulary, text: str, *, start_text: str, num_chunks: int = 1
) -> Score:
    """The score of `text` after `start_text`; raises `ValueError` if no character of `text` can be encoded.

    num_chunks: 1 processes the text from end to end. More process that many chunks of a long text in parallel, which
    is faster and differs in the last digits: each chunk but the first starts from the state after the `WARMUP`
    characters before it.
    """
    num_chunks = positive_integer("num_chunks", num_chunks)
    encoding = vocabulary.encode(checked_text("text", text))
    if not encoding.ids:
        dropped = f" ({encoding.describe()})" if encoding.dropped else ""
        raise ValueError(f"The text holds nothing that the model can read{dropped}; expected at least one character.")
    before = vocabulary.encode(start_text).ids or (0,)
    ids = np.array(before + encoding.ids, dtype=np.int32)
    values = token_log_probs(network, ids, num_chunks=num_chunks)[len(before) - 1 :]
    return Score(encoding.text, values, (encoding.describe(),) if not encoding.exact else ())


@torch.inference_mode()
def token_log_probs(
    network: CharLSTMNetwork, ids: Sequence[int] | ArrayLike | Tensor, *, num_chunks: int = 1, window: int = WINDOW
) -> LogProbs:
    """Log-probabilities (N - 1,) of ids[1:], each given all before it; ids (N,) integers, N at least 2.

    The text is cut into `num_chunks` contiguous chunks that are processed in parallel. The first starts from a zero
    state, each other from the state after the `WARMUP` ids before it. There are fewer chunks where they would be
    shorter than four times that.
    """
    ids = np.asarray(ids)
    count = len(ids) - 1
    log_probs = np.zeros(count, dtype=np.float32)
    for positions, logits in chunked_logits(network, ids, num_chunks=num_chunks, window=window):
        inside = positions < count
        log_probs[positions[inside]] = _log_probs(logits, ids[positions.clip(max=count - 1) + 1])[inside]
    return log_probs


def chunked_logits(
    network: CharLSTMNetwork, ids: Ids, *, num_chunks: int = 1, window: int = WINDOW
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Positions (chunks, T) and the logits (chunks, T, V) after them, window by window, each position once.

    Chunks and their first states are those of `token_log_probs`. The last id has no logits, for nothing comes after
    it; positions from there on are padding.
    """
    count = len(ids) - 1
    num_chunks = max(1, min(num_chunks, count // (4 * WARMUP)))
    warmup = WARMUP if num_chunks > 1 else 0
    length = -(-count // num_chunks)
    first = np.arange(num_chunks)[:, None] * length
    with evaluating(network):
        state = network.initial_state(num_chunks)
        for start in (*range(-warmup, 0, window), *range(0, length, window)):
            if start == 0 < warmup:
                state = _clear_first_chunk(state)
            positions = first + np.arange(start, min(start + window, 0 if start < 0 else length))  # (chunks, T)
            safe = positions.clip(0, count - 1)  # positions outside the text are padding
            logits, state = network(_tensor(ids[safe], network), state)
            if start >= 0:
                yield positions, logits


@torch.inference_mode()
def cold_log_probs(
    network: CharLSTMNetwork, ids: Sequence[int] | ArrayLike | Tensor, *, window: int = WINDOW, rows: int = 32
) -> LogProbs:
    """Log-probabilities (N - 1,) of ids[1:] with the state reset to zero every `window` characters."""
    ids = np.asarray(ids)
    count = len(ids) - 1
    log_probs = np.zeros(count, dtype=np.float32)
    with evaluating(network):
        for start in range(0, count, window * rows):
            part = range(start, min(start + window * rows, count), window)
            positions = np.array(part)[:, None] + np.arange(window)  # (rows, window)
            safe, inside = positions.clip(0, count - 1), positions < count
            logits, _ = network(_tensor(ids[safe], network), network.initial_state(len(part)))
            log_probs[positions[inside]] = _log_probs(logits, ids[safe + 1])[inside]
    return log_probs


def _tensor(ids: NDArray[np.integer], network: CharLSTMNetwork) -> Tensor:
    return torch.from_numpy(ids.astype(np.int64)).to(network.head.weight.device)


def _log_probs(logits: Tensor, targets: NDArray[np.integer]) -> LogProbs:
    """logits (B, T, V), targets (B, T) -> (B, T)."""
    expected = torch.from_numpy(targets.astype(np.int64)).to(logits.device).flatten()
    losses = cross_entropy(logits.flatten(0, 1).float(), expected, reduction="none")
    return -losses.cpu().numpy().reshape(targets.shape)


def _clear_first_chunk(state: State) -> State:
    """Reset chunk 0 to zero: its warm-up was padding."""
    h, c = (part.clone() for part in state)
    h[:, 0] = 0
    c[:, 0] = 0
    return h, c


@contextmanager
def evaluating(network: CharLSTMNetwork) -> Iterator[None]:
    """Evaluation mode for the block, then the mode from before."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
