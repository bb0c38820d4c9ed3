"""What a gate is summed from, by the equations; all units of a layer as bytes, and their order."""

from __future__ import annotations

import numpy as np
import pytest

from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.inspection.maps import byte_map, likeness_order
from hubcharlstm.inspection.terms import unit_terms
from hubcharlstm.inspection.trace import SERIES
from tests.conftest import TEXT, tiny_model


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("start_text", ["\n", "FIRST:\nTo be", "x" * 300])
@pytest.mark.parametrize("layer", [0, 1])
def test_the_summands_make_the_gates_and_the_gates_make_the_cell(model: CharLSTM, layer: int, start_text: str) -> None:
    found = model.trace(TEXT, start_text=start_text)
    for unit in (0, 7, 23):
        terms = unit_terms(model, found, layer, unit)
        i, f, g, o = terms.input + terms.recurrent + terms.bias[:, None]
        for name, gate in (("input_gate", sigmoid(i)), ("forget_gate", sigmoid(f)), ("output_gate", sigmoid(o))):
            np.testing.assert_allclose(gate, getattr(found, name)[layer, :, unit], atol=1e-5)
        np.testing.assert_allclose(np.tanh(g), found.candidate[layer, :, unit], atol=1e-5)
        before = np.concatenate([[found.initial_cell[layer, unit]], found.cell[layer, :-1, unit]])
        cell = found.forget_gate[layer, :, unit] * before + found.input_gate[layer, :, unit] * np.tanh(g)
        np.testing.assert_allclose(cell, found.cell[layer, :, unit], atol=1e-5)


def test_what_is_before_a_text_is_the_end_of_what_was_read_before(model: CharLSTM) -> None:
    first, whole = model.trace(TEXT[:30]), model.trace(TEXT)
    second = model.trace(TEXT[30:], state=first.state)
    for found in (second, model.trace(TEXT[30:], start_text=model.start_text + TEXT[:30])):
        np.testing.assert_allclose(found.initial_cell, whole.cell[:, 29], atol=1e-5)
        np.testing.assert_allclose(found.initial_hidden, whole.hidden[:, 29], atol=1e-5)


def test_a_map_holds_every_value_to_half_a_step(model: CharLSTM) -> None:
    found = model.trace(TEXT)
    for name in SERIES:
        bytes_, values = byte_map(found, name, 1).astype(float), getattr(found, name)[1].T
        back = bytes_ / 255 if name.endswith("_gate") else bytes_ / 127.5 - 1
        np.testing.assert_allclose(back, np.tanh(values) if name == "cell" else values, atol=1 / 250)


def test_units_that_rise_and_fall_together_are_neighbours(vocabulary: Vocabulary) -> None:
    model = tiny_model(vocabulary, hidden_size=48)
    found = model.trace(TEXT * 3)
    order = likeness_order(found, 0)
    assert sorted(order.tolist()) == list(range(48))
    likeness = np.corrcoef(np.tanh(found.cell[0]).T)

    def neighbours(units: np.ndarray) -> float:
        return float(likeness[units[:-1], units[1:]].mean())

    assert neighbours(order) > neighbours(np.arange(48)) + 0.2
    assert np.array_equal(order, likeness_order(found, 0))
    assert sorted(likeness_order(model.trace("T"), 0).tolist()) == list(range(48))
