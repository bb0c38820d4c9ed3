"""Weights averaged along a run: better than its last ones, and steady from look to look."""

from __future__ import annotations

import copy

import torch

from hubcharlstm import CharLSTM
from hubcharlstm.torch_compat import lerp_all_


class WeightEMA:
    """An exponential moving average of a model's weights (Polyak & Juditsky 1992); `model` holds it.

    decay: the share that stays at each step; the first steps are forgotten faster, and 0 keeps the last weights.
    temperature: divides the logits of `model` (Guo et al. 2017), for a network that has read its text many times is
    surer of itself than it should be; it stands in the head's weights.
    torch.optim.swa_utils has an average whose count lies in a tensor: a decay that depends on it waits for the GPU.
    """

    def __init__(self, of: CharLSTM, decay: float, temperature: float = 1.0) -> None:
        self.of, self.decay, self.temperature = of, decay, temperature
        self.model = copy.deepcopy(of).eval().requires_grad_(False)
        self.update(0)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as they are after `step` steps."""
        mine = [weight.detach() for weight in self.model.parameters()]
        theirs = [
            weight.detach() / self.temperature if name.startswith("head.") else weight.detach()
            for name, weight in self.of.named_parameters()
        ]
        lerp_all_(mine, theirs, 1 - min(self.decay, step / (step + 10)))
