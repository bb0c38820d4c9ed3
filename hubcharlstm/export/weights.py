"""A model's int8 weights as one block of bytes, in the order in which runtime/network.js reads them.

Of each layer the int8 values (4H', K), the factors of their sums (4H',) and the bias (4H',), with K = H' in layer 0 and
2H' above; then the same of the head, (V', H') and (V',); then the table of layer 0, (V, 4H'). H' and V' are the hidden
and the vocabulary size with their padding. Values other than int8 are little-endian float32.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hubcharlstm.decoding.fused_weights import FusedWeights
from hubcharlstm.decoding.kernels import quantize
from hubcharlstm.network import CharLSTMNetwork


@torch.inference_mode()
def int8_weights(network: CharLSTMNetwork) -> bytes:
    """The bytes of `network`'s weights; raises `DamagedModelError` if a weight is not finite."""
    weights = FusedWeights.of(network)
    parts: list[bytes] = []
    for weight, bias in zip(weights.layers, weights.biases, strict=True):
        parts += _linear(weight, torch.zeros(len(weight)) if bias is None else bias)
    parts += _linear(weights.head, weights.head_bias)
    return b"".join([*parts, _floats(weights.table)])


def _linear(weight: Tensor, bias: Tensor) -> list[bytes]:
    values, scale = quantize(weight)
    return [values.cpu().numpy().tobytes(), _floats(scale), _floats(bias)]


def _floats(values: Tensor) -> bytes:
    return values.cpu().numpy().astype("<f4").tobytes()
