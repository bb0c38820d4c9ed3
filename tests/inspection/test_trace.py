"""A trace is the five equations, `nn.LSTM` and the fp32 decoder, each within 1e-5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, Trace, Vocabulary
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.inspection import trace as trace_module
from hubcharlstm.inspection.trace import SERIES
from tests.conftest import TEXT, tiny_model

TOLERANCE: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-5}


@pytest.fixture(params=[(24, 1), (24, 2), (33, 3)], ids=str)
def traced(request: pytest.FixtureRequest, vocabulary: Vocabulary) -> CharLSTM:
    hidden_size, num_layers = request.param
    model = tiny_model(vocabulary, hidden_size=hidden_size, num_layers=num_layers)
    model.precision = "fp32"
    return model


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_the_equations(model: CharLSTM, text: str) -> dict[str, np.ndarray]:
    """The slow twin in NumPy and float64: one character, one layer, one gate after another."""
    weights = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    size, layers = model.config.hidden_size, model.config.num_layers
    before = len(model.vocabulary.encode(model.start_text).ids)
    h, c = np.zeros((layers, size)), np.zeros((layers, size))
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*SERIES, "log_probs")}
    for new_id in model.vocabulary.encode(model.start_text + text).ids:
        x, step = weights["embedding.weight"][new_id], {name: np.zeros((layers, size)) for name in SERIES}
        for n in range(layers):
            w, u = weights[f"lstm.weight_ih_l{n}"], weights[f"lstm.weight_hh_l{n}"]
            b = weights[f"lstm.bias_ih_l{n}"] + weights[f"lstm.bias_hh_l{n}"]
            part = [slice(k * size, (k + 1) * size) for k in range(4)]  # PyTorch's order: i, f, g, o
            i = sigmoid(w[part[0]] @ x + u[part[0]] @ h[n] + b[part[0]])
            f = sigmoid(w[part[1]] @ x + u[part[1]] @ h[n] + b[part[1]])
            g = np.tanh(w[part[2]] @ x + u[part[2]] @ h[n] + b[part[2]])
            o = sigmoid(w[part[3]] @ x + u[part[3]] @ h[n] + b[part[3]])
            c[n] = f * c[n] + i * g
            h[n] = o * np.tanh(c[n])
            x = h[n].copy()
            for name, value in zip(SERIES, (i, f, g, o, c[n], h[n]), strict=True):
                step[name][n] = value
        for name in SERIES:
            found[name].append(step[name])
        logits = weights["head.weight"] @ x + weights["head.bias"]
        found["log_probs"].append(logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max())
    series = {name: np.stack(found[name][before:], axis=1) for name in SERIES}
    return series | {"guesses": np.stack(found["log_probs"][before - 1 :])}


@pytest.mark.parametrize("text", ["T", TEXT])
def test_it_is_the_five_equations(traced: CharLSTM, text: str) -> None:
    done, expected = traced.trace(text), by_the_equations(traced, text)
    shape = (traced.config.num_layers, len(text), traced.config.hidden_size)
    for name in SERIES:
        values = getattr(done, name)
        assert (values.shape, values.dtype) == (shape, np.float32), name
        np.testing.assert_allclose(values, expected[name], **TOLERANCE, err_msg=name)
    np.testing.assert_allclose(done.log_probs, expected["guesses"][:-1], **TOLERANCE)
    np.testing.assert_allclose(done.next_log_probs, expected["guesses"][-1], **TOLERANCE)


@torch.no_grad()
def test_it_is_what_nn_lstm_computes(traced: CharLSTM) -> None:
    done = traced.trace(TEXT * 8)  # several windows
    ids = torch.tensor([traced.vocabulary.encode(traced.start_text + TEXT * 8).ids])
    outputs, (h, c) = traced.lstm(traced.embedding(ids))
    before = ids.shape[1] - len(done.ids)
    np.testing.assert_allclose(done.hidden[-1], outputs[0, before:], **TOLERANCE)
    np.testing.assert_allclose(done.hidden[:, -1], h[:, 0], **TOLERANCE)
    np.testing.assert_allclose(done.cell[:, -1], c[:, 0], **TOLERANCE)


def test_it_is_what_the_fp32_decoder_computes(traced: CharLSTM) -> None:
    done, decoder = traced.trace(TEXT), Decoder(traced, "fp32")
    buffer = decoder.state_buffer(1)
    for new_id in traced.vocabulary.encode(traced.start_text).ids:
        logits = decoder.step(torch.tensor([new_id]), buffer)
    for position, new_id in enumerate(done.ids):
        np.testing.assert_allclose(done.log_probs[position], logits[0].log_softmax(0), **TOLERANCE)
        logits = decoder.step(torch.tensor([new_id]), buffer)
        h, c = buffer.get(0)
        np.testing.assert_allclose(done.hidden[:, position], h[:, 0], **TOLERANCE)
        np.testing.assert_allclose(done.cell[:, position], c[:, 0], **TOLERANCE)
    np.testing.assert_allclose(done.next_log_probs, logits[0].log_softmax(0), **TOLERANCE)


def test_surprise_is_the_score_of_each_character(traced: CharLSTM) -> None:
    done, score = traced.trace(TEXT), traced.score(TEXT)
    np.testing.assert_allclose(done.surprise, -score.log_probs / math.log(2), atol=1e-4, rtol=1e-4)
    assert done.bpc == pytest.approx(score.bpc, rel=1e-5)
    np.testing.assert_allclose(np.exp(done.log_probs).sum(axis=1), 1, rtol=1e-5)


def test_pieces_make_the_trace_of_the_whole(traced: CharLSTM) -> None:
    whole, text = traced.trace(TEXT * 10), TEXT * 10
    pieces: list[Trace] = []
    for start in range(0, len(text), 300):
        pieces.append(traced.trace(text[start : start + 300], pieces[-1].state if pieces else None))
    for name in SERIES:
        joined = np.concatenate([getattr(piece, name) for piece in pieces], axis=1)
        np.testing.assert_allclose(joined, getattr(whole, name), **TOLERANCE, err_msg=name)
    np.testing.assert_allclose(np.concatenate([piece.log_probs for piece in pieces]), whole.log_probs, **TOLERANCE)
    np.testing.assert_allclose(np.concatenate([piece.surprise for piece in pieces]), whole.surprise, **TOLERANCE)
    assert pieces[-1].state == whole.state or torch.allclose(pieces[-1].state.c, whole.state.c, atol=1e-5)


def test_a_reply_is_traced_after_its_prompt_and_goes_on_from_there(model: CharLSTM) -> None:
    model.precision = "fp32"
    done = model.complete("To be", max_new_tokens=30, temperature=0)
    reply = model.trace(done.text, start_text="To be")
    assert [model.vocabulary.chars[n] for n in reply.log_probs.argmax(axis=1)] == list(done.text)
    more = model.complete(state=done.state, max_new_tokens=20, temperature=0).text
    assert model.generate(state=reply.state, max_new_tokens=20, temperature=0) == more
    assert model.trace(more, done.state).surprise == pytest.approx(model.trace(more, reply.state).surprise, abs=1e-4)


def test_chosen_layers_and_units_are_those_of_the_whole(vocabulary: Vocabulary) -> None:
    model = tiny_model(vocabulary, num_layers=3)
    whole, part = model.trace(TEXT), model.trace(TEXT, layers=[2, 0], units=[5, 23, 0])
    assert (part.layers, part.units, part.cell.shape) == ((2, 0), (5, 23, 0), (2, len(TEXT), 3))
    for name in SERIES:
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[[2, 0]][:, :, [5, 23, 0]])
    assert model.trace(TEXT, layers=range(3), units=np.arange(24)).cell.shape == whole.cell.shape


@pytest.mark.parametrize("name", ["layers", "units"])
@pytest.mark.parametrize("numbers", [[], [-1], [99], [0, 0], [0.5], [True], ["0"]])
def test_what_is_no_layer_or_unit_is_refused(model: CharLSTM, name: str, numbers: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} is .*expected different whole numbers from 0 to"):
        model.trace("To be", **{name: numbers})


def test_a_trace_that_would_fill_the_memory_is_refused(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is computed; few units, or pieces, fit."""
    monkeypatch.setattr(trace_module, "MAX_TRACE_BYTES", 125_000)
    with pytest.raises(ValueError, match=r"trace of 810 characters would take 1 MiB; expected .* in pieces"):
        model.trace(TEXT * 10)
    assert model.trace(TEXT * 10, layers=[1], units=[0]).cell.shape == (1, len(TEXT) * 10, 1)
    assert model.trace(TEXT).cell.shape == (2, len(TEXT), 24)


def test_changed_characters_are_reported_and_nothing_is_refused(model: CharLSTM) -> None:
    done = model.trace("To bé\u4e16")
    assert (done.text, done.warnings) == ("To be", ("é read as e; 世 skipped",))
    for nothing in ("", "世"):
        with pytest.raises(ValueError, match=r"nothing that the model can read.*expected at least one character"):
            model.trace(nothing)
    with pytest.raises(ValueError, match="text is of type int; expected a string"):
        model.trace(3)  # type: ignore[arg-type]  # what is tested
    other = tiny_model(model.vocabulary, seed=1)
    with pytest.raises(ValueError, match="comes from another model"):
        model.trace("To be", other.trace("To be").state)


def test_it_shows_itself_in_a_line_and_leaves_the_training_mode_alone(model: CharLSTM) -> None:
    done = model.train().trace("To be")
    assert model.training and repr(done).startswith("Trace('To be', 5 characters, 2 x 24 units, bpc=")
    np.testing.assert_array_equal(done.cell, model.eval().trace("To be").cell)
