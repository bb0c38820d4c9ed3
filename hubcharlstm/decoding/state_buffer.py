"""(h, c) of many rows and the buffers of their step, allocated once: a step allocates nothing that grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hubcharlstm.decoding.clamping import Clamp, ClampedCells, clamped_cells
from hubcharlstm.decoding.kernels import INT8_MAX, STATE_DTYPES
from hubcharlstm.network import CharLSTMConfig, State

BLOCK = 256
"""Rows that a CPU steps together: their buffers fit the cache, and the weights are read once for all of them."""


def padded_batch_size(count: int) -> int:
    """Round the batch size up to four significant bits: oneDNN caches a kernel per shape.

    Each kernel takes half a millisecond and 0.9 MB, so that an app under changing load grew by 215 MB. There are 48
    such sizes up to 256, at most an eighth too large.
    """
    step = 1 << max(0, count.bit_length() - 4)
    return -(-count // step) * step


class RowStep(Protocol):
    """A step of the first row of a buffer alone."""

    def step(self, token_id: int, *, logits: bool, parallel: bool) -> None:
        """Compute the next state, and with `logits` the logits, in place, on one thread or on several."""
        ...

    def set_clamp(self, clamp: Clamp) -> None:
        """Clamp these cells of the row in the steps that follow."""
        ...


class StateBuffer:
    """Up to `capacity` rows of a decoder, whose `step` changes them in place.

    The hidden states of all layers are adjacent, (capacity, num_layers * H'): an upper layer reads the one below and
    its own as one slice. padded_size, padded_vocab: H' and V', the hidden and vocabulary size with their padding.
    """

    def __init__(
        self,
        capacity: int,
        config: CharLSTMConfig,
        *,
        padded_size: int,
        padded_vocab: int,
        precision: str,
        device: torch.device,
    ) -> None:
        dtype = STATE_DTYPES[precision]
        self.hidden = torch.zeros(capacity, config.num_layers * padded_size, dtype=dtype, device=device)
        self.cells = [torch.zeros(capacity, padded_size, device=device) for _ in range(config.num_layers)]
        self.out = torch.empty(capacity, padded_size, device=device)
        self.logits = torch.empty(capacity, padded_vocab, device=device)
        self.single_row: RowStep | None = None
        """A faster step for the first row alone, where the decoder has one."""
        self._hidden_size, self._padded_size, self._int8 = config.hidden_size, padded_size, precision == "int8"
        self._on_cpu = device.type == "cpu"
        self._vocab_size = config.vocab_size
        self._clamps: dict[int, Clamp] = {}  # of the rows that have one
        self._first: tuple[list[BatchView], Tensor] = [], self.logits
        self._count = 0

    def first(self, count: int) -> tuple[list[BatchView], Tensor]:
        """The first `count` rows in blocks, and their logits (count, V); cached, for slicing takes time too."""
        if self._count != count:
            self._count = count
            step = BLOCK if self._on_cpu else max(count, 1)
            views = [self.view(slice(n, min(n + step, count))) for n in range(0, count, step)]
            self._first = views, self.logits[:count, : self._vocab_size]
        return self._first

    def view(self, rows: slice) -> BatchView:
        """Some rows of every buffer."""
        size, hidden, count = self._padded_size, self.hidden[rows], rows.stop - rows.start
        multiplied = self.hidden[rows.start :][: padded_batch_size(count) if self._on_cpu else count]
        layers = [
            LayerView(
                input=multiplied[:, max(0, n - 1) * size : (n + 1) * size],
                h=hidden[:, n * size : (n + 1) * size],
                c=cells[rows],
                clamped=clamped_cells(self._clamps, n, rows, cells.device) if self._clamps else None,
            )
            for n, cells in enumerate(self.cells)
        ]
        return BatchView(rows, count, layers, multiplied[:, -size:], self.out[rows], self.logits[rows])

    def _hidden_of(self, layer: int, row: int) -> Tensor:
        return self.hidden[row, layer * self._padded_size : layer * self._padded_size + self._hidden_size]

    def _set_clamp(self, row: int, clamp: Clamp) -> None:
        if self._clamps.get(row, ()) == clamp:
            return
        if any(layer >= len(self.cells) or unit >= self._hidden_size for layer, unit, _ in clamp):
            raise RuntimeError(f"clamp is {clamp!r}; expected {len(self.cells)} layers of {self._hidden_size} units")
        self._clamps[row] = clamp
        if not clamp:
            del self._clamps[row]
        self._count = -1  # the views hold the clamped cells of their rows
        if row == 0 and self.single_row is not None:
            self.single_row.set_clamp(clamp)

    @torch.inference_mode()
    def put(self, row: int, state: State | None, clamp: Clamp = ()) -> None:
        """Set a row to `state`, (num_layers, 1, H) each; None for zeros. Raises `RuntimeError` for another shape.

        clamp: cells of the row that each step overwrites.
        """
        self._set_clamp(row, clamp)
        if state is None:
            for buffer in (self.hidden, *self.cells):
                buffer[row].zero_()
            return
        h, c = state
        for layer, cells in enumerate(self.cells):
            new = h[layer, 0]
            self._hidden_of(layer, row).copy_((new * INT8_MAX).round() if self._int8 else new)
            cells[row, : self._hidden_size] = c[layer, 0]

    @torch.inference_mode()
    def get(self, row: int) -> State:
        """A copy of a row's state, (num_layers, 1, H) each, fp32."""
        h = torch.stack([self._hidden_of(layer, row).float() for layer in range(len(self.cells))])
        c = torch.stack([cells[row, : self._hidden_size] for cells in self.cells])
        return (h / INT8_MAX if self._int8 else h)[:, None], c[:, None]

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """Copy row `source` over row `target`."""
        self._set_clamp(target, self._clamps.get(source, ()))
        for buffer in (self.hidden, *self.cells):
            buffer[target] = buffer[source]


@dataclass(frozen=True)
class LayerView:
    """A layer's slices of the buffers.

    input: what its product reads, the hidden state of the layer below and its own, for `padded_batch_size` rows.
    h, c: its state, (B, H') each. clamped: the cells that each step overwrites, None for none.
    """

    input: Tensor
    h: Tensor
    c: Tensor
    clamped: ClampedCells | None


@dataclass(frozen=True)
class BatchView:
    """Some rows of a `StateBuffer`.

    layers: one view for each. top: the top layer's h, which the head reads, for `padded_batch_size` rows.
    out: scratch space for tanh(c), (B, H'). logits: (B, V').
    """

    rows: slice
    count: int
    layers: list[LayerView]
    top: Tensor
    out: Tensor
    logits: Tensor
