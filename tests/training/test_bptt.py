"""Windows of contiguous batch rows: their ids, and the state that they carry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import training.bptt
import training.lstm
from hubcharlstm import CharLSTM, Vocabulary
from hubcharlstm.vocabulary import normalize
from tests.support.sharded import sharded
from tests.support.tiny_runs import RECIPE, TEXT, record, run
from tests.training.conftest import RecordingNetwork
from training.bptt import TruncatedBPTT
from training.data.encoded import TrainIds, encode
from training.new_model import config_of
from training.schedule import TrainSchedule


@pytest.mark.parametrize("symbols", [20, 300])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_text_held_by_the_device_gives_the_same_windows(tmp_path: Path, symbols: int, mapped: bool) -> None:
    text = TEXT + "".join(map(chr, range(0x4E00, 0x4E00 + symbols)))
    vocabulary, recipe = Vocabulary(sorted(set(text))), replace(RECIPE, hidden_size=4)
    source = sharded(text, tmp_path) if mapped else text
    schedule, model = TrainSchedule.of(recipe, len(text)), CharLSTM(config_of(recipe, vocabulary), vocabulary)
    bptt = TruncatedBPTT(model, recipe, schedule, TrainIds(source, vocabulary))
    expected = [bptt.window(epoch, window) for epoch in (0, 1) for window in (0, schedule.steps_per_epoch - 1)]
    assert bptt.device_ids is None
    bptt.load_to_device()
    found = [bptt.window(epoch, window) for epoch in (0, 1) for window in (0, schedule.steps_per_epoch - 1)]
    assert bptt.device_ids is not None
    assert all(torch.equal(a, b) for pair in zip(expected, found, strict=True) for a, b in zip(*pair, strict=True))
    assert all(inputs.dtype == torch.int64 for inputs, _ in found)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), st.booleans())
def test_encode_gives_the_ids_of_the_vocabulary(text: str, lowercase: bool) -> None:
    text = normalize(text.replace("\ufeff", "."), lowercase=lowercase)
    vocabulary = Vocabulary.from_text(text, lowercase=lowercase)
    assert encode(text, vocabulary).tolist() == list(vocabulary.encode(text).ids)


def test_windows_carry_the_state_along_their_rows(
    tmp_path: Path, recorded: list[RecordingNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a learning rate of almost nothing, windows in a row give what one long forward pass over a row gives."""
    monkeypatch.setattr(training.lstm, "has_fast_bf16", lambda: False)  # the figures are compared closely
    recipe = replace(
        RECIPE, dropout=0.0, learning_rate=1e-30, weight_decay=0.0, max_train_chars=4_000, warmup=0.0,
        state_reset_prob=0.0, seed=2, softmax_temperature=1.0,
    )  # fmt: skip
    run(tmp_path / "run", recipe)
    schedule, row_len = TrainSchedule.of(recipe, len(TEXT)), len(TEXT) // recipe.batch_size
    model = CharLSTM.from_pretrained(tmp_path / "run", device="cpu")
    ids = encode(TEXT, model.vocabulary)
    calls = recorded[0].calls
    assert len(calls) == schedule.total_steps > schedule.steps_per_epoch  # more than one epoch
    for epoch in (0, 1):
        part = calls[epoch * schedule.steps_per_epoch : (epoch + 1) * schedule.steps_per_epoch]
        inputs, logits = (torch.cat([call[n] for call in part], dim=1) for n in (0, 2))
        start = schedule.offset(recipe, epoch)
        rows = [ids[n * row_len + start : n * row_len + start + inputs.shape[1]] for n in range(recipe.batch_size)]
        assert torch.equal(inputs, torch.stack(rows))
        assert not part[0][1].any()  # each epoch begins with a zero state
        assert part[1][1].any()
        expected, _ = model(inputs)
        torch.testing.assert_close(logits, expected.detach(), rtol=1e-4, atol=1e-5)
    assert schedule.offset(recipe, 0) != schedule.offset(recipe, 1)
    # The recorded training loss is the mean over all windows since the last evaluation.
    first = sorted(schedule.evaluation_steps)[0]
    targets = [
        ids[torch.arange(4)[:, None] * row_len + schedule.offset(recipe, 0) + n * 16 + torch.arange(1, 17)]
        for n in range(first)
    ]
    losses = [cross_entropy(calls[n][2].flatten(0, 1), targets[n].flatten()) for n in range(first)]
    assert record(tmp_path / "run")["history"][0]["train_loss"] == pytest.approx(float(torch.stack(losses).mean()))


def test_some_rows_are_reset_and_the_others_carry_their_state(tmp_path: Path, recorded: list[RecordingNetwork]) -> None:
    recipe = replace(RECIPE, state_reset_prob=0.3)
    run(tmp_path / "run", recipe)
    steps = TrainSchedule.of(recipe, len(TEXT)).steps_per_epoch
    cold = torch.stack([(call[1] == 0).all(dim=2).all(dim=0) for call in recorded[0].calls])  # (steps, B)
    warm = torch.stack([(call[1] != 0).any(dim=2).any(dim=0) for call in recorded[0].calls])
    assert torch.equal(cold, ~warm)  # a row is reset in all layers or in none
    assert cold[::steps].all()
    share = float(cold[1:steps].float().mean())
    assert 0.1 < share < 0.5
    run(tmp_path / "never", replace(recipe, state_reset_prob=0.0))
    assert not any((call[1] == 0).all(dim=2).any() for call in recorded[1].calls[1:steps])


@pytest.mark.parametrize(("kind", "only_cpu"), [("mps", True), ("cuda", False), (None, False)])
def test_an_accelerator_that_no_test_runs_on_is_not_trained_on(
    monkeypatch: pytest.MonkeyPatch, kind: str | None, only_cpu: bool
) -> None:
    """Accelerate takes whichever it finds."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: kind is not None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind or "cpu"))
    monkeypatch.setattr("training.bptt.Accelerator", lambda **options: options)
    assert training.bptt.new_accelerator()["cpu"] is only_cpu
