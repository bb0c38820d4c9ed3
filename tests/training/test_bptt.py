"""Windows of a run, from the text in memory or held by the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hubcharlstm import CharLSTM, Vocabulary
from tests.training.test_trainer import RECIPE, TEXT
from training.bptt import TruncatedBPTT
from training.data.encoded import EncodedText, TrainIds
from training.pipeline import config_of
from training.schedule import TrainSchedule


@pytest.mark.parametrize("symbols", [20, 300])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_text_held_by_the_device_gives_the_same_windows(tmp_path: Path, symbols: int, mapped: bool) -> None:
    text = TEXT + "".join(map(chr, range(0x4E00, 0x4E00 + symbols)))
    vocabulary, recipe = Vocabulary(sorted(set(text))), replace(RECIPE, hidden_size=4)
    # A mapped text has ids of its own, here in another order than the vocabulary's.
    own = tuple(sorted(set(text), reverse=True))
    source = EncodedText.write([text], len(text), own, tmp_path) if mapped else text
    plan, model = TrainSchedule.of(recipe, len(text)), CharLSTM(config_of(recipe, vocabulary), vocabulary)
    loop = TruncatedBPTT(model, recipe, plan, TrainIds(source, vocabulary))
    expected = [loop.window(epoch, window) for epoch in (0, 1) for window in (0, plan.steps_per_epoch - 1)]
    assert loop.resident is None
    loop.hold_text()
    found = [loop.window(epoch, window) for epoch in (0, 1) for window in (0, plan.steps_per_epoch - 1)]
    assert loop.resident is not None
    assert all(torch.equal(a, b) for pair in zip(expected, found, strict=True) for a, b in zip(*pair, strict=True))
    assert all(inputs.dtype == torch.int64 for inputs, _ in found)
