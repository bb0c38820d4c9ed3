"""A decoder is built again whenever the weights have changed, however they were changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from tests.conftest import tiny_model


def permute_columns(model: CharLSTM) -> None:
    """Keeps the sum of every row, and of the whole tensor."""
    weight = model.lstm.get_parameter("weight_hh_l0")
    weight.data.copy_(weight.data.flip(1))


def swap_rows(model: CharLSTM) -> None:
    weight = model.head.weight
    weight.data[[0, 1]] = weight.data[[1, 0]]


def exchange_two_numbers(model: CharLSTM) -> None:
    values = model.embedding.weight.detach().numpy()
    values[0, 0], values[2, 3] = values[2, 3], values[0, 0].copy()


def permute_a_bias(model: CharLSTM) -> None:
    model.head.bias.data.copy_(model.head.bias.data.flip(0))


def take_a_fused_step(model: CharLSTM) -> None:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    logits, _ = model(torch.zeros(1, 4, dtype=torch.int64))
    logits.sum().backward()
    optimizer.step()
    model.eval()


def load_other_weights(model: CharLSTM) -> None:
    model.load_state_dict(tiny_model(model.vocabulary, seed=5).state_dict())


@pytest.mark.parametrize(
    "change",
    [permute_columns, swap_rows, exchange_two_numbers, permute_a_bias, take_a_fused_step, load_other_weights],
)
def test_a_change_of_the_weights_is_noticed(model: CharLSTM, change: Callable[[CharLSTM], None]) -> None:
    """The check was a sum, which no permutation changes: a model permuted in place kept its old decoder and texts."""
    decoder, fingerprint = model.decoder, model.fingerprint
    change(model)
    assert model.decoder is not decoder
    assert model.fingerprint != fingerprint


def test_unchanged_weights_keep_their_decoder(model: CharLSTM) -> None:
    decoder = model.decoder
    model.generate("To be", max_new_tokens=5)
    model.score("To be")
    assert model.decoder is decoder


def test_weights_of_another_type_are_versioned_too(model: CharLSTM) -> None:
    half = model.half()
    first = half.decoder
    half.head.weight.data.copy_(half.head.weight.data.flip(1))
    assert half.decoder is not first


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_of_inference_mode_writes(vocabulary: Vocabulary, precision: str) -> None:
    """Its tensors have no count of changes: asking for one was a bare `RuntimeError`."""
    with torch.inference_mode():
        model = tiny_model(vocabulary)
        model.precision = precision
        text, decoder = model.generate("To be", max_new_tokens=20, seed=1), model.decoder
        permute_a_bias(model)
        assert model.decoder is not decoder
    plain = tiny_model(vocabulary)
    plain.precision = precision
    assert text == plain.generate("To be", max_new_tokens=20, seed=1)
    assert len(model.generate("To be", max_new_tokens=20, seed=1)) == 20


def test_every_verb_works_in_inference_mode(model: CharLSTM, model_folder: Path) -> None:
    """And of a model that was loaded there: the gradients of `connectivity` and `adapt` were a bare `RuntimeError`."""
    text = "To be, or not to be: " * 4
    with torch.inference_mode():
        loaded = CharLSTM.from_pretrained(model_folder)
        found = loaded.connectivity(text, 9, state=loaded.complete("To", max_new_tokens=3, seed=1).state)
        adapted = loaded.adapt(text, steps=2)
        assert loaded.generate("To be", seed=1) == model.generate("To be", seed=1)
    assert found.norms.any() and loaded.connectivity(text, 9).norms.any()
    assert adapted.fingerprint == model.adapt(text, steps=2).fingerprint == loaded.adapt(text, steps=2).fingerprint
