"""Decoding with an LSTM: token ids in, logits out, one step for a batch of rows. It knows no text.

In int8 the weights are scaled per output channel and the hidden state by 127: h = o * tanh(c) lies in (-1, 1). Integer
sums are exact, so a row's logits are the same to the bit in any batch.

On a CPU tanh is NumPy's, which took a sixth of the time of PyTorch's, and a single row is computed by NumPy altogether
(`SingleRowStep`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.adaptive_threads import AdaptiveThreads
from hubcharlstm.decoding.clamping import Clamp
from hubcharlstm.decoding.fused_weights import FusedWeights, padded
from hubcharlstm.decoding.kernels import (
    INT8_MAX,
    DeviceLinearKernel,
    Fp32LinearKernel,
    Int8LinearKernel,
    LinearKernel,
)
from hubcharlstm.decoding.single_row import SingleRowStep
from hubcharlstm.decoding.state_buffer import BLOCK, BatchView, LayerView, StateBuffer, padded_batch_size
from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork, State

PREFILL_CHUNK = 64
"""Ids of a prompt that `nn.LSTM` reads at once, some 8 ms on two cores: running rows wait no longer than that."""


class Decoder:
    """Decodes with the weights that `network` has now, on its device; later changes have no effect.

    precision: "fp32", "bf16" (for a GPU) or "int8" (for a CPU, fast where `torch_compat.has_fast_int8`).
    fingerprint: of the model with these weights, which its states carry.
    Raises `DamagedModelError` if a weight is not finite.
    """

    @torch.inference_mode()
    def __init__(self, network: CharLSTMNetwork, precision: str = "fp32", *, fingerprint: str = "") -> None:
        self.config: CharLSTMConfig = network.config
        self.fingerprint = fingerprint
        self.device = network.head.weight.device
        self.precision = precision
        self._threads = AdaptiveThreads()
        weights = FusedWeights.of(network)
        self._prompt_layers = None if precision == "int8" else prompt_layers(network)
        self._table, self._biases, self._head_bias = weights.table, weights.biases, weights.head_bias
        self._kernels: Sequence[LinearKernel]
        self._head: LinearKernel
        self._bind_single_row: Callable[[BatchView], SingleRowStep] | None = None
        if self.device.type == "cpu" and precision != "bf16":
            kernel_type = Int8LinearKernel if precision == "int8" else Fp32LinearKernel
            kernels, head = [kernel_type(weight) for weight in weights.layers], kernel_type(weights.head)
            self._kernels, self._head, self._update = kernels, head, update_on_cpu
            self._bind_single_row = lambda view: SingleRowStep(
                view, weights.table, kernels, weights.biases, head, weights.head_bias
            )
        else:
            self._kernels = [DeviceLinearKernel(weight, precision) for weight in weights.layers]
            self._head, self._update = DeviceLinearKernel(weights.head, precision), update
        openmp.release_thread_team()  # loading and fusing took one, and another thread may decode

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (num_layers, B, H) each."""
        h = torch.zeros(self.config.num_layers, batch_size, self.config.hidden_size, device=self.device)
        return h, torch.zeros_like(h)

    @torch.inference_mode()
    def state_buffer(self, capacity: int) -> StateBuffer:
        """A buffer of `capacity` rows, all at the initial state."""
        buffer = StateBuffer(
            capacity,
            self.config,
            padded_size=padded(self.config.hidden_size),
            padded_vocab=padded(self.config.vocab_size),
            precision=self.precision,
            device=self.device,
        )
        if self._bind_single_row is not None:
            buffer.single_row = self._bind_single_row(buffer.view(slice(0, 1)))
        return buffer

    @torch.inference_mode()
    def prefill_chunk(
        self, ids: Sequence[int], state: State | None, clamp: Clamp = ()
    ) -> tuple[State, tuple[int, ...]]:
        """Read up to `PREFILL_CHUNK` of `ids` for one row by `nn.LSTM`, but never the last id.

        state (num_layers, 1, H) each, on any device, None for zeros -> the state after them, and the ids that remain.
        With a clamp, which `nn.LSTM` knows nothing of, and in int8 they are read step by step.
        """
        state = self.initial_state(1) if state is None else state
        count = min(PREFILL_CHUNK, len(ids) - 1)
        if count <= 0:
            return state, tuple(ids)
        if clamp or self._prompt_layers is None:
            return self._prefill_by_steps(ids[:count], state, clamp), tuple(ids[count:])
        embedding, lstm = self._prompt_layers
        h, c = (part.to(self.device) for part in state)
        chunk = torch.tensor([ids[:count]], device=self.device)
        with self._threads.region(("prefill", count.bit_length()), steps=count):
            _, state = lstm(embedding(chunk), (h, c))
        return state, tuple(ids[count:])

    def prefill(self, ids: Sequence[int], state: State | None, clamp: Clamp = ()) -> State:
        """The state after `ids` (N,) of one row from `state`, (num_layers, 1, H) each; None for zeros.

        In int8 step by step, which takes less than half the time of `nn.LSTM` in fp32; otherwise in chunks.
        """
        if self.precision == "int8":
            return self._prefill_by_steps(ids, state, clamp)
        state = self.initial_state(1) if state is None else state
        pending_ids = (*ids, 0)  # a chunk leaves the last id pending, whatever it is
        while len(pending_ids) > 1:
            state, pending_ids = self.prefill_chunk(pending_ids, state, clamp)
        return state

    def _prefill_by_steps(self, ids: Sequence[int], state: State | None, clamp: Clamp) -> State:
        buffer = self.state_buffer(1)
        buffer.put(0, state, clamp)
        for one_id in torch.tensor(ids, dtype=torch.int64, device=self.device)[:, None]:
            self.advance(one_id, buffer)
        return buffer.get(0)

    def advance(self, ids: Tensor, buffer: StateBuffer) -> None:
        """ids (n,) int64: step the first n rows of `buffer` in place, without logits."""
        self._compute(ids, buffer, logits=False)

    def step(self, ids: Tensor, buffer: StateBuffer) -> Tensor:
        """ids (n,) int64: step the first n rows of `buffer` in place -> logits (n, V), valid until the next step."""
        self._compute(ids, buffer, logits=True)
        return buffer.first(len(ids))[1]

    def decode_row(
        self, token_id: int, buffer: StateBuffer, choose: Callable[[NDArray[np.float32]], int | None], count: int
    ) -> None:
        """Step the first row of `buffer` up to `count` times, from `token_id` on.

        choose: gets the logits (V,), valid until the next step, and returns the next id, None to end. What a step needs
        besides its arithmetic is set up once for all of them.
        """
        next_id: int | None = token_id
        single_row, row_logits = buffer.single_row, buffer.first(1)[1]
        if single_row is None:
            ids = torch.empty(1, dtype=torch.int64, device=self.device)
            while next_id is not None and count > 0:
                next_id = choose(self.step(ids.fill_(next_id), buffer)[0].cpu().numpy())
                count -= 1
            return
        logits, region = row_logits[0].numpy(), self._threads.region("decode_row", steps=0)
        with torch.inference_mode(), region as parallel:
            while next_id is not None and region.steps < count:
                single_row.step(next_id, logits=True, parallel=parallel)
                next_id = choose(logits)
                region.steps += 1

    def _compute(self, ids: Tensor, buffer: StateBuffer, *, logits: bool) -> None:
        count = len(ids)
        kind = min(padded_batch_size(count), BLOCK), logits
        with torch.inference_mode(), self._threads.region(kind) as parallel:
            if count == 1 and buffer.single_row is not None:
                buffer.single_row.step(int(ids[0]), logits=logits, parallel=parallel)
                return
            for view in buffer.first(count)[0]:
                self._advance(ids[view.rows], view)
                if logits:
                    torch.add(self._head_bias, self._head.matmul(view.top)[: view.count], out=view.logits)

    def _advance(self, ids: Tensor, view: BatchView) -> None:
        for kernel, bias, layer in zip(self._kernels, self._biases, view.layers, strict=True):
            gates = kernel.matmul(layer.input)[: view.count].add_(self._table[ids] if bias is None else bias)
            self._update(gates, layer, view.out)


@torch.inference_mode(mode=False)
def prompt_layers(network: CharLSTMNetwork) -> tuple[nn.Embedding, nn.LSTM]:
    """Copies in fp32, without dropout: `network` may be trained, converted or moved while they read prompts."""
    embedding, lstm = copy.deepcopy((network.embedding, network.lstm))
    return embedding.float(), lstm.float().eval()


def update(gates: Tensor, layer: LayerView, out: Tensor) -> None:
    """c = f * c + i * g, h = o * tanh(c), from the preactivations of i, f, o, g, (B, 4H'); `out` is overwritten."""
    i, f, o, g = gates.chunk(4, dim=1)
    gates[:, : 3 * i.shape[1]].sigmoid_()
    layer.c.mul_(f).add_(g.tanh_().mul_(i))
    overwrite_clamped(layer)
    torch.tanh(layer.c, out=out)
    layer.h.copy_(out.mul_(o))


def update_on_cpu(gates: Tensor, layer: LayerView, out: Tensor) -> None:
    """`update` with NumPy's tanh; in int8 h is multiplied by 127 and rounded."""
    i, f, o, g = gates.chunk(4, dim=1)
    gates[:, : 3 * i.shape[1]].sigmoid_()
    np.tanh(g.numpy(), out=g.numpy())
    layer.c.mul_(f).add_(g.mul_(i))  # not addcmul, whose product may stay unrounded
    overwrite_clamped(layer)
    np.tanh(layer.c.numpy(), out=out.numpy())
    out.mul_(o)
    layer.h.copy_(out.mul_(INT8_MAX).round_() if layer.h.dtype == torch.int8 else out)


def overwrite_clamped(layer: LayerView) -> None:
    """Give the clamped cells of a layer their values."""
    if layer.clamped is not None:
        rows, units, values = layer.clamped
        layer.c[rows, units] = values
