"""How long the gates of a network stand open or closed (Karpathy, Johnson and Fei-Fei 2015), and what a cell holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubcharlstm.inspection.chunks import evaluated_positions, evaluated_steps, num_characters
from hubcharlstm.inspection.context import Context
from hubcharlstm.network import CharLSTMNetwork
from hubcharlstm.vocabulary import Vocabulary

Floats = NDArray[np.float32]

OPEN, CLOSED = 0.9, 0.1
GATES = ("input_gate", "forget_gate", "output_gate")
MAX_HALF_LIFE = 1e6
"""Characters; a forget gate that is 1 to the last bit forgets nothing."""


@dataclass(frozen=True, eq=False)
class GateStatistics:
    """Statistics over `characters` of a text.

    above, below: by gate, the share of time that the gate of each unit is above 0.9 and below 0.1, (num_layers, H).
    half_life (num_layers, H): characters after which half of a cell's content is left, by the geometric mean of its
    forget gate.
    """

    characters: int
    above: dict[str, Floats]
    below: dict[str, Floats]
    half_life: Floats

    def __repr__(self) -> str:
        return f"GateStatistics({self.characters:,} characters, half-lives to {self.half_life.max():.0f})"

    def to_record(self) -> dict[str, Any]:
        """The means of each layer as JSON values, and of its half-lives the median and the longest."""
        layers = [
            {
                gate: {
                    "above": round(float(self.above[gate][layer].mean()), 4),
                    "below": round(float(self.below[gate][layer].mean()), 4),
                }
                for gate in GATES
            }
            | {
                "half_life": {
                    "median": round(float(np.median(half_lives)), 2),
                    "longest": round(float(half_lives.max()), 1),
                }
            }
            for layer, half_lives in enumerate(self.half_life)
        ]
        return {"characters": self.characters, "layers": layers}


def gate_statistics(network: CharLSTMNetwork, vocabulary: Vocabulary, text: str) -> GateStatistics:
    """The statistics of `network` over `text`, of which up to 16,384 characters are read.

    Raises `ValueError` if no character of `text` can be encoded.
    """
    context = Context.of(vocabulary, text, start_text="", state=None)
    ids = context.text.ids[: num_characters(network.config, len(context.text.ids))]
    count = evaluated_positions(len(ids)).size
    shape = network.config.num_layers, network.config.hidden_size
    above, below = ({gate: np.zeros(shape) for gate in GATES} for _ in range(2))
    log_forget = np.zeros(shape)
    for _, layers in evaluated_steps(network, ids):
        for layer, steps in enumerate(layers):
            for gate in GATES:
                values = getattr(steps, gate)
                above[gate][layer] += (values > OPEN).sum(dim=(0, 1)).cpu().numpy()
                below[gate][layer] += (values < CLOSED).sum(dim=(0, 1)).cpu().numpy()
            log_forget[layer] += steps.forget_gate.clamp_min(1e-30).log().sum(dim=(0, 1)).cpu().numpy()
    half_life = math.log(2) / np.maximum(-log_forget / count, math.log(2) / MAX_HALF_LIFE)
    shares = [{gate: (part[gate] / count).astype(np.float32) for gate in GATES} for part in (above, below)]
    return GateStatistics(count, shares[0], shares[1], half_life.astype(np.float32))
