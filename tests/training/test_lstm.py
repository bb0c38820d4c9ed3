"""The layer of training against PyTorch's own: the same outputs, states and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import training.lstm
from training.lstm import PackedLSTM, lstm


def both(steps: int, rows: int, inputs: int, size: int, dtype: torch.dtype | None) -> list[tuple[Tensor, Tensor]]:
    """Outputs, states and gradients by nn.LSTM and by PackedLSTM (or, without a dtype, by `lstm`)."""
    torch.manual_seed(steps + rows)
    twin = torch.nn.LSTM(inputs, size)
    x = torch.randn(steps, rows, inputs, requires_grad=True)
    h, c = (torch.randn(rows, size).mul(0.5).requires_grad_() for _ in range(2))
    leaves = [x, h, c, *twin.parameters()]
    towards = [torch.randn(steps, rows, size), torch.randn(rows, size), torch.randn(rows, size)]
    found = []
    for own in (False, True):
        if own:
            layer = (twin.weight_ih_l0, twin.weight_hh_l0, twin.bias_ih_l0 + twin.bias_hh_l0)
            results = PackedLSTM.apply(x, h, c, *layer, dtype) if dtype else lstm(x, h, c, layer)  # type: ignore[no-untyped-call]
        else:
            outputs, (last_h, last_c) = twin(x, (h[None], c[None]))
            results = outputs, last_h[0], last_c[0]
        loss = sum((result.float() * way).sum() for result, way in zip(results, towards, strict=True))
        found.append([result.detach().float() for result in results] + list(torch.autograd.grad(loss, leaves)))
    return list(zip(*found, strict=True))


def furthest(pairs: list[tuple[Tensor, Tensor]]) -> float:
    return max(float((ours - twin).norm() / twin.norm()) for twin, ours in pairs)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 11), st.integers(1, 5), st.integers(1, 9), st.integers(1, 40))
def test_in_float32_it_is_the_same_layer(steps: int, rows: int, inputs: int, size: int) -> None:
    assert furthest(both(steps, rows, inputs, size, torch.float32)) < 2e-5


def test_in_bfloat16_it_differs_by_the_rounding_of_its_products() -> None:
    assert furthest(both(40, 6, 32, 128, torch.bfloat16)) < 0.01  # 8 bits: 0.4% for each factor


def test_elsewhere_it_is_pytorch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.lstm, "has_fast_bf16", lambda: False)
    assert furthest(both(9, 3, 5, 16, None)) < 1e-5


def test_where_there_is_bfloat16_it_is_used_in_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.lstm, "has_fast_bf16", lambda: True)  # elsewhere by the public fallback
    layer = (torch.randn(32, 4), torch.randn(32, 8), torch.randn(32))
    x, h, c = torch.randn(3, 2, 4), torch.zeros(2, 8), torch.zeros(2, 8)
    assert lstm(x, h, c, layer)[0].dtype == torch.bfloat16
    with torch.no_grad():
        assert lstm(x, h, c, layer)[0].dtype == torch.float32


def test_the_same_window_gives_the_same_bits() -> None:
    """Runs that are resumed must end as if they had not been stopped."""
    first, second = (both(20, 6, 16, 96, torch.bfloat16) for _ in range(2))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
