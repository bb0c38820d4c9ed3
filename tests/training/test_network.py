"""What a step of training sees: the network itself, whole-window masks over it, and averaged weights after."""

from __future__ import annotations

import pytest
import torch

import training.lstm
from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from hubcharlstm.network import CharLSTMNetwork
from training.ema import WeightEMA
from training.network import TrainingNetwork, weight_mask

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.lstm, "has_fast_bf16", lambda: False)


def network(dropout: float) -> CharLSTMNetwork:
    torch.manual_seed(0)
    return CharLSTMNetwork(CharLSTMConfig(vocab_size=9, embedding_dim=6, hidden_size=32, num_layers=2, dropout=dropout))


def test_without_dropout_it_is_the_network() -> None:
    plain = network(0.0)
    ids, state = torch.randint(9, (7, 4)), (torch.randn(2, 4, 32), torch.randn(2, 4, 32))
    logits, after = TrainingNetwork(plain).train()(ids, state)
    expected, expected_after = plain(ids.t(), state)
    torch.testing.assert_close(logits, expected.transpose(0, 1)[None])
    torch.testing.assert_close(after, expected_after)


def test_dropout_and_weight_drop_are_of_training_alone() -> None:
    plain = network(0.5)
    ids, state = torch.randint(9, (7, 4)), plain.initial_state(4)
    in_training = TrainingNetwork(plain, weight_drop=0.5, dropout_samples=3)
    assert not torch.allclose(in_training.train()(ids, state)[0], in_training(ids, state)[0])
    expected, _ = plain.eval()(ids.t(), state)
    torch.testing.assert_close(in_training.eval()(ids, state)[0], expected.transpose(0, 1)[None])


def test_a_mask_holds_for_the_whole_window() -> None:
    """What reaches the head of one batch row comes through the same cells at every step of a window."""
    plain = network(0.5)
    seen: list[torch.Tensor] = []
    in_training = TrainingNetwork(plain).train()
    plain.head.weight = torch.nn.Parameter(torch.eye(9, 32))  # the head shows the first nine cells as they are
    plain.head.bias = torch.nn.Parameter(torch.zeros(9))
    seen.append(in_training(torch.randint(9, (12, 5)), plain.initial_state(5))[0] == 0)
    ((dropped,),) = seen
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert 0.2 < float(dropped.float().mean()) < 0.8
    assert not torch.equal(dropped[:, 0], dropped[:, 1])  # each row has its own


def test_dropout_samples_differ_only_in_their_last_masks() -> None:
    """All see the LSTM of the same window: what two of them do not drop is equal, and each row has masks of its own."""
    plain = network(0.5)
    plain.head.weight = torch.nn.Parameter(torch.eye(9, 32))
    plain.head.bias = torch.nn.Parameter(torch.zeros(9))
    logits, _ = TrainingNetwork(plain, dropout_samples=3).train()(torch.randint(9, (12, 5)), plain.initial_state(5))
    assert logits.shape == (3, 12, 5, 9)
    first, second, third = logits
    assert not any(torch.equal(one == 0, other == 0) for one, other in ((first, second), (second, third)))
    both = (first != 0) & (second != 0)
    assert both.any() and torch.equal(first[both], second[both])
    assert torch.equal(first == 0, (first == 0)[:1].expand_as(first))
    assert not torch.equal(first[0, 0] == 0, first[0, 1] == 0)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_a_weight_mask_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(1)
    mask = weight_mask(torch.Size((333, 301)), rate, CPU)
    dropped = float((mask == 0).float().mean())
    assert dropped == pytest.approx(rate, abs=0.01)
    assert float(mask.mean()) == pytest.approx(1, abs=0.01)
    assert mask.unique().numel() == 2


def test_the_average_follows_and_ends_as_the_formula_says() -> None:
    model = CharLSTM(CharLSTMConfig(vocab_size=3, embedding_dim=2, hidden_size=4, num_layers=1), Vocabulary("abc"))
    average, expected = WeightEMA(model, 0.9), model.head.bias.detach().clone()
    for step in range(1, 200):
        with torch.no_grad():
            model.head.bias.fill_(float(step))
        average.update(step)
        stays = min(0.9, step / (step + 10))
        expected = stays * expected + (1 - stays) * step
    torch.testing.assert_close(average.model.head.bias, expected)
    assert float(average.model.head.bias.detach().mean()) == pytest.approx(199 - 9, abs=0.1)  # a lag of d / (1 - d)
    last = WeightEMA(model, 0.0)
    assert last.model is not model and torch.equal(last.model.head.bias, model.head.bias)


def test_a_temperature_divides_the_logits_of_the_average_alone() -> None:
    torch.manual_seed(5)
    model = CharLSTM(CharLSTMConfig(vocab_size=3, embedding_dim=2, hidden_size=4, num_layers=1), Vocabulary("abc"))
    average, ids = WeightEMA(model, 0.9, temperature=1.25), torch.tensor([[0, 1, 2]])
    for step in range(3):
        average.update(step)
        torch.testing.assert_close(average.model(ids)[0], model.eval()(ids)[0] / 1.25)


def test_text_from_an_average_is_never_from_weights_that_were_there_before() -> None:
    """Folded weights are kept between replies, so a change in place must be noticed."""
    torch.manual_seed(3)
    config = CharLSTMConfig(vocab_size=3, embedding_dim=2, hidden_size=4, num_layers=1)
    model = CharLSTM(config, Vocabulary("abc"))
    average = WeightEMA(model, 0.5)
    average.model.generate("a", max_new_tokens=5, seed=1)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([-100.0, -100.0, 100.0]))
    for step in range(1, 60):
        average.update(step)
    assert average.model.generate("a", max_new_tokens=5, seed=1) == "ccccc"
