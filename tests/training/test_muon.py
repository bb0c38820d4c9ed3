"""Muon on the gates: the same as PyTorch's own on each block by itself, resumable to the bit, and it learns."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import training.muon
from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from tests.support.tiny_runs import RECIPE, assert_same_run, at_step, record, run
from training.bptt import new_optimizers
from training.muon import BLOCK_ROWS, GateMuon, block_rows, is_gate_matrix, orthogonalized

MUON = replace(RECIPE, muon_rate=0.02)


@pytest.mark.parametrize(
    ("shape", "blocks"), [((4 * 16, 16), 4), ((4 * 16, 6), 4), ((4 * 6, 40), 4), ((4 * 256, 64), 8), ((4 * 192, 48), 8)]
)
def test_each_block_is_stepped_as_by_pytorchs_muon(shape: tuple[int, int], blocks: int) -> None:
    """Its twin takes other polynomials, in bfloat16, so that the comparison is one of directions and lengths."""
    torch.manual_seed(0)
    ours = nn.Parameter(torch.randn(shape))
    theirs = [nn.Parameter(part.clone()) for part in ours.detach().chunk(blocks)]
    optimizer = GateMuon([ours], lr=0.02, weight_decay=0.1)
    twin = torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, momentum=0.95)
    before = ours.detach().clone()
    for _ in range(4):
        gradient = torch.randn(shape)
        ours.grad = gradient
        for part, grad in zip(theirs, gradient.chunk(blocks), strict=True):
            part.grad = grad.clone()
        optimizer.step()
        twin.step()
    moved, expected = ours.detach() - before, torch.cat([part.detach() for part in theirs]) - before
    assert torch.cosine_similarity(moved.flatten(), expected.flatten(), dim=0) > 0.97
    assert 0.8 < moved.norm() / expected.norm() < 1.25


@given(st.integers(1, 3000))
def test_blocks_divide_a_gate_and_are_neither_slow_nor_many(hidden_size: int) -> None:
    rows = block_rows(hidden_size)
    assert hidden_size % rows == 0
    assert rows == hidden_size or BLOCK_ROWS // 2 <= rows <= BLOCK_ROWS
    assert [block_rows(size) for size in (97, 300, 512, 521, 896)] == [97, 100, 128, 521, 128]


@pytest.mark.parametrize("shape", [(24, 24), (24, 8), (8, 24)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
@pytest.mark.parametrize("is_fast", [False, True])
def test_singular_values_come_near_one(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], scale: float, is_fast: bool
) -> None:
    monkeypatch.setattr(training.muon, "has_fast_bf16", lambda: is_fast)
    torch.manual_seed(1)
    size = min(shape)
    rows, columns = (torch.linalg.qr(torch.randn(4, side, size))[0] for side in shape)
    for values in (torch.linspace(1, 0.03, size), torch.tensor([1.0, *[0.02] * (size - 1)]), torch.ones(size)):
        update = orthogonalized(scale * (rows * values) @ columns.mT).float()
        found = torch.linalg.svdvals(update)
        assert found.min() > 0.6 and found.max() < 1.4
        assert torch.cosine_similarity(update.flatten(), (rows @ columns.mT).flatten(), dim=0) > 0.95


def test_a_gradient_of_zero_moves_nothing() -> None:
    parameter = nn.Parameter(torch.ones(8, 3))
    parameter.grad = torch.zeros(8, 3)
    GateMuon([parameter]).step()
    assert torch.equal(parameter.detach(), torch.ones(8, 3))


def test_the_gates_go_to_muon_and_the_rest_to_adamw() -> None:
    vocabulary = Vocabulary("abc")
    model = CharLSTM(CharLSTMConfig(3, 4, 8, 2), vocabulary)
    adamw, muon = new_optimizers(model, MUON)
    shapes = [tuple(value.shape) for value in muon.param_groups[0]["params"]]
    assert shapes == [(32, 4), (32, 8), (32, 8), (32, 8)]
    assert len(adamw.param_groups[0]["params"]) + 4 == len(list(model.parameters()))
    assert len(new_optimizers(model, RECIPE)) == 1
    assert is_gate_matrix("lstm.weight_hh_l1") and not is_gate_matrix("lstm.bias_hh_l1")
    assert not is_gate_matrix("head.weight")


def test_a_run_with_muon_learns_and_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path / "whole", recipe=MUON).finished
    history = record(tmp_path / "whole")["history"]
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    at_step(monkeypatch, 7, lambda: signal.raise_signal(signal.SIGTERM))
    assert not run(tmp_path / "broken", recipe=MUON).finished
    torch.rand(3)
    assert run(tmp_path / "broken", recipe=MUON, resume=True).finished
    assert_same_run(tmp_path / "broken", tmp_path / "whole")
