"""The decoder against a slow reference, the five gate equations, and against nn.LSTM."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from hubcharlstm.decoding.decoder import PREFILL_CHUNK, Decoder
from hubcharlstm.decoding.state_buffer import BLOCK, padded_batch_size
from hubcharlstm.network import CharLSTMNetwork, State
from tests.conftest import tiny_model


def step_by_the_equations(network: CharLSTMNetwork, ids: Tensor, state: State) -> tuple[Tensor, State]:
    """One step as Hochreiter & Schmidhuber (1997) and Gers et al. (2000) write it, gate by gate, in float64."""
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


def step_all(decoder: Decoder, ids: Tensor) -> Tensor:
    """ids (B, T), stepped together from zero -> logits (B, T, V)."""
    buffer = decoder.state_buffer(ids.shape[0])
    return torch.stack([decoder.step(column.contiguous(), buffer).clone() for column in ids.T], dim=1)


@pytest.mark.parametrize(("hidden_size", "num_layers"), [(24, 1), (24, 2), (33, 3)])
def test_a_step_follows_the_gate_equations(vocabulary: Vocabulary, hidden_size: int, num_layers: int) -> None:
    network = tiny_model(vocabulary, hidden_size=hidden_size, num_layers=num_layers)
    decoder = Decoder(network)
    ids = torch.randint(len(vocabulary), (5, 20), generator=torch.Generator().manual_seed(1))
    buffer = decoder.state_buffer(5)
    h, c = decoder.initial_state(5)
    slow: State = (h.double(), c.double())
    for column in ids.T:
        logits = decoder.step(column.contiguous(), buffer)
        slow_logits, slow = step_by_the_equations(network, column, slow)
        torch.testing.assert_close(logits.double(), slow_logits, atol=1e-4, rtol=1e-4)
    for row in range(5):
        h, c = buffer.get(row)
        torch.testing.assert_close(h.double(), slow[0][:, row : row + 1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(c.double(), slow[1][:, row : row + 1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("hidden_size", "num_layers"), [(48, 2), (97, 1)])
def test_a_thousand_steps_equal_nn_lstm(vocabulary: Vocabulary, hidden_size: int, num_layers: int) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(len(vocabulary), 16, hidden_size, num_layers)).eval()
    ids = torch.randint(len(vocabulary), (1, 1000))
    with torch.no_grad():
        whole, _ = network(ids)
    torch.testing.assert_close(step_all(Decoder(network), ids), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("hidden_size", [97, 300, 512])
def test_in_int8_a_row_has_the_same_bits_in_any_batch(vocabulary: Vocabulary, hidden_size: int) -> None:
    decoder = Decoder(tiny_model(vocabulary, hidden_size=hidden_size), "int8")
    ids = torch.randint(len(vocabulary), (BLOCK + 67, 12), generator=torch.Generator().manual_seed(1))
    together = step_all(decoder, ids)
    for rows in ([0], [66], [BLOCK + 1], [3, 40], list(range(20, 53)), list(range(250, 270))):
        assert torch.equal(step_all(decoder, ids[rows]), together[rows])


@pytest.mark.parametrize("hidden_size", [24, 300])
def test_int8_stays_near_fp32(vocabulary: Vocabulary, hidden_size: int) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(len(vocabulary), 16, hidden_size, 2)).eval()
    ids = torch.randint(len(vocabulary), (4, 200))
    exact, near = step_all(Decoder(network), ids), step_all(Decoder(network, "int8"), ids)
    difference = torch.log_softmax(near, -1) - torch.log_softmax(exact, -1)
    assert difference.abs().max() < 0.05
    assert difference.abs().mean() < 0.01


def test_kernels_see_few_batch_sizes(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN caches a kernel per shape: an app under changing load once grew by 215 MB until it had all of them."""
    decoder, sizes = Decoder(model), set()
    buffer = decoder.state_buffer(BLOCK)
    for kernel in (*decoder._kernels, decoder._head):
        matmul = kernel.matmul
        monkeypatch.setattr(kernel, "matmul", lambda x, matmul=matmul: sizes.add(len(x)) or matmul(x))
    for count in range(2, BLOCK + 1):
        decoder.step(torch.zeros(count, dtype=torch.int64), buffer)
    assert len(sizes) < 50
    assert all(count <= padded_batch_size(count) <= max(count, 1.125 * count) for count in range(1, BLOCK + 1))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_padding_rows_of_a_product_change_nothing(model: CharLSTM, precision: str) -> None:
    decoder, ids = Decoder(model, precision), torch.arange(17) % model.config.vocab_size
    used, fresh = decoder.state_buffer(40), decoder.state_buffer(40)
    decoder.step(torch.ones(33, dtype=torch.int64), used)
    paused = [used.get(row) for row in range(17, 33)]
    for row in range(17):
        used.put(row, None)
    assert torch.equal(decoder.step(ids, used), decoder.step(ids, fresh))
    for row, (h, c) in enumerate(paused, 17):
        assert torch.equal(used.get(row)[0], h)
        assert torch.equal(used.get(row)[1], c)


def test_bf16_stays_near_fp32(vocabulary: Vocabulary) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(len(vocabulary), 16, 48, 2)).eval()
    ids = torch.randint(len(vocabulary), (4, 100))
    difference = step_all(Decoder(network, "bf16"), ids) - step_all(Decoder(network), ids)
    assert 0 < difference.abs().max() < 0.02


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_rows_are_put_moved_and_got_back_as_they_are(model: CharLSTM, precision: str) -> None:
    decoder = Decoder(model, precision)
    buffer = decoder.state_buffer(4)
    decoder.step(torch.tensor([1, 2, 3, 4]), buffer)
    state = buffer.get(2)
    buffer.move(2, 0)
    other = decoder.state_buffer(1)
    other.put(0, state)
    following = decoder.step(torch.tensor([5]), other).clone()
    assert torch.equal(decoder.step(torch.tensor([5]), buffer)[0], following[0])
    h, c = other.get(0)
    other.put(0, (h, c))
    assert torch.equal(other.get(0)[0], h)
    assert torch.equal(other.get(0)[1], c)


@pytest.mark.parametrize("length", [1, 2, PREFILL_CHUNK, PREFILL_CHUNK + 1, 2 * PREFILL_CHUNK + 3])
def test_prefill_reaches_the_state_of_stepping(model: CharLSTM, length: int) -> None:
    decoder = Decoder(model)
    ids = torch.randint(len(model.vocabulary), (length,), generator=torch.Generator().manual_seed(2))
    buffer = decoder.state_buffer(1)
    for one in ids[:-1]:
        decoder.step(one[None], buffer)
    state, pending_ids = decoder.prefill_chunk(ids.tolist(), None)
    while len(pending_ids) > 1:
        state, pending_ids = decoder.prefill_chunk(pending_ids, state)
    assert pending_ids == (int(ids[-1]),)
    torch.testing.assert_close(state[0], buffer.get(0)[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(state[1], buffer.get(0)[1], atol=1e-4, rtol=1e-5)


def test_prefill_drops_nothing_out_and_leaves_the_mode_alone(model: CharLSTM) -> None:
    model.train()
    decoder = Decoder(model)
    first, _ = decoder.prefill_chunk([1, 2, 3], None)
    second, _ = decoder.prefill_chunk([1, 2, 3], None)
    assert torch.equal(first[0], second[0])
    assert model.training


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_no_later_change_of_the_network_has_an_effect(model: CharLSTM, precision: str) -> None:
    """Prompts were read by the network itself: an engine beside a training read them with one step's weights and went
    on with another's, and its switch to evaluation and back left the network without dropout where two threads met."""
    decoder = Decoder(model, precision)
    h, c = decoder.prefill([1, 2, 3, 4], None)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    model.train().double()
    later_h, later_c = decoder.prefill([1, 2, 3, 4], None)
    assert torch.equal(later_h, h) and torch.equal(later_c, c)


def test_weights_in_half_precision_read_prompts_in_fp32(model: CharLSTM) -> None:
    """Their `nn.LSTM` refused the state, which is fp32: a `RuntimeError` for every prompt."""
    state = Decoder(model.half()).prefill([1, 2, 3, 4], None)
    for part, expected in zip(state, Decoder(model.float()).prefill([1, 2, 3, 4], None), strict=True):
        assert torch.equal(part, expected)
