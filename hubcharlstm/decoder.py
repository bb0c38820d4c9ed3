"""A network's weights folded for decoding: one step for a batch of rows. It knows ids, no text.

Folded means: embedding, W_ih and both biases of layer 0 are one (V, 4H) table, upper layers use one
joined [W_ih | W_hh] product, and the gates stand in the order i, f, o, g, so that one sigmoid covers three.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from hubcharlstm.network import CharLSTMNetwork, State

PREFILL_CHUNK = 512
"""Ids of a prompt that go through `nn.LSTM` at once; bounds depend on the prompt alone."""


class Decoder:
    """Decodes with the weights that `network` has now, in fp32 on its device; later changes are not seen."""

    @torch.inference_mode()
    def __init__(self, network: CharLSTMNetwork) -> None:
        config = network.config
        self.config = config
        self.device = network.head.weight.device
        self._network = network
        tensors = {name: value.detach().float() for name, value in network.state_dict().items()}

        def gates(name: str, layer: int) -> Tensor:
            i, f, g, o = tensors[f"lstm.{name}_l{layer}"].chunk(4)
            return torch.cat([i, f, o, g])

        def bias(layer: int) -> Tensor:
            return gates("bias_ih", layer) + gates("bias_hh", layer)

        self._table = tensors["embedding.weight"] @ gates("weight_ih", 0).T + bias(0)  # (V, 4H)
        self._recurrent = gates("weight_hh", 0).T.contiguous()  # (H, 4H)
        self._upper = [
            (
                torch.cat([gates("weight_ih", n), gates("weight_hh", n)], dim=1).T.contiguous(),
                bias(n),
            )  # (2H, 4H), (4H,)
            for n in range(1, config.num_layers)
        ]
        self._head = tensors["head.weight"].T.contiguous(), tensors["head.bias"]  # (H, V), (V,)

    def initial_state(self, batch_size: int) -> State:
        """Zeros, (num_layers, B, H) each."""
        h = torch.zeros(self.config.num_layers, batch_size, self.config.hidden_size, device=self.device)
        return h, torch.zeros_like(h)

    @torch.inference_mode()
    def prefill(self, ids: Sequence[int], state: State) -> State:
        """The state after `ids` of one row, read in parallel by `nn.LSTM`; state (num_layers, 1, H) each."""
        was_training = self._network.training
        self._network.eval()
        for start in range(0, len(ids), PREFILL_CHUNK):
            chunk = torch.tensor([ids[start : start + PREFILL_CHUNK]], device=self.device)
            _, state = self._network.lstm(self._network.embedding(chunk), state)
        self._network.train(was_training)
        return state

    @torch.inference_mode()
    def step(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """ids (B,) int64, state (num_layers, B, H) each -> logits (B, V), the next state (new tensors)."""
        size = self.config.hidden_size
        hidden, cells = [], []
        below: Tensor | None = None
        for layer, (h, c) in enumerate(zip(*state, strict=True)):
            if below is None:
                gates = torch.addmm(self._table[ids], h, self._recurrent)  # (B, 4H)
            else:
                weight, bias = self._upper[layer - 1]
                gates = torch.addmm(bias, torch.cat([below, h], dim=1), weight)
            input_gate, forget_gate, output_gate = gates[:, : 3 * size].sigmoid_().chunk(3, dim=1)
            c = torch.addcmul(forget_gate * c, input_gate, gates[:, 3 * size :].tanh_())
            below = output_gate * c.tanh()
            hidden.append(below)
            cells.append(c)
        assert below is not None
        weight, bias = self._head
        return torch.addmm(bias, below, weight), (torch.stack(hidden), torch.stack(cells))


def fastest_device(network: CharLSTMNetwork) -> torch.device:
    """The device that takes the shorter time for one reader's character, measured; the CPU where it is alone.

    A single row is often faster on the CPU than on an accelerator, whose launches cost more than its products.
    """
    cpu = torch.device("cpu")
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        return cpu
    return min((cpu, accelerator), key=lambda device: _seconds_per_step(network.to(device)))


def _seconds_per_step(network: CharLSTMNetwork, steps: int = 30) -> float:
    decoder = Decoder(network)
    ids, state = torch.zeros(1, dtype=torch.int64, device=decoder.device), decoder.initial_state(1)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        logits, state = decoder.step(ids, state)
        logits.cpu()  # waits for the device, as sampling does
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[steps // 2]
