"""The five equations of an LSTM layer written out, since `nn.LSTM` keeps its gates to itself.

i = sigmoid(W_i x + U_i h + b_i), f and o likewise, g = tanh(W_g x + U_g h + b_g), c = f * c + i * g, h = o * tanh(c)
(Hochreiter & Schmidhuber 1997; the forget gate of Gers et al. 2000).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.network import CharLSTMNetwork, State

COPY_STEPS = 16
"""From here on a copy of the weights in the other order costs less than it saves."""


@dataclass(frozen=True)
class LayerSteps:
    """What a layer computes at T steps of B rows, (T, B, H) each."""

    input_gate: Tensor
    forget_gate: Tensor
    candidate: Tensor
    output_gate: Tensor
    cell: Tensor
    hidden: Tensor


def transposed_recurrent(network: CharLSTMNetwork) -> tuple[Tensor, ...]:
    """U of each layer as (H, 4H), contiguous: in this order its product with a single row is fastest."""
    layers = range(network.config.num_layers)
    return tuple(network.lstm.get_parameter(f"weight_hh_l{n}").detach().T.contiguous() for n in layers)


def layer_steps(
    network: CharLSTMNetwork,
    layer: int,
    inputs: Tensor,
    state: State,
    clamp: Clamp = (),
    recurrent: Tensor | None = None,
) -> LayerSteps:
    """The steps of one layer: inputs (T, B, K), state of that layer before them, (B, H) each.

    recurrent: its `transposed_recurrent`; None to make it here.
    """
    lstm, size = network.lstm, network.config.hidden_size
    bias = lstm.get_parameter(f"bias_ih_l{layer}") + lstm.get_parameter(f"bias_hh_l{layer}")
    gates = linear(inputs, lstm.get_parameter(f"weight_ih_l{layer}"), bias)  # (T, B, 4H), ordered i, f, g, o
    if recurrent is None:
        recurrent = lstm.get_parameter(f"weight_hh_l{layer}").T
        if len(inputs) > COPY_STEPS:
            recurrent = recurrent.contiguous()
    cell, hidden = (torch.empty(*inputs.shape[:2], size, dtype=inputs.dtype, device=inputs.device) for _ in range(2))
    clamped = [(unit, value) for number, unit, value in clamp if number == layer]
    h, c = state
    for step, preactivation in enumerate(gates):
        i_f_g_o = torch.addmm(preactivation, h, recurrent, out=preactivation)
        i_f_g_o[:, : 2 * size].sigmoid_()
        i_f_g_o[:, 2 * size : 3 * size].tanh_()
        i_f_g_o[:, 3 * size :].sigmoid_()
        i, f, g, o = i_f_g_o.chunk(4, dim=1)
        c = torch.mul(f, c, out=cell[step]).add_(i * g)
        for unit, value in clamped:
            c[:, unit] = value
        h = torch.mul(o, c.tanh(), out=hidden[step])
    input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=2)
    return LayerSteps(input_gate, forget_gate, candidate, output_gate, cell, hidden)


def network_steps(
    network: CharLSTMNetwork,
    ids: Tensor,
    state: State,
    clamp: Clamp = (),
    recurrent: Sequence[Tensor] | None = None,
) -> Iterator[tuple[LayerSteps, State]]:
    """The steps of each layer in turn over ids (T, B), and that layer's (h, c) after them, (B, H) each.

    state: (num_layers, B, H) each, before them. recurrent: `transposed_recurrent`, for many calls on the same weights.
    The last layer's `hidden` is what the head reads.
    """
    inputs = network.embedding(ids)
    for layer, layer_state in enumerate(zip(*state, strict=True)):
        weight = None if recurrent is None else recurrent[layer]
        steps = layer_steps(network, layer, inputs, layer_state, clamp, weight)
        yield steps, (steps.hidden[-1], steps.cell[-1])
        inputs = steps.hidden
