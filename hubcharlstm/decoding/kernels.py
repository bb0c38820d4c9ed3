"""The matrix products of decoding, each by the kernel that was the fastest here (benchmarks/RESULTS.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubcharlstm.torch_compat import Int8Linear, PackedLinear

Floats = NDArray[np.float32]

INT8_MAX = 127.0
PACKED_BATCH_SIZE = 64
"""Rows that oneDNN lays the weights out for; the layout serves any number of them."""

STATE_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
"""What weights and hidden states are kept in; cells, gates and logits are fp32."""


class LinearKernel(Protocol):
    """A weight (N, K), folded for products with x (B, K)."""

    def matmul(self, x: Tensor) -> Tensor:
        """x @ weight.T, (B, N) fp32, the caller's to change."""
        ...


class CpuLinearKernel(LinearKernel, Protocol):
    """One that has a way of its own for a single row."""

    def bind_row(self, x: Tensor) -> Callable[[], Floats]:
        """A call that multiplies what then stands in x (1, K) and gives (1, N), in a buffer of its own."""
        ...


class Int8LinearKernel:
    """Int8 weights, scaled per output channel; x is 127 times the hidden state.

    Integer sums are exact and are scaled by one rounding, so a row's result is the same to the bit whatever stands
    beside it.
    """

    def __init__(self, weight: Tensor) -> None:
        scale = weight.abs().amax(dim=1).clamp_min(1e-30) / INT8_MAX
        values = (weight / scale[:, None]).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8)
        self._sums = Int8Linear(values, PACKED_BATCH_SIZE)
        self._scale = scale / INT8_MAX

    def matmul(self, x: Tensor) -> Tensor:
        return self._sums(x).mul_(self._scale)

    def bind_row(self, x: Tensor) -> Callable[[], Floats]:
        sums, scale = self._sums.bind_row(x), self._scale.numpy()
        out = np.empty((1, len(scale)), np.float32)
        return lambda: np.multiply(sums(), scale, out, dtype=np.float32, casting="unsafe")


class Fp32LinearKernel:
    """A single row by numpy's BLAS, more by oneDNN with packed weights."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.contiguous()
        self._packed = PackedLinear(self._weight, PACKED_BATCH_SIZE)

    def matmul(self, x: Tensor) -> Tensor:
        return self._packed(x)

    def bind_row(self, x: Tensor) -> Callable[[], Floats]:
        weight, row = self._weight.numpy().T, x.numpy()
        out = np.empty((1, weight.shape[1]), np.float32)
        return lambda: np.matmul(row, weight, out)


class DeviceLinearKernel:
    """fp32 or bf16 on any device, by PyTorch."""

    def __init__(self, weight: Tensor, precision: str) -> None:
        self._weight = weight.T.contiguous().to(STATE_DTYPES[precision])

    def matmul(self, x: Tensor) -> Tensor:
        return (x @ self._weight).float()
