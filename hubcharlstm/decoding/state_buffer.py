"""(h, c) of many rows and the buffers of their step, all made once: a step allocates nothing that grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hubcharlstm.decoding.kernels import INT8_MAX, STATE_DTYPES
from hubcharlstm.network import CharLSTMConfig, State

BLOCK = 256
"""Rows that take a step together on a CPU: their buffers stay in the cache, and the weights are read seldom enough."""


def padded_batch_size(count: int) -> int:
    """How many rows a product on a CPU has for `count` of them: the next number of four binary digits and zeros.

    oneDNN makes and keeps a kernel for every number of rows it is asked for: half a millisecond and 0.9 MB each, so
    that an app whose visitors come and go grew by 215 MB. These are 48 numbers up to 256, at most an eighth too large.
    """
    step = 1 << max(0, count.bit_length() - 4)
    return -(-count // step) * step


class RowStep(Protocol):
    def step(self, ids: Tensor, *, logits: bool = True) -> None:
        """ids (1,): the next state, and logits unless nobody wants them, in place."""
        ...


class StateBuffer:
    """Up to `capacity` rows of a decoder; its `step` changes them in place.

    The hidden states of all layers stand side by side, (capacity, num_layers * size): an upper layer reads the one
    below and its own as one piece. size, padded_vocab: hidden and vocabulary size with their padding.
    """

    def __init__(
        self,
        capacity: int,
        config: CharLSTMConfig,
        *,
        size: int,
        padded_vocab: int,
        precision: str,
        device: torch.device,
    ) -> None:
        self.hidden = torch.zeros(capacity, config.num_layers * size, dtype=STATE_DTYPES[precision], device=device)
        self.cells = [torch.zeros(capacity, size, device=device) for _ in range(config.num_layers)]
        self.out = torch.empty(capacity, size, device=device)
        self.logits = torch.empty(capacity, padded_vocab, device=device)
        self.single_row: RowStep | None = None
        """A quicker way to the step of the first row alone, if the decoder knows one."""
        self._hidden_size, self._size, self._int8 = config.hidden_size, size, precision == "int8"
        self._on_cpu = device.type == "cpu"
        self._vocab_size = config.vocab_size
        self._first: tuple[list[BatchView], Tensor] = [], self.logits
        self._count = 0

    def first(self, count: int) -> tuple[list[BatchView], Tensor]:
        """The first `count` rows in blocks, and their logits (count, V); kept, for slicing takes time too."""
        if self._count != count:
            self._count = count
            step = BLOCK if self._on_cpu else max(count, 1)
            views = [self.view(slice(n, min(n + step, count))) for n in range(0, count, step)]
            self._first = views, self.logits[:count, : self._vocab_size]
        return self._first

    def view(self, rows: slice) -> BatchView:
        """Some rows of every buffer."""
        size, hidden, count = self._size, self.hidden[rows], rows.stop - rows.start
        read = self.hidden[rows.start :][: padded_batch_size(count) if self._on_cpu else count]
        layers = [
            Layer(
                read=read[:, max(0, n - 1) * size : (n + 1) * size],
                h=hidden[:, n * size : (n + 1) * size],
                c=cells[rows],
            )
            for n, cells in enumerate(self.cells)
        ]
        return BatchView(rows, count, layers, read[:, -size:], self.out[rows], self.logits[rows])

    def _of(self, layer: int, row: int) -> Tensor:
        return self.hidden[row, layer * self._size : layer * self._size + self._hidden_size]

    @torch.inference_mode()
    def put(self, row: int, state: State | None) -> None:
        """Set a row to `state`, (num_layers, 1, H) each; None for zeros."""
        if state is None:
            for buffer in (self.hidden, *self.cells):
                buffer[row].zero_()
            return
        h, c = state
        for layer, cells in enumerate(self.cells):
            new = h[layer, 0]
            self._of(layer, row).copy_((new * INT8_MAX).round() if self._int8 else new)
            cells[row, : self._hidden_size] = c[layer, 0]

    @torch.inference_mode()
    def get(self, row: int) -> State:
        """A copy of a row's state, (num_layers, 1, H) each, fp32."""
        h = torch.stack([self._of(layer, row).float() for layer in range(len(self.cells))])
        c = torch.stack([cells[row, : self._hidden_size] for cells in self.cells])
        return (h / INT8_MAX if self._int8 else h)[:, None], c[:, None]

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """Copy row `source` over row `target`."""
        for buffer in (self.hidden, *self.cells):
            buffer[target] = buffer[source]


@dataclass(frozen=True)
class Layer:
    """A layer's buffers: what its product reads (the hidden state below and its own, of `multiplied` rows), h and c."""

    read: Tensor
    h: Tensor
    c: Tensor


@dataclass(frozen=True)
class BatchView:
    """Some rows of the buffers of `Rows`: those of each layer, what the head reads (the top layer's h, of `multiplied`
    rows), a place for tanh(c), and the logits."""

    rows: slice
    count: int
    layers: list[Layer]
    top: Tensor
    out: Tensor
    logits: Tensor
