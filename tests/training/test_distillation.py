"""The loss against teachers, and what is stored of their guesses."""

from __future__ import annotations

import math
import os
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import training.distillation
from hubcharlstm import CharLSTM, Vocabulary
from tests.conftest import tiny_model
from tests.support.sharded import sharded
from tests.support.tiny_runs import RECIPE, TEXT
from training.bptt import TruncatedBPTT
from training.data.encoded import TrainIds
from training.distillation import TeacherProbs, bytes_per_char, distillation_loss
from training.new_model import config_of
from training.schedule import TrainSchedule

VOCABULARY = Vocabulary(sorted(set(TEXT)))


def expected_probs(teacher: CharLSTM, text: str, vocabulary: Vocabulary, temperature: float) -> torch.Tensor:
    """(N - 1, V) by one pass over the text from its start, character by character in the order of `vocabulary`."""
    ids = torch.tensor([teacher.vocabulary.chars.index(char) for char in text])
    columns = torch.tensor([teacher.vocabulary.chars.index(char) for char in vocabulary.chars])
    with torch.no_grad():
        logits, _ = teacher(ids[None, :-1])
    return (logits[0][:, columns] / temperature).softmax(dim=-1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_loss_is_the_written_out_formula(temperature: float) -> None:
    """T^2 sum_v p_v (log p_v - log q_v), the mean over characters; 0 log 0 is 0."""
    logits = torch.tensor([[[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]]], dtype=torch.float64)
    probs = torch.tensor([[[0.7, 0.2, 0.1], [0.0, 0.25, 0.75]]], dtype=torch.float64)
    total = 0.0
    for z, p in zip(logits[0].tolist(), probs[0].tolist(), strict=True):
        log_sum = math.log(sum(math.exp(value / temperature) for value in z))
        total += sum(pv * (math.log(pv) - (zv / temperature - log_sum)) for pv, zv in zip(p, z, strict=True) if pv)
    loss = distillation_loss(logits, probs, temperature)
    assert float(loss) == pytest.approx(temperature**2 * total / 2, rel=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_its_gradient_is_that_of_hinton_and_vanishes_at_the_teacher(temperature: float) -> None:
    """T (q - p) / N for each logit, which finite differences confirm."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    probs = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64).softmax(dim=-1)
    distillation_loss(logits, probs, temperature).backward()
    student = (logits.detach() / temperature).softmax(dim=-1)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, temperature * (student - probs) / 6)
    assert torch.autograd.gradcheck(lambda z: distillation_loss(z, probs, temperature), logits)
    assert float(distillation_loss(temperature * probs.log(), probs, temperature)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_step_minimizes_the_weighted_mean_of_both_losses(tmp_path: Path, weight: float) -> None:
    recipe = replace(RECIPE, distill_weight=weight, distill_temperature=2.0)
    schedule = TrainSchedule.of(recipe, len(TEXT))
    bptt = TruncatedBPTT(
        CharLSTM(config_of(recipe, VOCABULARY), VOCABULARY), recipe, schedule, TrainIds(TEXT, VOCABULARY)
    )
    loss, logits = torch.tensor(1.7), torch.randn(2, 16, 4, len(VOCABULARY))  # of two dropout samples
    assert bptt.objective(loss, logits, 1, 2) is loss
    teacher = tiny_model(VOCABULARY)
    bptt.teacher_probs = TeacherProbs.write([teacher], TEXT, VOCABULARY, temperature=2.0, folder=tmp_path)
    positions = torch.from_numpy(bptt.positions(1, 2))
    expected = expected_probs(teacher, TEXT, VOCABULARY, 2.0)[positions[:-1]]
    divergence = sum(distillation_loss(sample, expected, 2.0) for sample in logits) / 2
    objective = bptt.objective(loss, logits, 1, 2)
    assert float(objective) == pytest.approx((1 - weight) * 1.7 + weight * float(divergence), rel=1e-3)
    _, targets = bptt.window(1, 2)
    ids = torch.tensor([VOCABULARY.chars.index(char) for char in TEXT])
    assert torch.equal(ids[positions[1:]], targets)  # a guess stands beside the character that it is about


@pytest.mark.parametrize("mapped", [False, True])
def test_the_mean_of_the_teachers_is_stored_by_character(tmp_path: Path, mapped: bool) -> None:
    """Their vocabularies have other orders and more characters than the student's."""
    others = [Vocabulary([*reversed(VOCABULARY.chars), "é"]), Vocabulary(["#", *VOCABULARY.chars])]
    teachers = [tiny_model(vocabulary, seed=seed) for seed, vocabulary in enumerate(others)]
    text = sharded(TEXT, tmp_path / "shards") if mapped else TEXT
    probs = TeacherProbs.write(teachers, text, VOCABULARY, temperature=1.5, folder=tmp_path)
    each = [expected_probs(teacher, TEXT, VOCABULARY, 1.5) for teacher in teachers]
    found = probs[np.arange(len(TEXT) - 1)]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (each[0] + each[1]) / 2, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(len(found)), rtol=0, atol=2e-3)
    positions = np.array([[0, 700], [1500, 3]])
    assert torch.equal(probs[positions], found[torch.from_numpy(positions)])
    assert [path.name for path in tmp_path.iterdir()] == ["shards"] * mapped  # the file has no name any more


def test_a_long_text_is_cut_into_chunks_that_carry_their_state(tmp_path: Path) -> None:
    teacher, text = tiny_model(VOCABULARY), TEXT * 4
    assert len(text) > 3 * 4 * 512
    probs = TeacherProbs.write([teacher], text, VOCABULARY, temperature=1.0, folder=tmp_path)
    expected = expected_probs(teacher, text, VOCABULARY, 1.0)
    torch.testing.assert_close(probs[np.arange(len(text) - 1)], expected, rtol=1e-3, atol=1e-4)


def test_of_many_characters_the_most_likely_are_stored_and_the_others_share_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training.distillation, "FULL_VOCABULARY", 10)
    monkeypatch.setattr(training.distillation, "TOP_K", 4)
    teacher = tiny_model(VOCABULARY)
    probs = TeacherProbs.write([teacher], TEXT, VOCABULARY, temperature=1.0, folder=tmp_path)
    expected = expected_probs(teacher, TEXT, VOCABULARY, 1.0)
    found = probs[np.arange(len(TEXT) - 1)]
    assert probs.probs.shape == (len(TEXT) - 1, 4)
    top, ids = expected.topk(4)
    torch.testing.assert_close(found.gather(-1, ids), top, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(len(found)))
    rest = (1 - top.sum(dim=-1)) / (len(VOCABULARY) - 4)
    others = found.scatter(-1, ids, 0.0).amax(dim=-1)
    torch.testing.assert_close(others, rest, rtol=1e-2, atol=1e-3)


def test_a_row_is_bounded_whatever_the_vocabulary() -> None:
    assert [bytes_per_char(size) for size in (70, 128, 129, 5000, 65_536)] == [140, 256, 64 * 3, 256, 256]
    assert bytes_per_char(100_000) == 384


def test_a_disk_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10, 9, 1))
    with pytest.raises(ValueError, match=r"takes 0\.0 GB on the disk of .* are free; expected room for it: free some"):
        TeacherProbs.write([tiny_model(VOCABULARY)], TEXT, VOCABULARY, temperature=1.0, folder=tmp_path)


def test_the_room_of_all_that_is_stored_is_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of holes was made where another had no room beside it, and SIGBUS ended the process at a later write."""
    monkeypatch.setattr(training.distillation, "FULL_VOCABULARY", 10)
    usage = namedtuple("usage", "total used free")
    taken: list[int] = []
    room = 2 * 4 * (len(TEXT) - 1)  # for the probabilities alone
    monkeypatch.setattr(training.distillation, "TOP_K", 4)
    monkeypatch.setattr(os, "posix_fallocate", lambda file, start, size: taken.append(size), raising=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, room - sum(taken)))
    with pytest.raises(ValueError, match="expected room for it"):
        TeacherProbs.write([tiny_model(VOCABULARY)], TEXT, VOCABULARY, temperature=1.0, folder=tmp_path)
    assert taken == [room]
