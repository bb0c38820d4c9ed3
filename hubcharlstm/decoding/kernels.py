"""Linear kernels: the matrix products of decoding, each by the fastest operator measured (benchmarks/RESULTS.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubcharlstm.row_product import RowProduct, bind_row_product
from hubcharlstm.torch_compat import Int8Linear, PackedLinear

Floats = NDArray[np.float32]

INT8_MAX = 127.0
PACKED_BATCH_SIZE = 64
"""Batch size for which oneDNN lays out the weights; the layout serves any other."""

STATE_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
"""Types of weights and hidden states; cells, gates and logits are fp32."""


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """weight (N, K) -> its int8 values (N, K), and the factors (N,) of their sums with 127 times a hidden state."""
    scale = weight.abs().amax(dim=1).clamp_min(1e-30) / INT8_MAX
    values = (weight / scale[:, None]).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8)
    return values, scale / INT8_MAX


class LinearKernel(Protocol):
    """A weight (N, K), laid out for products with x (B, K)."""

    def matmul(self, x: Tensor) -> Tensor:
        """x @ weight.T, (B, N) fp32, in a tensor that the caller may change."""
        ...


class CpuLinearKernel(LinearKernel, Protocol):
    """A kernel with a faster product for a single row."""

    def bind_row(self, x: Tensor) -> RowProduct:
        """Calls that multiply what x (1, K) then holds -> (1, N), in a buffer that the next call overwrites."""
        ...


class Int8LinearKernel:
    """Int8 weights, scaled per output channel; x is 127 times the hidden state.

    Integer sums are exact and scaled with one rounding, so a row's result is the same to the bit in any batch.
    """

    def __init__(self, weight: Tensor) -> None:
        values, self._scale = quantize(weight)
        self._sums = Int8Linear(values, PACKED_BATCH_SIZE)

    def matmul(self, x: Tensor) -> Tensor:
        return self._sums(x).mul_(self._scale)

    def bind_row(self, x: Tensor) -> RowProduct:
        sums, scale = self._sums.bind_row(x), self._scale.numpy()
        out = np.empty((1, len(scale)), np.float32)

        def scaled(product: Callable[[], NDArray[np.generic]]) -> Callable[[], Floats]:
            return lambda: np.multiply(product(), scale, out, dtype=np.float32, casting="unsafe")

        return RowProduct(scaled(sums.serial), scaled(sums.parallel))


class Fp32LinearKernel:
    """fp32 weights: a single row by NumPy's BLAS, more rows by oneDNN with packed weights."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight.contiguous()
        self._packed = PackedLinear(self._weight, PACKED_BATCH_SIZE)

    def matmul(self, x: Tensor) -> Tensor:
        return self._packed(x)

    def bind_row(self, x: Tensor) -> RowProduct:
        return bind_row_product(x.numpy(), self._weight.numpy())


class DeviceLinearKernel:
    """fp32 or bf16 weights on any device, by PyTorch."""

    def __init__(self, weight: Tensor, precision: str) -> None:
        self._weight = weight.T.contiguous().to(STATE_DTYPES[precision])

    def matmul(self, x: Tensor) -> Tensor:
        return (x @ self._weight).float()
