"""A network's weights folded for decoding: one step for a batch of rows. It knows ids, no text.

Folded means: embedding, W_ih and both biases of layer 0 are one (V, 4H) table, upper layers use one
joined [W_ih | W_hh] product, the gates stand in the order i, f, o, g, so that one sigmoid covers three,
and H is padded with zeros to a multiple of 32, so that a row's elementwise results do not depend on the rows
beside it. A padded unit has the gates 1/2, 1/2, 1/2, 0 and stays at 0.

In int8 the weights are scaled per output channel and the hidden state by 127: it is o * tanh(c), so it lies
in (-1, 1). Integer sums are exact, so a row's logits are the same to the bit whatever stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hubcharlstm.network import CharLSTMConfig, CharLSTMNetwork, State

PREFILL_CHUNK = 64
"""Ids of a prompt that go through `nn.LSTM` at once, some 8 ms on two cores: running rows wait no longer than that."""

PADDING = 32
INT8_MAX = 127.0
NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
"""What weights and hidden states are kept in; cells, gates and logits are fp32."""


class DamagedModelError(ValueError):
    """The network's weights or logits are not finite numbers."""

    def __init__(self) -> None:
        super().__init__(
            "The model's numbers are not finite; expected finite ones: its weights are damaged, load it afresh."
        )


class Rows:
    """(h, c) of up to `capacity` rows and the buffers of their step; `Decoder.step` changes it in place."""

    def __init__(self, capacity: int, decoder: Decoder) -> None:
        self.capacity = capacity
        config, size, device = decoder.config, decoder.size, decoder.device
        number = NUMBERS[decoder.precision]
        self.hidden = [torch.zeros(capacity, size, dtype=number, device=device) for _ in range(config.num_layers)]
        self.cells = [torch.zeros(capacity, size, device=device) for _ in range(config.num_layers)]
        self.joined = torch.empty(capacity, 2 * size, dtype=number, device=device)
        self.gates = torch.empty(capacity, 4 * size, device=device)
        self.sums = torch.empty(capacity, 4 * size, dtype=torch.int32, device=device)
        self.out = torch.empty(capacity, size, device=device)
        self.head_sums = torch.empty(capacity, decoder.padded_vocab, dtype=torch.int32, device=device)
        self.logits = torch.empty(capacity, decoder.padded_vocab, device=device)
        self._size, self._int8, self._hidden_size = size, decoder.int8, config.hidden_size
        self._view: View | None = None

    def view(self, count: int) -> View:
        """The first `count` rows of every buffer; kept, for slicing costs as much as computing on few rows."""
        if self._view is None or self._view.count != count:
            size, gates = self._size, self.gates[:count]
            self._view = View(
                count,
                [h[:count] for h in self.hidden],
                [c[:count] for c in self.cells],
                self.joined[:count],
                gates,
                gates[:, : 3 * size],
                gates[:, :size],
                gates[:, size : 2 * size],
                gates[:, 2 * size : 3 * size],
                gates[:, 3 * size :],
                self.sums[:count],
                self.out[:count],
                self.head_sums[:count],
                self.logits[:count],
            )
        return self._view

    @torch.inference_mode()
    def put(self, row: int, state: State) -> None:
        """Set a row to `state`, (num_layers, 1, H) each."""
        h, c = state
        for layer, (hidden, cells) in enumerate(zip(self.hidden, self.cells, strict=True)):
            new = h[layer, 0]
            hidden[row, : self._hidden_size] = (new * INT8_MAX).round() if self._int8 else new
            cells[row, : self._hidden_size] = c[layer, 0]

    @torch.inference_mode()
    def get(self, row: int) -> State:
        """A copy of a row's state, (num_layers, 1, H) each, fp32."""
        h = torch.stack([hidden[row, : self._hidden_size].float() for hidden in self.hidden])
        c = torch.stack([cells[row, : self._hidden_size] for cells in self.cells])
        return (h / INT8_MAX if self._int8 else h)[:, None], c[:, None]

    @torch.inference_mode()
    def move(self, source: int, target: int) -> None:
        """Copy row `source` over row `target`."""
        for buffer in (*self.hidden, *self.cells):
            buffer[target] = buffer[source]


@dataclass(frozen=True)
class Weight:
    """values (K, N) for a product, and for int8 the scale (N,) of its integer sums."""

    values: Tensor
    scale: Tensor


@dataclass(frozen=True)
class View:
    """The first `count` rows of the buffers of `Rows`."""

    count: int
    hidden: list[Tensor]
    cells: list[Tensor]
    joined: Tensor
    gates: Tensor
    three: Tensor
    i: Tensor
    f: Tensor
    o: Tensor
    g: Tensor
    sums: Tensor
    out: Tensor
    head_sums: Tensor
    logits: Tensor


class Decoder:
    """Decodes with the weights that `network` has now, on its device; later changes are not seen.

    precision: "fp32", "bf16" (for a GPU) or "int8" (for a CPU with the instructions for it; see `has_int8`).
    """

    @torch.inference_mode()
    def __init__(self, network: CharLSTMNetwork, precision: str = "fp32") -> None:
        config = network.config
        self.config: CharLSTMConfig = config
        self.device = network.head.weight.device
        self.precision, self.int8 = precision, precision == "int8"
        self.size = -(-config.hidden_size // PADDING) * PADDING
        self.padded_vocab = -(-config.vocab_size // PADDING) * PADDING
        self._network = network
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
        self._weights = [self._fold(_pad_columns(gates("weight_hh", 0), self.size))]
        self._biases = [torch.zeros(0)]
        for n in range(1, config.num_layers):
            parts = [_pad_columns(gates(name, n), self.size) for name in ("weight_ih", "weight_hh")]
            self._weights.append(self._fold(torch.cat(parts, dim=1)))
            self._biases.append(bias(n))
        head = _pad_rows(_pad_columns(tensors["head.weight"], self.size), self.padded_vocab)
        self._head = self._fold(head)
        self._head_bias = _pad_rows(tensors["head.bias"], self.padded_vocab)

    def _fold(self, weight: Tensor) -> Weight:
        """(N, K) -> what a product with (B, K) needs."""
        if not self.int8:
            return Weight(weight.T.contiguous().to(NUMBERS[self.precision]), torch.ones(1))
        scale = weight.abs().amax(dim=1).clamp_min(1e-30) / INT8_MAX
        quantized = (weight / scale[:, None]).round().clamp(-INT8_MAX, INT8_MAX).to(torch.int8).contiguous()
        return Weight(quantized.T, scale / INT8_MAX)  # column-major: the kernel reads it 4 times faster for one row

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (num_layers, B, H) each."""
        h = torch.zeros(self.config.num_layers, batch_size, self.config.hidden_size, device=self.device)
        return h, torch.zeros_like(h)

    @torch.inference_mode()
    def rows(self, capacity: int) -> Rows:
        """Room for `capacity` rows, all at the initial state."""
        return Rows(capacity, self)

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

    def step(self, ids: Tensor, rows: Rows) -> Tensor:
        """ids (n,) int64: one step of the first n of `rows`, in place -> logits (n, V), good until the next step."""
        with torch.inference_mode():
            return self._step(ids, rows.view(len(ids)))[:, : self.config.vocab_size]

    def _step(self, ids: Tensor, v: View) -> Tensor:
        for layer, weight in enumerate(self._weights):
            if layer == 0:
                torch.index_select(self._table, 0, ids, out=v.gates)
                self._add_product(v.gates, v.hidden[0], weight, v.sums, out=v.gates)
            else:
                torch.cat((v.hidden[layer - 1], v.hidden[layer]), dim=1, out=v.joined)
                self._add_product(self._biases[layer], v.joined, weight, v.sums, out=v.gates)
            v.three.sigmoid_()
            v.g.tanh_()
            v.cells[layer].mul_(v.f).addcmul_(v.i, v.g)
            torch.tanh(v.cells[layer], out=v.out)
            if self.int8:
                v.hidden[layer].copy_(v.out.mul_(v.o).mul_(INT8_MAX).round_())
            else:
                v.hidden[layer].copy_(v.out.mul_(v.o))
        return self._add_product(self._head_bias, v.hidden[-1], self._head, v.head_sums, out=v.logits)

    def _add_product(self, base: Tensor, x: Tensor, weight: Weight, sums: Tensor, out: Tensor) -> Tensor:
        """out = base + x @ weight, fp32, by the kernel of this precision."""
        if self.int8:
            torch._int_mm(x, weight.values, out=sums)
            return torch.addcmul(base, sums, weight.scale, out=out)
        if self.precision == "bf16":
            return torch.add(base, x @ weight.values, out=out)
        return torch.addmm(base, x, weight.values, out=out)


def _pad_rows(value: Tensor, size: int) -> Tensor:
    return torch.cat([value, value.new_zeros(size - value.shape[0], *value.shape[1:])])


def _pad_columns(value: Tensor, size: int) -> Tensor:
    return torch.cat([value, value.new_zeros(value.shape[0], size - value.shape[1])], dim=1)


def has_int8() -> bool:
    """True if this CPU multiplies int8 faster than fp32 (VNNI)."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_vnni") or capabilities.get("avx_vnni"))


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
    ids, rows = torch.zeros(1, dtype=torch.int64, device=decoder.device), decoder.rows(1)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        decoder.step(ids, rows).cpu()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[steps // 2]
