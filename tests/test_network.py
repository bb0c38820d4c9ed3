"""Sizes are checked; the module has the tensors that its config says; dropout acts in training alone."""

from __future__ import annotations

import pytest
import torch

from hubcharlstm import CharLSTMConfig
from hubcharlstm.network import CharLSTMNetwork


@pytest.mark.parametrize(
    "wrong",
    [{"vocab_size": 0}, {"hidden_size": -1}, {"num_layers": 1.5}, {"embedding_dim": "8"}, {"num_layers": True},
     {"dropout": 1.0}, {"dropout": -0.1}, {"dropout": float("nan")}, {"dropout": "0"}],
)  # fmt: skip
def test_a_wrong_size_is_refused_in_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} is .*; expected .*: "):
        CharLSTMConfig(**({"vocab_size": 10} | wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_the_module_has_the_tensors_that_its_config_says(num_layers: int) -> None:
    config = CharLSTMConfig(11, 5, 7, num_layers)
    network = CharLSTMNetwork(config)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == config.tensor_shapes()
    assert sum(p.numel() for p in network.parameters()) == config.num_parameters
    assert CharLSTMConfig.from_dict(config.to_dict() | {"model_type": "charlstm"}) == config
    with pytest.raises(ValueError, match="no hidden_size"):
        CharLSTMConfig.from_dict({"vocab_size": 3, "embedding_dim": 2, "num_layers": 1, "dropout": 0})


def test_shapes_and_carried_state() -> None:
    network = CharLSTMNetwork(CharLSTMConfig(11, 5, 7, 2)).eval()
    ids = torch.randint(11, (3, 10))
    logits, state = network(ids)
    assert logits.shape == (3, 10, 11)
    assert state[0].shape == state[1].shape == (2, 3, 7)
    first, middle = network(ids[:, :4])
    second, end = network(ids[:, 4:], middle)
    torch.testing.assert_close(torch.cat([first, second], dim=1), logits)
    torch.testing.assert_close(end[1], state[1])


@pytest.mark.parametrize("num_layers", [1, 2])
def test_dropout_acts_after_each_layer_in_training_alone(num_layers: int) -> None:
    torch.manual_seed(0)
    network = CharLSTMNetwork(CharLSTMConfig(11, 5, 200, num_layers, dropout=0.5))
    ids = torch.randint(11, (1, 5))
    inputs: list[torch.Tensor] = []
    network.head.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    network(ids)
    share = float((inputs[0] == 0).float().mean())
    assert 0.4 < share < 0.6
    network.eval()
    assert torch.equal(network(ids)[0], network(ids)[0])


def test_reset_for_training_opens_the_forget_gates_and_makes_recurrence_orthogonal() -> None:
    network = CharLSTMNetwork(CharLSTMConfig(11, 5, 7, 2))
    network.reset_for_training()
    for layer in range(2):
        total = network.lstm.get_parameter(f"bias_ih_l{layer}") + network.lstm.get_parameter(f"bias_hh_l{layer}")
        assert torch.equal(total[7:14], torch.ones(7))
        for gate in network.lstm.get_parameter(f"weight_hh_l{layer}").chunk(4):
            torch.testing.assert_close(gate @ gate.T, torch.eye(7), atol=1e-5, rtol=0)
