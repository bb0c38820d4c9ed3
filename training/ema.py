"""Exponential moving average of the weights: scores better than the last weights and varies less between steps."""

from __future__ import annotations

import copy

import torch

from hubcharlstm import CharLSTM
from hubcharlstm.torch_compat import lerp_all_


class WeightEMA:
    """An exponential moving average of the weights of `source` (Polyak & Juditsky 1992); `model` holds it.

    decay: the share of the average that remains at each step. The first steps decay faster; 0 copies the last weights.
    temperature: divides the logits of `model` (Guo et al. 2017), since a network that reads its text many times is
    overconfident. It is folded into the weights of the head.
    torch.optim.swa_utils has an average whose count is a tensor: a decay that depends on it synchronizes with the GPU.
    """

    def __init__(self, source: CharLSTM, decay: float, temperature: float = 1.0) -> None:
        self.source, self.decay, self.temperature = source, decay, temperature
        self.model = copy.deepcopy(source).eval().requires_grad_(False)
        self.update(0)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights as they are after `step` steps."""
        averaged = [weight.detach() for weight in self.model.parameters()]
        current = [
            weight.detach() / self.temperature if name.startswith("head.") else weight.detach()
            for name, weight in self.source.named_parameters()
        ]
        lerp_all_(averaged, current, 1 - min(self.decay, step / (step + 10)))
