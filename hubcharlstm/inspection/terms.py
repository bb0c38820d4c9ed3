"""What each gate of a unit is summed from: the input, the hidden state before the step, and the bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hubcharlstm.inspection.trace import Trace
from hubcharlstm.network import CharLSTMNetwork

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class UnitTerms:
    """The summands of the four gates of one unit over T characters, in PyTorch's order i, f, g, o.

    input: W x (4, T) float32, of the character or of the layer below. recurrent: U h (4, T), of the hidden state before
    the step. bias: b (4,). The sigmoid of their sum is the gate, and for g its tanh.
    """

    input: Floats
    recurrent: Floats
    bias: Floats


@torch.inference_mode()
def layer_terms(network: CharLSTMNetwork, trace: Trace, layer: int, units: Sequence[int]) -> list[UnitTerms]:
    """The summands of the gates of some units of a layer.

    trace: of `network`, with all units of that layer and of the one below it.
    """
    lstm, size, device = network.lstm, network.config.hidden_size, network.head.weight.device
    rows = [gate * size + unit for unit in units for gate in range(4)]
    place = trace.layers.index(layer)
    if layer:
        inputs = torch.from_numpy(trace.hidden[trace.layers.index(layer - 1)]).to(device)  # (T, H)
    else:
        inputs = network.embedding(torch.tensor(trace.ids, device=device)).float()
    before = np.concatenate([trace.initial_hidden[place][None], trace.hidden[place, :-1]])  # h of the step before
    hidden = torch.from_numpy(before).to(device)
    bias = lstm.get_parameter(f"bias_ih_l{layer}")[rows] + lstm.get_parameter(f"bias_hh_l{layer}")[rows]
    input_rows = lstm.get_parameter(f"weight_ih_l{layer}")[rows].float()
    recurrent_rows = lstm.get_parameter(f"weight_hh_l{layer}")[rows].float()
    parts = (input_rows @ inputs.T, recurrent_rows @ hidden.T, bias.float())
    by_unit = (part.reshape(len(units), 4, *part.shape[1:]).cpu().numpy() for part in parts)
    return [UnitTerms(*terms) for terms in zip(*by_unit, strict=True)]


def unit_terms(network: CharLSTMNetwork, trace: Trace, layer: int, unit: int) -> UnitTerms:
    """The summands of a unit's gates; see `layer_terms`."""
    return layer_terms(network, trace, layer, [unit])[0]
