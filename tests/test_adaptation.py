"""A copy of a model learns from a text; the model itself stays as it is."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from hubcharlstm import CharLSTM, Vocabulary, introduction
from hubcharlstm.adaptation import (
    BATCH_SIZE,
    CLIP,
    DECAY,
    MAX_CHARACTERS,
    MEMORY,
    WINDOW,
    DynamicEvaluation,
    side_by_side,
)
from hubcharlstm.inspection.cell_report import CellReport
from hubcharlstm.inspection.ngram_filter import NgramFilter
from tests.conftest import TEXT, tiny_model

MINE = "SECOND:\nWhether 'tis nobler to be?\n\n" * 30
OTHER = "FIRST:\nThe question is to be.\n\n" * 8


def test_it_learns_the_text_and_leaves_the_model_alone(model: CharLSTM) -> None:
    model.generate("To be", max_new_tokens=5, seed=1)
    before, record = copy.deepcopy(model.state_dict()), copy.deepcopy(model.record)
    decoder, score = model.decoder, model.score(MINE).bpc
    adapted = model.adapt(MINE, steps=40)
    assert adapted is not model and type(adapted) is CharLSTM and adapted.vocabulary == model.vocabulary
    assert adapted.score(MINE).bpc < score - 0.1
    assert model.score(MINE).bpc == score and model.decoder is decoder and model.record == record
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.adaptation is None and all(parameter.grad is None for parameter in adapted.parameters())
    assert not adapted.training and adapted.fingerprint != model.fingerprint
    text = adapted.generate("To be", max_new_tokens=20, seed=1)
    assert text == adapted.generate("To be", max_new_tokens=20, seed=1)
    assert adapted.generation_config == model.generation_config and adapted.name == "a new model, adapted"


def test_the_same_steps_give_the_same_model(model: CharLSTM) -> None:
    torch.manual_seed(1)
    first = model.adapt(MINE, steps=7)
    torch.manual_seed(2)
    again = model.adapt(MINE, steps=7)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert first.record == again.record and first.adaptation == again.adaptation
    assert first.adaptation is not None and first.adaptation.steps == 7
    other = model.adapt(MINE, steps=8)
    assert other.fingerprint != first.fingerprint
    dropping = tiny_model(model.vocabulary).train()  # its dropout is off, and its mode stays
    assert dropping.adapt(MINE, steps=7).fingerprint == first.fingerprint and dropping.training


@pytest.mark.parametrize("precision", ["fp32", "int8", "auto"])
def test_the_precision_is_the_models(model: CharLSTM, precision: str) -> None:
    model.precision = precision
    adapted = model.adapt(MINE, steps=3)
    assert adapted.precision == precision and adapted.decoder.precision == model.decoder.precision
    assert adapted.head.weight.dtype == torch.float32 and adapted.head.weight.device == model.head.weight.device


def test_seconds_end_it_after_one_step_at_least(model: CharLSTM) -> None:
    adaptation = model.adapt(MINE, seconds=1e-9).adaptation
    assert adaptation is not None and adaptation.steps == 1
    brief = model.adapt(MINE, seconds=60).adaptation  # all passes over a short text take less
    steps_of_a_pass = math.ceil((side_by_side(np.zeros(len(MINE) + 1, dtype=np.int64)).shape[1] - 1) / WINDOW)
    assert brief is not None and brief.steps % steps_of_a_pass == 0 and brief.steps > steps_of_a_pass


def test_what_a_step_computes(model: CharLSTM) -> None:
    """The slow twin: the window's gradient, clipped, over the root of its mean square, and the way back."""
    ids = torch.tensor([model.vocabulary.encode(TEXT).ids[: WINDOW + 1]])
    evaluation = DynamicEvaluation(model, rate=0.01)
    losses = evaluation.step(ids)
    twin = copy.deepcopy(model)
    logits, _ = twin(ids[:, :-1])
    loss = cross_entropy(logits[0], ids[0, 1:])
    gradients = torch.autograd.grad(loss, list(twin.parameters()))
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
    assert float(losses.mean()) == pytest.approx(float(loss.detach()), rel=1e-5)
    for first, after, gradient in zip(model.parameters(), evaluation.network.parameters(), gradients, strict=True):
        clipped = gradient * min(1.0, CLIP / (float(norm) + 1e-6))
        mean_square = (1 - MEMORY) * clipped**2 / (1 - MEMORY)  # with Adam's correction of its first steps
        stepped = first - 0.01 * clipped / (mean_square.sqrt() + 1e-8)
        torch.testing.assert_close(after, stepped + DECAY * (first - stepped), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("count", [1, 30, 119, 120, 239, 240, 1_003, 20_000])
def test_the_rows_cover_the_text_in_order(count: int) -> None:
    rows = side_by_side(np.arange(count + 1))
    assert rows.shape[0] == max(1, min(BATCH_SIZE, count // (4 * WINDOW)))
    assert (np.diff(rows, axis=1) == 1).all() and rows[0, 0] == 0 and rows[-1, -1] == count
    assert set(rows[:, 1:].ravel()) == set(range(1, count + 1)) and (np.diff(rows[:, 0]) > 0).all()
    assert rows.size < count + 1 + 3 * len(rows)


def test_the_record_says_what_happened_and_nothing_of_the_text(model: CharLSTM, tmp_path: Path) -> None:
    model.record = {
        "name": "charlstm-tiny",
        "corpus": {"name": "t", "title": "a small play", "sha256": "0", "chars": 9, "train_chars": 8, "held_out": "1"},
        "val_loss": 1.5, "val_bpc": 2.164, "gates": {"characters": 7}, "words": {"held_out": 0.9},
        "samples": [{"prompt": "To", "temperature": 0.8, "seed": 7, "text": "be"}], "command": "python -m training fit",
    }  # fmt: skip
    model.cells = CellReport(())
    ngrams = NgramFilter.of(TEXT)
    assert ngrams is not None
    model.ngrams = replace(ngrams, errors={"windows": 0.01})
    adapted = model.adapt(MINE + "日本", steps=5)
    assert model.copied_runs(TEXT).errors and not adapted.copied_runs(TEXT).errors and adapted.copied_runs(TEXT).runs
    (entry,) = adapted.record["adapted"]
    assert entry["characters"] == len(MINE) and entry["steps"] == 5
    assert entry["nats_before"] == pytest.approx(model.score(MINE).nats, rel=0.01)
    assert entry["nats_after"] == pytest.approx(adapted.score(MINE).nats, rel=0.01)
    assert entry["nats_after"] < entry["nats_before"]
    assert set(adapted.record) == {"name", "corpus", "adapted"} and adapted.cells is None
    assert adapted.adaptation is not None and adapted.adaptation.warnings == ("日本 skipped",)
    assert "Whether" not in json.dumps(adapted.record)
    adapted.save_pretrained(tmp_path / "adapted")
    files = {file.name: file.read_bytes() for file in (tmp_path / "adapted").iterdir()}
    assert "cells.json" not in files and not any(b"Whether" in data for data in files.values())
    card = files["README.md"].decode()
    sentence = f"It was then adapted to another text: {len(MINE):,} characters in 5 steps of dynamic evaluation"
    assert "It has read a small play (8 characters)." in card and sentence in card
    loaded = CharLSTM.from_pretrained(tmp_path / "adapted", device="cpu")
    assert loaded.record == adapted.record and loaded.fingerprint == adapted.fingerprint and loaded.cells is None
    again = loaded.adapt(OTHER, steps=2)
    assert [one["steps"] for one in again.record["adapted"]] == [5, 2]
    assert "and then 248 characters of another text" in introduction.expectation(again)
    assert "has read only" not in introduction.expectation(again)


def test_the_filter_stays_without_errors_that_were_measured_of_other_weights(model: CharLSTM) -> None:
    """The card of an adapted model said how often the filter is wrong about what the model before it writes."""
    ngrams = NgramFilter.of(TEXT)
    assert ngrams is not None
    model.ngrams = replace(ngrams, errors={"windows": 0.01, "runs": 0.3})
    adapted = model.adapt(MINE, steps=1)
    assert adapted.ngrams is not None and np.array_equal(adapted.ngrams.bits, ngrams.bits)
    assert adapted.ngrams.errors == {} and model.ngrams.errors == {"windows": 0.01, "runs": 0.3}


def test_a_record_from_elsewhere_breaks_nothing(model: CharLSTM, tmp_path: Path) -> None:
    for foreign in ("much", [7], [{"characters": "many"}]):
        model.record = {"adapted": foreign}
        model.save_pretrained(tmp_path / "model")
        assert "adapted to another text" not in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
        assert len(introduction.expectation(model)) > 0
        assert [one["steps"] for one in model.adapt(MINE, steps=1).record["adapted"]] == [1]


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("", {}, "The text has 0 characters that the model can read; expected 30 at least"),
        ("日本語" * 40, {}, "The text has 0 characters"),
        ("To be" * 5, {}, "The text has 25 characters"),
        ("x" * (MAX_CHARACTERS + 1), {}, "expected 100,000 at most"),
        (b"To be" * 20, {}, "text is of type bytes; expected a string"),
        (None, {}, "text is of type NoneType"),
        (MINE, {"seconds": 0}, "seconds is 0; expected a number above 0"),
        (MINE, {"seconds": -1.0}, "seconds is -1.0"),
        (MINE, {"seconds": float("nan")}, "seconds is nan"),
        (MINE, {"seconds": math.inf}, "seconds is inf"),
        (MINE, {"seconds": 10**5000}, "seconds is a whole number of 16,610 bits; expected"),  # no int has 5,000 digits
        (MINE, {"seconds": "10"}, "seconds is '10'"),
        (MINE, {"seconds": True}, "seconds is True"),
        (MINE, {"steps": 0}, "steps is 0; expected a whole number of at least 1"),
        (MINE, {"steps": 2.5}, "steps is 2.5"),
        (MINE, {"steps": 2, "seconds": 2}, "Both seconds and steps are given"),
    ],
)
def test_wrong_arguments_are_one_sentence(model: CharLSTM, text: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        model.adapt(text, **options)


def test_a_lower_case_vocabulary_folds_the_text(vocabulary: Vocabulary) -> None:
    model = tiny_model(Vocabulary.from_text(TEXT, lowercase=True))
    adapted = model.adapt(MINE.upper(), steps=2)
    assert adapted.adaptation is not None and adapted.adaptation.characters == len(MINE)
