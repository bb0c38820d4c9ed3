"""A network's weights laid out for decoding, so that a step has few and large products.

The gates are ordered i, f, o, g, so that one sigmoid covers three. H is padded with zeros to a multiple of `PADDING`,
so that the elementwise results of a row do not depend on the rows beside it. A padded unit has the gates 1/2, 1/2, 1/2,
0 and stays at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from hubcharlstm.errors import DamagedModelError
from hubcharlstm.network import CharLSTMNetwork

PADDING = 32


def padded(size: int) -> int:
    """The next multiple of `PADDING`."""
    return -(-size // PADDING) * PADDING


def check_finite(network: CharLSTMNetwork) -> None:
    """Raise `DamagedModelError` if a weight of `network` is not finite."""
    for value in network.state_dict().values():
        low, high = torch.aminmax(value)  # in one pass without a copy, a tenth of the time of isfinite
        if not (low > -math.inf and high < math.inf):  # false for NaN, too
            raise DamagedModelError


@dataclass(frozen=True)
class FusedWeights:
    """fp32 weights, with H' and V' the padded hidden and vocabulary size.

    table: embedding, W_ih and both biases of layer 0, (V, 4H'). layers: W_hh of layer 0, (4H', H'), and the joined
    [W_ih | W_hh] of each upper layer, (4H', 2H'). biases: (4H',) of each layer; None in layer 0, whose table has it.
    head: (V', H'). head_bias: (V',).
    """

    table: Tensor
    layers: list[Tensor]
    biases: list[Tensor | None]
    head: Tensor
    head_bias: Tensor

    @classmethod
    def of(cls, network: CharLSTMNetwork) -> Self:
        """Fuse the weights that `network` has now; raises `DamagedModelError` if one of them is not finite."""
        size, padded_vocab = padded(network.config.hidden_size), padded(network.config.vocab_size)
        check_finite(network)  # int8 would turn a NaN into a number, and the text into garbage
        tensors = {name: value.detach().float() for name, value in network.state_dict().items()}

        def gates(name: str, layer: int) -> Tensor:
            """(4H', K): the gates of a parameter reordered to i, f, o, g, each padded to H'."""
            i, f, g, o = tensors[f"lstm.{name}_l{layer}"].chunk(4)
            return torch.cat([_pad_rows(gate, size) for gate in (i, f, o, g)])

        def bias(layer: int) -> Tensor:
            return gates("bias_ih", layer) + gates("bias_hh", layer)

        table = tensors["embedding.weight"] @ gates("weight_ih", 0).T + bias(0)
        layers = [_pad_columns(gates("weight_hh", 0), size)]
        biases: list[Tensor | None] = [None]
        for n in range(1, network.config.num_layers):
            parts = [_pad_columns(gates(name, n), size) for name in ("weight_ih", "weight_hh")]
            layers.append(torch.cat(parts, dim=1))
            biases.append(bias(n))
        head = _pad_rows(_pad_columns(tensors["head.weight"], size), padded_vocab)
        return cls(table, layers, biases, head, _pad_rows(tensors["head.bias"], padded_vocab))


def _pad_rows(value: Tensor, size: int) -> Tensor:
    return torch.cat([value, value.new_zeros(size - value.shape[0], *value.shape[1:])])


def _pad_columns(value: Tensor, size: int) -> Tensor:
    return torch.cat([value, value.new_zeros(value.shape[0], size - value.shape[1])], dim=1)
