"""A recipe laid over a text: steps, evaluations, snapshots, and the learning rate of each step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.recipe import Recipe

MAX_EVALUATIONS = 1000


@dataclass(frozen=True)
class TrainSchedule:
    """A recipe laid over a text.

    steps_per_epoch: windows that an epoch has, one step each. evaluate_at, time_lapse_at: the steps after which the
    run looks at the held-out text and takes a moment of its time-lapse.
    """

    steps_per_epoch: int
    total_steps: int
    evaluate_at: frozenset[int]
    snapshot_at: frozenset[int]

    @classmethod
    def of(cls, recipe: Recipe, train_chars: int) -> TrainSchedule:
        # One window fewer than fits, so that each epoch can begin at an offset of its own, of up to a window.
        stream_len = train_chars // recipe.batch_size
        assert stream_len > 2 * recipe.seq_len, "the recipe is fitted to the text first"
        steps_per_epoch = (stream_len - 1) // recipe.seq_len - 1
        wanted = recipe.chars / (steps_per_epoch * recipe.seq_len * recipe.batch_size)
        total = max(1, round(steps_per_epoch * min(wanted, recipe.max_epochs)))
        # A look after each epoch, more often in a run of few epochs, and never more than about MAX_LOOKS.
        every = max(1, min(steps_per_epoch, total // 8), total // MAX_EVALUATIONS)
        looks = [*range(every, total, every), total]
        moments = {round(total ** (n / 7)) for n in range(8)}  # log-spaced from the first batch to the last
        # From the first look on a moment waits for the nearest one, whose loss is known.
        steps = np.array(looks)
        moments = {m if m < looks[0] else looks[int(np.abs(steps - m).argmin())] for m in moments}
        return cls(steps_per_epoch, total, frozenset(looks), frozenset(moments))

    def offset(self, recipe: Recipe, epoch: int) -> int:
        """Where in its lane an epoch begins, drawn anew for each, so that windows are not cut at the same places."""
        return int(np.random.default_rng([recipe.seed, epoch]).integers(0, recipe.seq_len + 1))

    def learning_rate(self, recipe: Recipe, step: int) -> float:
        """The rate of step `step` (from 0): linear warm-up, then a cosine to a hundredth of the peak."""
        warm = max(1, round(recipe.warmup * self.total_steps))
        if step < warm:
            return recipe.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.total_steps - warm)
        return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
