"""Muon for the matrices of an LSTM: momentum whose singular values are equalized in blocks of a gate (Jordan 2024)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

from hubcharlstm.torch_compat import has_fast_bf16

NUM_GATES = 4
BLOCK_ROWS = 128
"""Of a gate that are orthogonalized together. Of 512 rows at once the products would cost five times as much, and each
step would gain less: the same number of characters ends 0.017 nats higher (benchmarks/RESULTS.md)."""
POLYNOMIALS = ((7.9505, -22.3182, 15.8474), (3.6101, -2.6042, 0.4927), (2.7135, -1.9648, 0.4289))
"""a x + b x^3 + c x^5, one after the other: each is nearest to 1 on what the one before makes of [0.01, 1], and on 2 %
more for what bfloat16 rounds, so that all singular values in there end between 0.69 and 1.31 (Amsel et al. 2025).
Jordan's single one takes five steps for that."""
EPSILON = 1e-7


def is_gate_matrix(name: str) -> bool:
    """Whether a parameter holds the weights of the four gates: `lstm.weight_ih_l0`, `lstm.weight_hh_l0`, ..."""
    return "lstm.weight_" in name


def block_rows(hidden_size: int) -> int:
    """Rows of the blocks of a gate with `hidden_size` rows: the largest divisor of it up to BLOCK_ROWS.

    All of them if the divisors are few, as of a prime number, so that no block has less than a half of BLOCK_ROWS.
    """
    rows = max(rows for rows in range(1, min(BLOCK_ROWS, hidden_size) + 1) if hidden_size % rows == 0)
    return rows if 2 * rows >= BLOCK_ROWS else hidden_size


class GateMuon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalized for blocks of rows of each of the four gates of a parameter (4H, K).

    lr: multiplied by max(1, R / K) ** 0.5 for blocks of R rows. weight_decay: decoupled. The same as `torch.optim.Muon`
    on each block by itself (see `block_rows`), whose products are taken in one batch here, in bfloat16 where the device
    is fast at it.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One update of every parameter that has a gradient; a closure is not called, for there is one gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        gradient, buffer, momentum = parameter.grad, state["momentum_buffer"], group["momentum"]
        assert gradient is not None
        buffer.lerp_(gradient, 1 - momentum)
        rows, columns = block_rows(len(gradient) // NUM_GATES), gradient.shape[1]
        blocks = gradient.lerp(buffer, momentum).view(-1, rows, columns)  # (4 H / R, R, K)
        update = orthogonalized(blocks).flatten(0, 1).to(parameter.dtype)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))


def orthogonalized(matrices: Tensor) -> Tensor:
    """(B, M, N) -> each U S' V^T of its U S V^T, with S' between 0.69 and 1.31, by Newton-Schulz iterations.

    The largest singular value is bounded by the fourth root of the sum of their fourth powers, which the first product
    has; by the Frobenius norm the smaller ones of 512 would start far below 0.01.
    """
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.to(_dtype(matrices.device))
    x = x.mT if is_tall else x
    x = x / x.flatten(1).norm(dim=1).clamp(min=EPSILON)[:, None, None]
    for step, (a, b, c) in enumerate(POLYNOMIALS):
        gram = x @ x.mT
        if step == 0:
            bound = gram.flatten(1).norm(dim=1, dtype=torch.float32).sqrt().clamp(min=EPSILON)[:, None, None]
            x, gram = x / bound.to(x.dtype), gram / bound.square().to(x.dtype)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


def _dtype(device: torch.device) -> torch.dtype:
    fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else has_fast_bf16()
    return torch.bfloat16 if fast else torch.float32
