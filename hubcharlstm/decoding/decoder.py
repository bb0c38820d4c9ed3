"""A network's weights folded for decoding: one step for a batch of rows. It knows ids, no text.

Folded means: embedding, W_ih and both biases of layer 0 are one (V, 4H) table, upper layers use one
joined [W_ih | W_hh] product, the gates stand in the order i, f, o, g, so that one sigmoid covers three,
and H is padded with zeros to a multiple of 32, so that a row's elementwise results do not depend on the rows
beside it. A padded unit has the gates 1/2, 1/2, 1/2, 0 and stays at 0.

In int8 the weights are scaled per output channel and the hidden state by 127: it is o * tanh(c), so it lies
in (-1, 1). Integer sums are exact, so a row's logits are the same to the bit whatever stands beside it.

On a CPU tanh is numpy's, which took a sixth of the time of PyTorch's, and a single row goes through numpy
altogether (one_row.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.kernels import (
    INT8_MAX,
    DeviceLinearKernel,
    Fp32LinearKernel,
    Int8LinearKernel,
    LinearKernel,
)
from hubcharlstm.decoding.single_row import SingleRowStep
from hubcharlstm.decoding.state_buffer import BatchView, Layer, StateBuffer
from hubcharlstm.errors import DamagedModelError
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork, State

PREFILL_CHUNK = 64
"""Ids of a prompt that go through `nn.LSTM` at once, some 8 ms on two cores: running rows wait no longer than that."""

PADDING = 32


class Decoder:
    """Decodes with the weights that `network` has now, on its device; later changes are not seen.

    precision: "fp32", "bf16" (for a GPU) or "int8" (for a CPU, fast where `torch_compat.has_fast_int8`).
    """

    @torch.inference_mode()
    def __init__(self, network: CharLSTMNetwork, precision: str = "fp32") -> None:
        config = network.config
        self.config: CharLSTMConfig = config
        self.device = network.head.weight.device
        self.precision = precision
        self.size = -(-config.hidden_size // PADDING) * PADDING
        self.padded_vocab = -(-config.vocab_size // PADDING) * PADDING
        self._network = network
        self._update = update_on_cpu if self.device.type == "cpu" and precision != "bf16" else update
        tensors = {name: value.detach().float() for name, value in network.state_dict().items()}
        if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
            raise DamagedModelError  # in int8 a NaN would become a number, and the text garbage

        def gates(name: str, layer: int) -> Tensor:
            """(4H', K): gates reordered to i, f, o, g, each padded to H'."""
            i, f, g, o = tensors[f"lstm.{name}_l{layer}"].chunk(4)
            return torch.cat([_pad_rows(gate, self.size) for gate in (i, f, o, g)])

        def bias(layer: int) -> Tensor:
            return gates("bias_ih", layer) + gates("bias_hh", layer)

        self._table = tensors["embedding.weight"] @ gates("weight_ih", 0).T + bias(0)  # (V, 4H')
        weights = [_pad_columns(gates("weight_hh", 0), self.size)]
        self._biases: list[Tensor | None] = [None]  # the table holds that of layer 0
        for n in range(1, config.num_layers):
            parts = [_pad_columns(gates(name, n), self.size) for name in ("weight_ih", "weight_hh")]
            weights.append(torch.cat(parts, dim=1))
            self._biases.append(bias(n))
        head = _pad_rows(_pad_columns(tensors["head.weight"], self.size), self.padded_vocab)
        self._head_bias = _pad_rows(tensors["head.bias"], self.padded_vocab)
        self._products: Sequence[LinearKernel]
        self._head: LinearKernel
        self._for_one_row: Callable[[BatchView], SingleRowStep] | None = None
        if self.device.type == "cpu" and precision != "bf16":
            fold = Int8LinearKernel if precision == "int8" else Fp32LinearKernel
            on_cpu, head_on_cpu = [fold(weight) for weight in weights], fold(head)
            self._products, self._head = on_cpu, head_on_cpu
            self._for_one_row = lambda view: SingleRowStep(
                view, self._table, on_cpu, self._biases, head_on_cpu, self._head_bias
            )
        else:
            self._products = [DeviceLinearKernel(weight, precision) for weight in weights]
            self._head = DeviceLinearKernel(head, precision)
        openmp.release_thread_team()  # loading and folding took some, and whoever decodes may be another thread

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (num_layers, B, H) each."""
        h = torch.zeros(self.config.num_layers, batch_size, self.config.hidden_size, device=self.device)
        return h, torch.zeros_like(h)

    @torch.inference_mode()
    def state_buffer(self, capacity: int) -> StateBuffer:
        """Room for `capacity` rows, all at the initial state."""
        rows = StateBuffer(
            capacity,
            self.config,
            size=self.size,
            padded_vocab=self.padded_vocab,
            precision=self.precision,
            device=self.device,
        )
        if self._for_one_row is not None:
            rows.single_row = self._for_one_row(rows.view(slice(0, 1)))
        return rows

    @torch.inference_mode()
    def prefill_chunk(self, ids: Sequence[int], state: State | None) -> tuple[State, tuple[int, ...]]:
        """Read the beginning of `ids` of one row by `nn.LSTM`, all but the last id at most.

        state (num_layers, 1, H) each, None for zeros -> the state after them, and the ids that are left.
        """
        state = self.initial_state(1) if state is None else state
        count = min(PREFILL_CHUNK, len(ids) - 1)
        if count > 0:
            was_training = self._network.training
            self._network.eval()
            chunk = torch.tensor([ids[:count]], device=self.device)
            _, state = self._network.lstm(self._network.embedding(chunk), state)
            self._network.train(was_training)
        return state, tuple(ids[count:])

    def prefill(self, ids: Sequence[int], state: State | None) -> State:
        """The state after `ids` (N,) of one row from `state`, (num_layers, 1, H) each; None for zeros.

        In int8 as `step` reads, which takes less than half the time of `nn.LSTM` in fp32; otherwise in chunks.
        """
        if self.precision == "int8":
            rows = self.state_buffer(1)
            rows.put(0, state)
            for bind_row in torch.tensor(ids, dtype=torch.int64)[:, None]:
                self.advance(bind_row, rows)
            return rows.get(0)
        state = self.initial_state(1) if state is None else state
        pending_ids = (*ids, 0)  # a chunk leaves the last id unread, whatever it is
        while len(pending_ids) > 1:
            state, pending_ids = self.prefill_chunk(pending_ids, state)
        return state

    def advance(self, ids: Tensor, rows: StateBuffer) -> None:
        """ids (n,) int64: one step of the first n of `rows`, in place, where nobody wants the logits."""
        views, _ = rows.first(len(ids))
        with torch.inference_mode():
            if len(ids) == 1 and rows.single_row is not None:
                rows.single_row.step(ids, logits=False)
                return
            for view in views:
                self._advance(ids[view.rows], view)

    def step(self, ids: Tensor, rows: StateBuffer) -> Tensor:
        """ids (n,) int64: one step of the first n of `rows`, in place -> logits (n, V), good until the next step."""
        views, logits = rows.first(len(ids))
        with torch.inference_mode():
            if len(ids) == 1 and rows.single_row is not None:
                rows.single_row.step(ids)
                return logits
            for view in views:
                self._advance(ids[view.rows], view)
                torch.add(self._head_bias, self._head.matmul(view.top)[: view.count], out=view.logits)
        return logits

    def _advance(self, ids: Tensor, v: BatchView) -> None:
        for product, bias, layer in zip(self._products, self._biases, v.layers, strict=True):
            gates = product.matmul(layer.read)[: v.count].add_(self._table[ids] if bias is None else bias)
            self._update(gates, layer, v.out)


def update(gates: Tensor, layer: Layer, out: Tensor) -> None:
    """c = f * c + i * g, h = o * tanh(c), from the sums of the gates i, f, o, g, (B, 4H); `out` is overwritten."""
    i, f, o, g = gates.chunk(4, dim=1)
    gates[:, : 3 * i.shape[1]].sigmoid_()
    layer.c.mul_(f).add_(g.tanh_().mul_(i))
    torch.tanh(layer.c, out=out)
    layer.h.copy_(out.mul_(o))


def update_on_cpu(gates: Tensor, layer: Layer, out: Tensor) -> None:
    """The same with numpy's tanh, and in int8 h times 127."""
    i, f, o, g = gates.chunk(4, dim=1)
    gates[:, : 3 * i.shape[1]].sigmoid_()
    np.tanh(g.numpy(), out=g.numpy())
    layer.c.mul_(f).add_(g.mul_(i))  # not addcmul, whose product may stay unrounded
    np.tanh(layer.c.numpy(), out=out.numpy())
    out.mul_(o)
    layer.h.copy_(out.mul_(INT8_MAX).round_() if layer.h.dtype == torch.int8 else out)


def _pad_rows(value: Tensor, size: int) -> Tensor:
    return torch.cat([value, value.new_zeros(size - value.shape[0], *value.shape[1:])])


def _pad_columns(value: Tensor, size: int) -> Tensor:
    return torch.cat([value, value.new_zeros(value.shape[0], size - value.shape[1])], dim=1)


def fastest_device(network: CharLSTMNetwork) -> torch.device:
    """The device that takes the shorter time for one reader's character, measured; the CPU where it is alone.

    A single row is often faster on the CPU than on an accelerator, whose launches cost more than its products.
    """
    cpu = torch.device("cpu")
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return cpu
    return min((cpu, accelerator), key=lambda device: seconds_per_step(Decoder(network.to(device))))


def seconds_per_step(decoder: Decoder, steps: int = 30) -> float:
    """The median time of one row's step, its logits brought to the CPU as sampling does."""
    ids, rows = torch.zeros(1, dtype=torch.int64, device=decoder.device), decoder.state_buffer(1)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        decoder.step(ids, rows).cpu()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[steps // 2]
