"""A score equals one pass over the text, character by character."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hubcharlstm import CharLSTM, GenerationConfig, Vocabulary
from hubcharlstm.cli import main
from hubcharlstm.inspection.scoring import cold_log_probs, token_log_probs
from hubcharlstm.network import CharLSTMNetwork
from tests.conftest import TEXT, tiny_model


@torch.no_grad()
def stepped(model: CharLSTM, text: str) -> list[float]:
    """The slow twin: one character at a time in float64, after the start text."""
    double = CharLSTMNetwork(model.config).double().eval()
    double.load_state_dict(model.state_dict())
    ids = model.vocabulary.encode(model.start_text + text).ids
    before = len(model.vocabulary.encode(model.start_text).ids)
    state, found = None, []
    for n, new in enumerate(ids[1:], start=1):
        logits, state = double(torch.tensor([[ids[n - 1]]]), state)
        if n >= before:
            found.append(float(logits[0, -1].log_softmax(0)[new]))
    return found


@pytest.mark.parametrize("text", ["T", "To be, or not", TEXT * 12])
@pytest.mark.parametrize("start_text", ["\n", "FIRST:\n"])
def test_every_character_has_its_log_probability_after_the_start_text(
    model: CharLSTM, text: str, start_text: str
) -> None:
    model.generation_config = GenerationConfig(start_text=start_text)
    done = model.score(text)
    expected = stepped(model, text)
    assert (done.text, done.warnings) == (text, ())
    assert done.log_probs.shape == (len(text),)
    np.testing.assert_allclose(done.log_probs, expected, rtol=1e-4, atol=1e-4)
    assert done.nats == pytest.approx(-sum(expected) / len(text), rel=1e-5)
    assert done.bpc == pytest.approx(done.nats / math.log(2))
    assert done.perplexity == pytest.approx(math.exp(done.nats))


def test_probabilities_of_all_characters_sum_to_one(model: CharLSTM) -> None:
    shared = "To be"
    last = [model.score(shared + char).log_probs[-1] for char in model.vocabulary.chars]
    assert float(np.exp(last).sum()) == pytest.approx(1.0, rel=1e-5)


def test_a_long_text_scores_the_same_in_chunks(model: CharLSTM) -> None:
    text = TEXT * 120
    one, many = model.score(text), model.score(text, num_chunks=4)
    assert many.log_probs.shape == one.log_probs.shape
    assert not np.array_equal(many.log_probs, one.log_probs)  # it was split into chunks
    np.testing.assert_allclose(many.log_probs, one.log_probs, rtol=1e-3, atol=1e-3)


def test_memory_is_bounded_by_the_window(model: CharLSTM, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = []
    forward = CharLSTM.forward
    monkeypatch.setattr(
        CharLSTM, "forward", lambda self, ids, state=None: longest.append(ids.numel()) or forward(self, ids, state)
    )
    model.score(TEXT * 50)
    assert max(longest) <= 256 and sum(longest) == len(TEXT) * 50


def test_changed_characters_are_reported(model: CharLSTM) -> None:
    done = model.score("To bé\u4e16")
    assert done.text == "To be"
    assert done.warnings == ("é read as e; 世 skipped",)
    np.testing.assert_array_equal(done.log_probs, model.score("To be").log_probs)
    for nothing in ("", "世"):
        with pytest.raises(ValueError, match=r"nothing that the model can read.*expected at least one character"):
            model.score(nothing)
    with pytest.raises(ValueError, match="num_chunks is 0"):
        model.score("To", num_chunks=0)


def test_a_score_leaves_the_training_mode_alone(model: CharLSTM) -> None:
    model.precision = "fp32"
    one = model.train().score("To be").log_probs
    assert model.training
    np.testing.assert_array_equal(one, model.eval().score("To be").log_probs)


def test_each_cold_window_starts_from_a_zero_state() -> None:
    vocabulary = Vocabulary.from_text(TEXT)
    model = tiny_model(vocabulary)
    ids = np.array(vocabulary.encode(TEXT * 3).ids)
    found = cold_log_probs(model, ids, window=50, rows=2)
    for start in range(0, len(ids) - 1, 50):
        part = token_log_probs(model, ids[start : start + 51])
        np.testing.assert_allclose(found[start : start + 50], part, rtol=1e-4, atol=1e-5)


def test_the_command_scores_a_file_or_standard_input(
    model: CharLSTM,
    model_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "poem.txt"
    file.write_text("To be é", encoding="utf-8")
    done = model.score("To be e")
    assert main(["score", str(file), "--model", str(model_folder), "--characters"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == f'"T"\t{done.log_probs[0]:.6f}' and len(lines) == 8
    total = f"{done.nats:.4f} nats, {done.bpc:.4f} bits per character, perplexity {done.perplexity:.3f}, 7 characters"
    assert lines[-1] == total
    assert err == "warning: é read as e\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("To be é".encode())))
    assert main(["score", "-", "--model", str(model_folder)]) == 0
    assert capsys.readouterr().out == total + "\n"


def test_a_file_that_cannot_be_scored_is_one_sentence(
    model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "empty").write_bytes(b"")
    for name, message in (("none", "cannot be read"), ("latin", "0xe9 at offset 3"), ("empty", "nothing that")):
        assert main(["score", str(tmp_path / name), "--model", str(model_folder)]) == 2
        shown = capsys.readouterr().err
        assert message in shown and shown.startswith("error: ") and shown.count("\n") == 1
