"""A recipe applied to a text: optimizer steps, evaluations, snapshots, and the learning rate of each step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from training.recipe import Recipe

MAX_EVALUATIONS = 1000
NUM_SNAPSHOTS = 8


@dataclass(frozen=True)
class TrainSchedule:
    """The steps of a run.

    steps_per_epoch: windows in an epoch, one optimizer step each. evaluation_steps: the steps after which the held-out
    loss is measured. snapshot_steps: the steps after which a snapshot of the time-lapse is taken.
    """

    steps_per_epoch: int
    total_steps: int
    evaluation_steps: frozenset[int]
    snapshot_steps: frozenset[int]

    @classmethod
    def of(cls, recipe: Recipe, train_chars: int) -> TrainSchedule:
        """The schedule of a recipe that `Recipe.fitted_to` has fitted to a text of `train_chars` characters."""
        # One window fewer than fits, so that each epoch can start at its own offset of up to one window.
        row_len = train_chars // recipe.batch_size
        assert row_len > 2 * recipe.seq_len, "the recipe is fitted to the text first"
        steps_per_epoch = (row_len - 1) // recipe.seq_len - 1
        wanted = recipe.max_train_chars / (steps_per_epoch * recipe.seq_len * recipe.batch_size)
        total = max(1, round(steps_per_epoch * min(wanted, recipe.max_epochs)))
        # An evaluation after each epoch, more often in a run of few epochs, and at most about MAX_EVALUATIONS.
        every = max(1, min(steps_per_epoch, total // 8), total // MAX_EVALUATIONS)
        evaluations = [*range(every, total, every), total]
        return cls(steps_per_epoch, total, frozenset(evaluations), _snapshot_steps(total, evaluations))

    def offset(self, recipe: Recipe, epoch: int) -> int:
        """Where in its batch row an epoch starts, drawn for each epoch, so that windows are cut at other places."""
        return int(np.random.default_rng([recipe.seed, epoch]).integers(0, recipe.seq_len + 1))

    def learning_rate(self, recipe: Recipe, step: int) -> float:
        """The rate of step `step` (from 0)."""
        return recipe.learning_rate * self.rate_factor(recipe, step)

    def rate_factor(self, recipe: Recipe, step: int) -> float:
        """The share of the peak at step `step` (from 0): linear warm-up, then a cosine to a hundredth."""
        warm = max(1, round(recipe.warmup * self.total_steps))
        if step < warm:
            return (step + 1) / warm
        progress = (step - warm) / max(1, self.total_steps - warm)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))


def _snapshot_steps(total: int, evaluations: list[int]) -> frozenset[int]:
    """Log-spaced from the first step to the last; after the first evaluation, moved to the nearest one."""
    steps = np.array(evaluations)
    log_spaced = {round(total ** (n / (NUM_SNAPSHOTS - 1))) for n in range(NUM_SNAPSHOTS)}
    return frozenset(
        step if step < evaluations[0] else evaluations[int(np.abs(steps - step).argmin())] for step in log_spaced
    )
