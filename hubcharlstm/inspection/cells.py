"""Names for cells: which property of the text each cell follows, where that is no chance.

A cell's name is chosen on one half of the text as the probe that its tanh(c) correlates with most, and tested on the
other half. The test shifts the probes around that half by random distances, which keeps the rhythm of the text, and
takes the strongest correlation of all cells at each shift: a p-value so found holds for all cells together (the
max-statistic of Westfall & Young 1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.inspection.chunks import evaluated_positions, evaluated_steps, num_characters
from hubcharlstm.inspection.context import Context
from hubcharlstm.inspection.probes import PROBES, probe_values
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary

Floats = NDArray[np.float32]

MAX_P_VALUE = 0.01
MIN_CORRELATION = 0.3
"""Weaker ones may be no chance, but they are no name."""
NUM_SHIFTS, MIN_SHIFT, SHIFTS_AT_ONCE = 199, 32, 16
MIN_CHARACTERS = 1024
"""A shorter text names nothing."""


@dataclass(frozen=True)
class NamedCell:
    """A cell that follows a probe.

    correlation: of tanh(c) with the probe on held-out text, from -1 to 1. p_value: of so strong a correlation in any
    cell by chance.
    """

    layer: int
    unit: int
    probe: str
    correlation: float
    p_value: float

    @property
    def description(self) -> str:
        """What the cell follows, in words."""
        return PROBES[self.probe][0] if self.probe in PROBES else self.probe.replace("_", " ")


def name_cells(network: CharLSTMNetwork, vocabulary: Vocabulary, text: str) -> tuple[NamedCell, ...]:
    """The cells of `network` that follow a probe over `text`, the strongest first; none for a short text.

    Up to 16,384 characters are read. Raises `ValueError` if no character of `text` can be encoded.
    """
    context = Context.of(vocabulary, text, start_text="", state=None)
    ids = context.text.ids[: num_characters(network.config, len(context.text.ids))]
    if len(ids) < MIN_CHARACTERS:
        return ()
    positions = evaluated_positions(len(ids))
    layers, size = network.config.num_layers, network.config.hidden_size
    cells = np.empty((*positions.shape, layers, size), np.float32)  # (chunks, T, layers, H)
    for window, steps_by_layer in evaluated_steps(network, ids):
        for layer, steps in enumerate(steps_by_layer):
            cells[:, window, layer] = steps.cell.tanh().transpose(0, 1).cpu().numpy()
    probes = probe_values(context.text.text[: len(ids)])[:, positions.ravel()]
    chosen, correlations, p_values = match_cells(cells.reshape(positions.size, -1), probes)
    names = tuple(PROBES)
    found = [
        NamedCell(
            int(n) // size, int(n) % size, names[chosen[n]], round(float(correlations[n]), 4),
            round(float(p_values[n]), 4),
        )
        for n in np.flatnonzero((p_values <= MAX_P_VALUE) & (np.abs(correlations) >= MIN_CORRELATION))
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda cell: (-abs(cell.correlation), cell.layer, cell.unit)))


@torch.inference_mode()
def match_cells(cells: Floats, probes: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """cells (N, C), probes (P, N) -> for each cell its probe, their correlation on the held-out half, its p-value.

    A correlation whose sign is another one on the first half has the p-value 1.
    """
    half = len(cells) // 2
    first = standardized(probes[:, :half]) @ standardized(cells[:half].T).T / half  # (P, C)
    chosen = first.abs().argmax(dim=0)
    held_out = standardized(cells[half:].T).T.contiguous()  # (N / 2, C)
    held_out_probes = standardized(probes[:, half:])
    length = len(held_out)
    column = torch.arange(held_out.shape[1])
    strength = (held_out_probes @ held_out / length)[chosen, column]
    shifts = np.random.default_rng(0).choice(
        np.arange(MIN_SHIFT, length - MIN_SHIFT), min(NUM_SHIFTS, length - 2 * MIN_SHIFT), replace=False
    )
    exceeded = torch.zeros(held_out.shape[1])
    for some in np.array_split(shifts, -(-len(shifts) // SHIFTS_AT_ONCE)):
        shifted = torch.cat([held_out_probes.roll(shift, dims=1) for shift in some.tolist()])
        by_chance = (shifted @ held_out / length).reshape(len(some), len(probes), -1)[:, chosen, column]
        exceeded += (by_chance.abs().amax(dim=1, keepdim=True) >= strength.abs()).sum(dim=0)
    p_values = (1 + exceeded) / (1 + len(shifts))
    p_values[strength.sign() != first[chosen, column].sign()] = 1.0
    return chosen.numpy(), strength.numpy(), p_values.numpy()


def standardized(rows: Floats) -> torch.Tensor:
    """rows (R, N) with mean 0 and variance 1 each; 0 where a row is constant."""
    values = torch.from_numpy(np.ascontiguousarray(rows))
    values = values - values.mean(dim=1, keepdim=True)
    deviation = values.square().mean(dim=1, keepdim=True).sqrt()
    return torch.where(deviation > 1e-6, values / deviation.clamp_min(1e-6), 0.0)
