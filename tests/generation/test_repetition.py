"""Greedy decoding that repeats itself is found, and nothing else is taken for it."""

from __future__ import annotations

import torch

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.generation.repetition import cycle_length
from tests.conftest import tiny_model

MODEL = tiny_model(Vocabulary.from_text("FIRST:\nTo be, or not to be\n\nSECOND:\nnobler?\n\n"))


def test_greedy_decoding_that_cycles_is_reported(model: CharLSTM) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.head.bias[5] = 1.0
    done = model.complete("To be", max_new_tokens=90, temperature=0)
    assert done.cycle == model.vocabulary.chars[5]
    assert model.complete("To be", max_new_tokens=90, temperature=0.01, seed=1).cycle is None
    assert model.complete("To be", max_new_tokens=50, temperature=0).cycle is None


def test_a_cycle_goes_on_without_end() -> None:
    """Over many models: a network may count, and leave what looked like a circle after a dozen rounds."""
    found = 0
    for seed in range(20):
        model = tiny_model(MODEL.vocabulary, hidden_size=12, seed=seed)
        done = model.complete("To be", max_new_tokens=400, temperature=0)
        if done.cycle is not None:
            found += 1
            assert done.text.endswith(done.cycle * 3)
            later = model.complete(state=done.state, max_new_tokens=len(done.cycle) * 20, temperature=0)
            assert later.text == done.cycle * 20
    assert found > 5


def test_a_cycle_is_the_shortest_and_repeated_often_enough() -> None:
    assert cycle_length([1, 2, 3] * 20) == 3
    assert cycle_length([9, 9, *[1, 2] * 30]) == 2
    assert cycle_length([1, 2, 3] * 19) is None
    assert cycle_length(list(range(50)) * 3) == 50
    assert cycle_length(list(range(50)) * 2) is None
    assert cycle_length([1] * 60) == 1
    assert cycle_length([]) is None
