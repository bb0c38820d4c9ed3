"""Connectivity is the gradient: it agrees with differences of the log-probability."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM
from hubcharlstm.inspection import connectivity as connectivity_module
from hubcharlstm.network import CharLSTMNetwork
from tests.conftest import TEXT, tiny_model


@torch.no_grad()
def norms_by_differences(model: CharLSTM, text: str, position: int, target: int) -> list[float]:
    """The slow twin: every number of every embedding is moved a little, in float64."""
    double = CharLSTMNetwork(model.config).double().eval()
    double.load_state_dict(model.state_dict())
    before = len(model.vocabulary.encode(model.start_text).ids)
    ids = torch.tensor([model.vocabulary.encode(model.start_text + text[:position]).ids])
    embeddings, norms = double.embedding(ids), []

    def log_prob(inputs: torch.Tensor) -> float:
        return float(double.head(double.lstm(inputs)[0][0, -1]).log_softmax(0)[target])

    for place in range(before, ids.shape[1]):
        gradient = []
        for n in range(model.config.embedding_dim):
            values = []
            for step in (1e-5, -1e-5):
                moved = embeddings.clone()
                moved[0, place, n] += step
                values.append(log_prob(moved))
            gradient.append((values[0] - values[1]) / 2e-5)
        norms.append(float(np.linalg.norm(gradient)))
    return norms


@pytest.mark.parametrize("position", [0, 1, 15, len(TEXT)])
def test_it_is_the_norm_of_the_gradient(model: CharLSTM, position: int) -> None:
    done, trace = model.connectivity(TEXT, position), model.trace(TEXT)
    guesses = [*trace.log_probs, trace.next_log_probs][position]
    target = model.vocabulary.chars.index(done.character)
    assert done.character == TEXT[position] if position < len(TEXT) else target == guesses.argmax()
    assert done.log_prob == pytest.approx(guesses[target], abs=1e-4)
    assert (done.norms.shape, done.norms.dtype) == ((position,), np.float32)
    np.testing.assert_allclose(done.norms, norms_by_differences(model, TEXT, position, target), rtol=1e-2, atol=1e-5)


def test_it_changes_neither_weights_nor_gradients_nor_mode(model: CharLSTM) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    one = model.connectivity(TEXT, 20).norms
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        np.testing.assert_array_equal(model.eval().connectivity(TEXT, 20).norms, one)


def test_it_goes_on_from_a_state(model: CharLSTM) -> None:
    model.precision = "fp32"
    whole, state = model.connectivity(TEXT, 30), model.trace(TEXT[:10]).state
    part = model.connectivity(TEXT[10:], 20, state=state)
    np.testing.assert_allclose(part.norms, whole.norms[10:], rtol=1e-3, atol=1e-6)
    after = model.connectivity("be", 2, start_text="To ")
    assert after.norms.shape == (2,)


def test_more_than_a_backward_pass_holds_is_refused(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity_module, "MAX_CHARACTERS", 30)
    assert len(model.connectivity(TEXT, 29).norms) == 29
    with pytest.raises(ValueError, match="position 30 comes after 31 characters; expected at most 30"):
        model.connectivity(TEXT, 30)
    for position in (-1, len(TEXT) + 1, 1.5, True):
        with pytest.raises(ValueError, match=r"position is .*expected a whole number from 0 to"):
            model.connectivity(TEXT, position)  # type: ignore[arg-type]  # what is tested
    other = tiny_model(model.vocabulary, seed=1)
    with pytest.raises(ValueError, match="comes from another model"):
        model.connectivity("To be", 1, state=other.trace("To be").state)
    assert "character=" in repr(model.connectivity(TEXT, 3))
