"""A clamp overwrites cells of its own request alone, in every precision and wherever the request is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, Engine, GenerationState
from hubcharlstm.decoding.decoder import Decoder
from tests.conftest import TEXT, tiny_model

CLAMP = {(0, 3): 2.0, (1, 20): -1.5, (1, 0): 0.0}
PROMPTS = ["To be", "FIRST:\n" * 20, "T", "SECOND:\nWhether"]


@pytest.fixture(params=["fp32", "int8", "bf16"])
def model(request: pytest.FixtureRequest, vocabulary: Any) -> CharLSTM:
    model = tiny_model(vocabulary)
    model.precision = request.param
    return model


def texts(model: CharLSTM, clamp: Any, **arguments: Any) -> list[str]:
    return [model.generate(prompt, seed=5, max_new_tokens=40, clamp=clamp, **arguments) for prompt in PROMPTS]


def clamped_logits(model: CharLSTM, ids: list[int], clamp: dict[tuple[int, int], float]) -> list[torch.Tensor]:
    """The slow twin: the gate equations in float64, with the cells overwritten between update and tanh."""
    tensors = {name: value.double() for name, value in model.state_dict().items()}
    size, layers = model.config.hidden_size, model.config.num_layers
    h, c, logits = torch.zeros(layers, size).double(), torch.zeros(layers, size).double(), []
    for new_id in ids:
        x = tensors["embedding.weight"][new_id]
        for n in range(layers):
            gates = tensors[f"lstm.weight_ih_l{n}"] @ x + tensors[f"lstm.bias_ih_l{n}"]
            gates = gates + tensors[f"lstm.weight_hh_l{n}"] @ h[n] + tensors[f"lstm.bias_hh_l{n}"]
            i, f, g, o = gates.chunk(4)
            c[n] = f.sigmoid() * c[n] + i.sigmoid() * g.tanh()
            for (layer, unit), value in clamp.items():
                if layer == n:
                    c[n, unit] = value
            h[n] = o.sigmoid() * c[n].tanh()
            x = h[n].clone()
        logits.append(tensors["head.weight"] @ x + tensors["head.bias"])
    return logits


@pytest.mark.parametrize("rows", [1, 3])
def test_the_cell_is_overwritten_after_its_update_and_before_tanh(vocabulary: Any, rows: int) -> None:
    model = tiny_model(vocabulary)
    ids = list(model.vocabulary.encode(TEXT).ids)
    decoder, clamp = Decoder(model), tuple((layer, unit, value) for (layer, unit), value in CLAMP.items())
    buffer = decoder.state_buffer(rows)
    buffer.put(0, None, clamp)
    clamped, plain = clamped_logits(model, ids, CLAMP), clamped_logits(model, ids, {})
    for position, new_id in enumerate(ids):
        logits = decoder.step(torch.full((rows,), new_id), buffer)
        for row in range(rows):
            expected = plain[position] if row else clamped[position]
            torch.testing.assert_close(logits[row].double(), expected, atol=1e-4, rtol=1e-4)
        assert buffer.get(0)[1][1, 0, 20] == -1.5


def test_clamps_move_with_their_rows_and_leave_with_them(model: CharLSTM) -> None:
    decoder, clamp = Decoder(model, model.precision), ((0, 3, 2.0),)
    buffer = decoder.state_buffer(3)
    for row, value in enumerate(((), (), clamp)):
        buffer.put(row, None, value)

    def clamped_rows(count: int) -> list[bool]:
        decoder.advance(torch.ones(count, dtype=torch.int64), buffer)
        return [float(buffer.get(row)[1][0, 0, 3]) == 2.0 for row in range(count)]

    assert clamped_rows(3) == [False, False, True]
    buffer.move(2, 0)
    assert clamped_rows(2) == [True, False]
    assert clamped_rows(1) == [True]
    buffer.put(1, None)
    buffer.move(1, 0)
    assert clamped_rows(1) == [False]
    for cells in (((9, 0, 1.0),), ((0, 24, 1.0),)):
        with pytest.raises(RuntimeError, match="expected 2 layers of 24 units"):
            buffer.put(0, None, cells)


def test_it_changes_the_text_and_none_changes_nothing(model: CharLSTM) -> None:
    plain = texts(model, None)
    assert texts(model, {}) == plain
    assert texts(model, CLAMP) != plain
    assert texts(model, None) == plain
    stream = model.stream("To be", seed=5, max_new_tokens=40, clamp=CLAMP)
    assert "".join(stream) == texts(model, CLAMP)[0]


def test_an_engine_and_a_batch_give_the_same_texts(model: CharLSTM) -> None:
    """Beside requests with other clamps and without one; to the bit in int8, and here in the others too."""
    alone, plain = texts(model, CLAMP), texts(model, None)
    with_engine = Engine(model.decoder, max_rows=3, time_slice=7)
    streams = [
        model.stream(prompt, seed=5, max_new_tokens=40, clamp=clamp, engine=with_engine)
        for prompt in PROMPTS
        for clamp in (CLAMP, None)
    ]
    found = ["".join(stream) for stream in streams]
    with_engine.close()
    if model.precision == "int8":
        assert (found[::2], found[1::2]) == (alone, plain)
        assert model.generate(PROMPTS, seed=5, max_new_tokens=40, clamp=CLAMP) == alone
    assert [len(text) for text in found] == [40] * 8
    for text, prompt in zip(found[::2], PROMPTS, strict=True):
        done = model.complete(prompt, seed=5, max_new_tokens=40, clamp=CLAMP)
        assert done.state.clamp == tuple((layer, unit, value) for (layer, unit), value in sorted(CLAMP.items()))
        assert text[:3] == done.text[:3]


def test_it_is_part_of_the_state(model: CharLSTM, tmp_path: Path) -> None:
    whole = model.generate("To be", max_new_tokens=60, seed=5, clamp=CLAMP)
    first = model.complete("To be", max_new_tokens=30, seed=5, clamp=CLAMP)
    first.state.save(tmp_path / "state")
    loaded = GenerationState.load(tmp_path / "state")
    assert loaded == first.state and hash(loaded) == hash(first.state)
    assert first.text + model.generate(state=loaded, max_new_tokens=30) == whole
    released = model.complete(state=loaded, max_new_tokens=30, clamp={})
    assert first.text + released.text != whole and released.state.clamp == ()
    assert loaded != GenerationState(*(getattr(loaded, name) for name in vars(loaded) if name != "clamp"))


def test_what_is_inspected_after_such_a_state_is_clamped_too(vocabulary: Any) -> None:
    model = tiny_model(vocabulary)
    model.precision = "fp32"
    done = model.complete("To be", max_new_tokens=30, temperature=0, clamp=CLAMP)
    more = model.complete(state=done.state, max_new_tokens=20, temperature=0)
    trace = model.trace(more.text, done.state)
    assert np.all(trace.cell[0, :, 3] == 2.0)
    assert [model.vocabulary.chars[n] for n in trace.log_probs.argmax(axis=1)] == list(more.text)
    assert trace.state.clamp == done.state.clamp
    found = model.alternatives(more.text, 10, state=done.state)
    assert found.actual == found.choices[0] and found.choices[0].state.clamp == done.state.clamp
    with pytest.raises(ValueError, match="The state clamps cells"):
        model.connectivity(more.text, 10, state=done.state)


@pytest.mark.parametrize(
    ("clamp", "message"),
    [
        ({(2, 0): 1.0}, r"cell \(2, 0\); expected \(layer, unit\) with a layer from 0 to 1 and a unit from 0 to 23"),
        ({(0, 24): 1.0}, r"cell \(0, 24\)"),
        ({(0, -1): 1.0}, r"cell \(0, -1\)"),
        ({(0, 1.0): 1.0}, r"cell \(0, 1.0\)"),
        ({(0,): 1.0}, r"cell \(0,\)"),
        ({3: 1.0}, "cell 3"),
        ({(0, 0): float("nan")}, "value nan for layer 0, unit 0; expected a number from -100 to 100"),
        ({(0, 0): float("inf")}, "value inf"),
        ({(0, 0): 101}, "value 101"),
        ({(0, 0): "1"}, "value '1'"),
        ({(0, 0): True}, "value True"),
        ([(0, 0)], r"clamp is \[\(0, 0\)\]; expected values by \(layer, unit\)"),
    ],
)
def test_what_is_no_cell_or_no_value_is_refused(vocabulary: Any, clamp: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny_model(vocabulary).generate("To be", clamp=clamp)


def test_numpy_numbers_are_accepted(model: CharLSTM) -> None:
    clamp = {(np.int64(layer), np.int32(unit)): np.float32(value) for (layer, unit), value in CLAMP.items()}
    assert texts(model, clamp) == texts(model, CLAMP)


@pytest.mark.parametrize(
    "cells", ["[[9, 0, 1.0]]", "[[0, 0, 1e9]]", "[[0, 0, NaN]]", '{"a": 1}', "[1]", "[[0]]", "nothing"]
)
def test_a_saved_state_with_a_clamp_that_is_none_is_refused(model: CharLSTM, tmp_path: Path, cells: str) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    path = tmp_path / "state"
    model.complete("To be", max_new_tokens=5, seed=1, clamp=CLAMP).state.save(path)
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in ("h", "c")}, file.metadata()
    save_file(tensors, path, metadata=metadata | {"clamp": cells})
    with pytest.raises(ValueError, match=r"expected"):
        model.generate(state=GenerationState.load(path), max_new_tokens=5)
