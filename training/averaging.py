"""Weights averaged along a run: better than its last ones, and steady from look to look."""

from __future__ import annotations

import copy

import torch

from hubcharlstm import CharLSTM


class Average:
    """An exponential moving average of a model's weights (Polyak & Juditsky 1992); `model` holds it.

    decay: the share that stays at each step; the first steps are forgotten faster. With 0 it is the model itself.
    torch.optim.swa_utils has one too, whose count lies in a tensor: a decay that depends on it waits for the GPU.
    """

    def __init__(self, of: CharLSTM, decay: float) -> None:
        self.of, self.decay = of, decay
        self.model = copy.deepcopy(of).eval().requires_grad_(False) if decay else of

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as they are after `step` steps."""
        if self.decay:
            stays = min(self.decay, step / (step + 10))
            mine, theirs = ([weight.detach() for weight in m.parameters()] for m in (self.model, self.of))
            torch._foreach_lerp_(mine, theirs, 1 - stays)
