"""A model's int8 weights as one block of bytes, in the order in which runtime/network.js reads them.

Of each layer the int8 values (4H', K), the factors of their sums (4H',) and the bias (4H',), with K = H' in layer 0 and
2H' above; then the same of the head, (V', H') and (V',); then the table of layer 0, (V, 4H'), and `tanh_bias`. H' and
V' are the hidden and the vocabulary size with their padding. Values other than int8 are little-endian float32.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubcharlstm.decoding.fused_weights import FusedWeights
from hubcharlstm.decoding.kernels import quantize
from hubcharlstm.network import CharLSTMNetwork

SAMPLES = 4096
"""Values in each interval of `tanh_bias`."""


@torch.inference_mode()
def int8_weights(network: CharLSTMNetwork) -> bytes:
    """The bytes of `network`'s weights; raises `DamagedModelError` if a weight is not finite."""
    weights = FusedWeights.of(network)
    parts: list[bytes] = []
    for weight, bias in zip(weights.layers, weights.biases, strict=True):
        parts += _linear(weight, torch.zeros(len(weight)) if bias is None else bias)
    parts += _linear(weights.head, weights.head_bias)
    return b"".join([*parts, _floats(weights.table), tanh_bias().astype("<f4").tobytes()])


def tanh_bias() -> NDArray[np.float64]:
    """The mean error of NumPy's float32 tanh here, (68,): 0, then each quarter of an octave from 2**-12 to 2**4, zeros.

    NumPy evaluates a polynomial in each of these intervals, with coefficients in float32, whose errors shift the whole
    interval. With the shift added before the last rounding, 99 of 100 values are NumPy's to the bit; without it 69 are.
    """
    mantissas = 1 + np.arange(4 * SAMPLES) / (4 * SAMPLES)
    x = np.outer(np.exp2(np.arange(-12, 4)), mantissas).astype(np.float32)  # (16 octaves, 4 quarters of each)
    errors = np.tanh(x).astype(np.float64) - np.tanh(x.astype(np.float64))
    return np.concatenate([[0.0], errors.reshape(64, SAMPLES).mean(axis=1), np.zeros(3)])


def _linear(weight: Tensor, bias: Tensor) -> list[bytes]:
    values, scale = quantize(weight)
    return [values.cpu().numpy().tobytes(), _floats(scale), _floats(bias)]


def _floats(values: Tensor) -> bytes:
    return values.cpu().numpy().astype("<f4").tobytes()
