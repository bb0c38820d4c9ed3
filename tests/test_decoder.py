"""The folded decoder against its slow twin: the five gate equations, and nn.LSTM itself."""

from __future__ import annotations

import pytest
import torch
from conftest import tiny_model
from torch import Tensor

from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from hubcharlstm.decoder import PREFILL_CHUNK, Decoder, fastest_device
from hubcharlstm.network import CharLSTMNetwork, State


def step_by_the_equations(network: CharLSTMNetwork, ids: Tensor, state: State) -> tuple[Tensor, State]:
    """One step as Hochreiter & Schmidhuber and Gers et al. write it, gate by gate, in float64."""
    tensors = {name: value.double() for name, value in network.state_dict().items()}
    x = tensors["embedding.weight"][ids]
    hidden, cells = [], []
    for layer, (h, c) in enumerate(zip(*state, strict=True)):
        pre = (
            x @ tensors[f"lstm.weight_ih_l{layer}"].T
            + tensors[f"lstm.bias_ih_l{layer}"]
            + h @ tensors[f"lstm.weight_hh_l{layer}"].T
            + tensors[f"lstm.bias_hh_l{layer}"]
        )
        i, f, g, o = pre.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        x = torch.sigmoid(o) * torch.tanh(c)
        hidden.append(x)
        cells.append(c)
    return x @ tensors["head.weight"].T + tensors["head.bias"], (torch.stack(hidden), torch.stack(cells))


@pytest.mark.parametrize(("hidden_size", "num_layers"), [(24, 1), (24, 2), (33, 3)])
def test_a_step_follows_the_gate_equations(vocabulary: Vocabulary, hidden_size: int, num_layers: int) -> None:
    network = tiny_model(vocabulary, hidden_size=hidden_size, num_layers=num_layers)
    decoder = Decoder(network)
    generator = torch.Generator().manual_seed(1)
    state = decoder.initial_state(5)
    slow_state = (state[0].double(), state[1].double())
    for _ in range(20):
        ids = torch.randint(len(vocabulary), (5,), generator=generator)
        logits, state = decoder.step(ids, state)
        slow_logits, slow_state = step_by_the_equations(network, ids, slow_state)
        torch.testing.assert_close(logits.double(), slow_logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(state[1].double(), slow_state[1], atol=1e-4, rtol=1e-4)


def test_a_thousand_steps_equal_nn_lstm(vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(len(vocabulary), 16, 48, 2)).eval()
    ids = torch.randint(len(vocabulary), (1, 1000))
    decoder = Decoder(network)
    state = decoder.initial_state(1)
    stepped = []
    for n in range(ids.shape[1]):
        logits, state = decoder.step(ids[:, n], state)
        stepped.append(logits)
    with torch.no_grad():
        whole, (h, c) = network(ids)
    torch.testing.assert_close(torch.stack(stepped, dim=1), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(state[0], h, atol=1e-5, rtol=0)
    torch.testing.assert_close(state[1], c, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1, 2, PREFILL_CHUNK, PREFILL_CHUNK + 1, 2 * PREFILL_CHUNK + 3])
def test_prefill_reaches_the_state_of_stepping(model: CharLSTM, length: int) -> None:
    decoder = model.decoder
    ids = torch.randint(len(model.vocabulary), (length,), generator=torch.Generator().manual_seed(2)).tolist()
    state = decoder.initial_state(1)
    for one in ids:
        _, state = decoder.step(torch.tensor([one]), state)
    read = decoder.prefill(ids, decoder.initial_state(1))
    torch.testing.assert_close(read[0], state[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(read[1], state[1], atol=1e-4, rtol=1e-5)


def test_prefill_drops_nothing_out_and_leaves_the_mode_alone(model: CharLSTM) -> None:
    model.train()
    decoder = Decoder(model)
    first = decoder.prefill([1, 2, 3], decoder.initial_state(1))
    second = decoder.prefill([1, 2, 3], decoder.initial_state(1))
    assert torch.equal(first[0], second[0])
    assert model.training


def test_a_step_changes_neither_its_state_nor_the_weights(model: CharLSTM) -> None:
    decoder = model.decoder
    _, state = decoder.step(torch.tensor([1]), decoder.initial_state(1))
    kept = state[0].clone(), state[1].clone()
    first, _ = decoder.step(torch.tensor([2]), state)
    second, _ = decoder.step(torch.tensor([2]), state)
    assert torch.equal(first, second)
    assert torch.equal(state[0], kept[0])
    assert torch.equal(state[1], kept[1])


def test_the_cpu_is_chosen_where_it_is_alone(model: CharLSTM) -> None:
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    assert fastest_device(model) == torch.device("cpu")
