"""Steps of a long text, read as chunks side by side: one product serves a step of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.inspection.equations import LayerSteps, network_steps
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork

MAX_CHUNKS = 64
CHUNK, WARMUP = 256, 64
"""Characters of a chunk, and how many of them only bring its state near the one of a text read from its beginning."""
WINDOW = 32
"""Steps in memory at once."""
MAX_MULTIPLICATIONS = 6e10
"""Of the recurrent and input products: some 2 s on two cores, 64 chunks of one layer of 896 units."""


def num_characters(config: CharLSTMConfig, count: int) -> int:
    """How many of `count` characters are read: whole chunks, as many as `MAX_MULTIPLICATIONS` allow, at least 16."""
    per_character = 4 * config.hidden_size**2 * (2 * config.num_layers - 1)
    chunks = max(16, min(MAX_CHUNKS, int(MAX_MULTIPLICATIONS / per_character / CHUNK)))
    return count if count < 2 * CHUNK else CHUNK * min(chunks, count // CHUNK)


def evaluated_positions(count: int) -> NDArray[np.int64]:
    """Positions (chunks, T) that are evaluated of `count` characters, in the order of the text."""
    if count < 2 * CHUNK:  # too short for chunks
        return np.arange(count // 4, count)[None]
    return np.arange(count // CHUNK)[:, None] * CHUNK + np.arange(WARMUP, CHUNK)


@torch.inference_mode()
def evaluated_steps(network: CharLSTMNetwork, ids: Sequence[int]) -> Iterator[tuple[slice, list[LayerSteps]]]:
    """Windows of the steps at `evaluated_positions`: which of a chunk's T, and those of each layer, (t, chunks, H).

    ids: as many as `num_characters` says. Each chunk starts from zero, `WARMUP` characters before its first position.
    """
    positions = evaluated_positions(len(ids))
    warmup = int(positions[0, 0])
    starts = positions[:, 0] - warmup
    columns = np.asarray(ids)[starts + np.arange(warmup + positions.shape[1])[:, None]]  # (steps, chunks)
    chunk_ids = torch.from_numpy(columns).to(network.head.weight.device)
    state = network.initial_state(len(positions))
    for start in (*range(0, warmup, WINDOW), *range(warmup, len(columns), WINDOW)):
        end = min(start + WINDOW, warmup if start < warmup else len(columns))
        layers, states = [], []
        for steps, after in network_steps(network, chunk_ids[start:end], state):
            layers.append(steps)
            states.append(after)
        h, c = (torch.stack(parts) for parts in zip(*states, strict=True))
        state = h, c
        if start >= warmup:
            yield slice(start - warmup, end - warmup), layers
