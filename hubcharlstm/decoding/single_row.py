"""The step of a single row on a CPU, by numpy: a call of it costs a third of one of PyTorch.

Its bits are those of `decoder.update`: tanh is numpy's and sigmoid PyTorch's in both, and one product, sum or
rounding is exact wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hubcharlstm.decoding.kernels import INT8_MAX, CpuLinearKernel, Floats
from hubcharlstm.decoding.state_buffer import BatchView

INT8_SCALE = np.float32(INT8_MAX)


@dataclass(frozen=True)
class Layer:
    """A layer's product, its bias (None in layer 0, whose table holds it), and its buffers."""

    product: Callable[[], Floats]
    bias: Floats | None
    c: Floats
    h: NDArray[np.generic]


class SingleRowStep:
    """The first row of a `View`, every array at hand."""

    def __init__(
        self,
        v: BatchView,
        table: Tensor,
        products: Sequence[CpuLinearKernel],
        biases: Sequence[Tensor | None],
        head: CpuLinearKernel,
        head_bias: Tensor,
    ) -> None:
        self._table = table.numpy()
        self._layers = [
            Layer(
                product.bind_row(layer.read), None if bias is None else bias.numpy(), layer.c.numpy(), layer.h.numpy()
            )
            for layer, product, bias in zip(v.layers, products, biases, strict=True)
        ]
        self._head, self._head_bias = head.bind_row(v.layers[-1].h), head_bias.numpy()
        gates, size = torch.empty(1, table.shape[1]), v.out.shape[1]
        self._gates, self._three = gates.numpy(), gates[:, : 3 * size]
        self._i, self._f, self._o, self._g = np.split(self._gates, 4, axis=1)
        self._out, self._logits = v.out.numpy(), v.logits.numpy()
        self._int8 = v.layers[0].h.dtype == torch.int8

    def step(self, ids: Tensor, *, logits: bool = True) -> None:
        """ids (1,): the next state, and logits unless nobody wants them, in place."""
        i, f, o, g, out = self._i, self._f, self._o, self._g, self._out
        for layer in self._layers:
            base = self._table[ids.numpy()] if layer.bias is None else layer.bias
            np.add(base, layer.product(), self._gates)
            self._three.sigmoid_()
            np.tanh(g, g)
            c = layer.c
            np.multiply(c, f, c)
            np.multiply(g, i, g)
            np.add(c, g, c)
            np.tanh(c, out)
            np.multiply(out, o, out)
            if self._int8:
                np.multiply(out, INT8_SCALE, out)
                np.rint(out, out)
            np.copyto(layer.h, out, "unsafe")
        if logits:
            np.add(self._head_bias, self._head(), self._logits)
