"""The step of a single row on a CPU by NumPy, whose calls cost a third of PyTorch's.

Its bits are those of `decoder.update_on_cpu`: both take tanh from NumPy and the sigmoid from PyTorch, and every other
operation is one correctly rounded product, sum or rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.kernels import INT8_MAX, CpuLinearKernel, Floats
from hubcharlstm.decoding.state_buffer import BatchView
from hubcharlstm.row_product import RowProduct

INT8_SCALE = np.float32(INT8_MAX)


@dataclass(frozen=True)
class LayerStep:
    """A layer's bound product, serial and parallel, its bias (None in layer 0, whose table has it), and its state."""

    product: RowProduct
    bias: Floats | None
    c: Floats
    h: NDArray[np.generic]


class SingleRowStep:
    """A `RowStep` over a view of one row, every array at hand."""

    def __init__(
        self,
        view: BatchView,
        table: Tensor,
        kernels: Sequence[CpuLinearKernel],
        biases: Sequence[Tensor | None],
        head: CpuLinearKernel,
        head_bias: Tensor,
    ) -> None:
        self._table = table.numpy()
        self._layers = [
            LayerStep(
                kernel.bind_row(layer.input), None if bias is None else bias.numpy(), layer.c.numpy(), layer.h.numpy()
            )
            for layer, kernel, bias in zip(view.layers, kernels, biases, strict=True)
        ]
        self._head, self._head_bias = head.bind_row(view.layers[-1].h), head_bias.numpy()
        gates, size = torch.empty(1, table.shape[1]), view.out.shape[1]
        self._gates, self._ifo = gates.numpy(), gates[:, : 3 * size]
        self._i, self._f, self._o, self._g = np.split(self._gates, 4, axis=1)
        self._out, self._logits = view.out.numpy(), view.logits.numpy()
        self._int8 = view.layers[0].h.dtype == torch.int8
        self._clamped: list[tuple[list[int], Floats] | None] = [None] * len(self._layers)

    def set_clamp(self, clamp: Clamp) -> None:
        """Clamp these cells in the steps that follow."""
        for n in range(len(self._layers)):
            cells = [(unit, value) for layer, unit, value in clamp if layer == n]
            units, values = [unit for unit, _ in cells], np.array([value for _, value in cells], np.float32)
            self._clamped[n] = (units, values) if cells else None

    def step(self, token_id: int, *, logits: bool, parallel: bool) -> None:
        """Compute the next state, and with `logits` the logits, in place, on one thread or on several."""
        i, f, o, g, out = self._i, self._f, self._o, self._g, self._out
        for layer, clamped in zip(self._layers, self._clamped, strict=True):
            base = self._table[token_id] if layer.bias is None else layer.bias
            np.add(base, layer.product[parallel](), self._gates)
            self._ifo.sigmoid_()
            np.tanh(g, g)
            c = layer.c
            np.multiply(c, f, c)
            np.multiply(g, i, g)
            np.add(c, g, c)
            if clamped is not None:
                c[0, clamped[0]] = clamped[1]
            np.tanh(c, out)
            np.multiply(out, o, out)
            if self._int8:
                np.multiply(out, INT8_SCALE, out)
                np.rint(out, out)
            np.copyto(layer.h, out, "unsafe")
        if logits:
            np.add(self._head_bias, self._head[parallel](), self._logits)
