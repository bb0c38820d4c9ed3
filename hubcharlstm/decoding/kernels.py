"""The matrix products of decoding, each by the kernel that was the fastest here (benchmarks/RESULTS.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]

INT8_MAX = 127.0
PACKED_FOR = 64
"""Rows that oneDNN lays the weights out for; the layout serves any number of them."""

NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
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
    """Integers, scaled per output channel; x is 127 times the hidden state.

    Integer sums are exact and are scaled by one rounding, so a row's result is the same to the bit whatever stands
    beside it. A single row goes through PyTorch's own kernel, more through oneDNN's with packed weights, which wants
    unsigned x (128 more) and gives the sums as fp32.
    """

    def __init__(self, weight: Tensor) -> None:
        scale = weight.abs().amax(dim=1).clamp_min(1e-30) / INT8_MAX
        values = (weight / scale[:, None]).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8).contiguous()
        self._values = values.T  # column-major: the kernel reads it 4 times faster for one row
        self._packed = torch.ops.onednn.qlinear_prepack(values, [PACKED_FOR, values.shape[1]])
        self._ones, self._zeros = torch.ones(len(values)), torch.zeros(len(values), dtype=torch.int32)
        self._scale = scale / INT8_MAX

    def matmul(self, x: Tensor) -> Tensor:
        unsigned = torch.bitwise_xor(x.view(torch.uint8), 128)
        sums: Tensor = torch.ops.onednn.qlinear_pointwise(
            unsigned, 1.0, 128, self._packed, self._ones, self._zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
        return sums.mul_(self._scale)

    def bind_row(self, x: Tensor) -> Callable[[], Floats]:
        sums = torch.empty(1, self._values.shape[1], dtype=torch.int32)
        integers, scale = sums.numpy(), self._scale.numpy()
        out = np.empty(integers.shape, np.float32)

        def product() -> Floats:
            torch._int_mm(x, self._values, out=sums)
            np.multiply(integers, scale, out, dtype=np.float32, casting="unsafe")
            return out

        return product


class Fp32LinearKernel:
    """A single row by numpy's BLAS, more by oneDNN with packed weights."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.contiguous()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self._weight, PACKED_FOR) if has_onednn() else None

    def matmul(self, x: Tensor) -> Tensor:
        if self._packed is None:
            return x @ self._weight.T
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, None, "none", [], "")
        return product

    def bind_row(self, x: Tensor) -> Callable[[], Floats]:
        weight, row = self._weight.numpy().T, x.numpy()
        out = np.empty((1, weight.shape[1]), np.float32)
        return lambda: np.matmul(row, weight, out)


class DeviceLinearKernel:
    """fp32 or bf16 on any device, by PyTorch."""

    def __init__(self, weight: Tensor, precision: str) -> None:
        self._weight = weight.T.contiguous().to(NUMBERS[precision])

    def matmul(self, x: Tensor) -> Tensor:
        return (x @ self._weight).float()


def has_onednn() -> bool:
    """True if this PyTorch was built with oneDNN."""
    return bool(torch._C._has_mkldnn)
