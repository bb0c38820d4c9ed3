"""`fit --minutes`: a run that ends in a given time, with the start of the process and the report in it."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

import psutil

from training.data.corpus import Corpus
from training.estimate import Timings
from training.recipe import Recipe
from training.schedule import TrainSchedule

MIN_MINUTES = 0.25
COUNTING_SECONDS = 8e-6
"""Of the baselines for each character of the text, measured on two cores."""
RESERVE = 0.9
"""The share of the time that is planned: the machine may get slower, and then the deadline ends the run."""
MAX_ELAPSED = 120.0
"""Seconds from the start of a process to here, at most; with more, or below 0, the clock has been set meanwhile."""
MAX_ATTEMPTS = 12
MIN_STEPS = 30
"""Windows that are planned however slow the machine seems: what is too much, the deadline cuts off."""


@dataclass(frozen=True)
class TimeBudget:
    """minutes: of the whole run. end: in monotonic seconds."""

    minutes: float
    end: float

    @classmethod
    def of(cls, minutes: float) -> TimeBudget:
        """Counted from the start of this process; raises `ValueError` for a time in which nothing can be learned."""
        if not MIN_MINUTES <= minutes < math.inf:
            raise ValueError(
                f"--minutes is {minutes:g}; expected at least {MIN_MINUTES:g}, since the start and the report take "
                "some seconds: raise it."
            )
        elapsed = time.time() - psutil.Process().create_time()
        is_plausible = 0.0 <= elapsed <= MAX_ELAPSED
        return cls(minutes, time.monotonic() + 60 * minutes - (elapsed if is_plausible else 0.0))

    @property
    def remaining(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def plan(self, recipe: Recipe, timings: Timings, corpus: Corpus, *, given: Collection[str] = ()) -> Recipe:
        """`recipe`, which is not fitted to the text yet, with as many `max_train_chars` as the time allows.

        given: see `Recipe.fitted_to`.
        """
        train_chars = len(corpus.train)
        counting = COUNTING_SECONDS * (train_chars + len(corpus.held_out))
        available = RESERVE * (self.remaining - counting)
        for _ in range(MAX_ATTEMPTS):
            fitted, _ = recipe.fitted_to(train_chars, vocab_size=len(corpus.chars), given=given)
            schedule = TrainSchedule.of(fitted, train_chars)
            needed = timings.estimate(schedule, corpus)
            variable = needed.steps + needed.evaluations + needed.samples
            room = available - needed.report - needed.teachers
            if variable <= room or schedule.total_steps <= MIN_STEPS:
                break
            per_step = fitted.batch_size * fitted.seq_len
            share = min(0.97, max(0.05, room / variable))
            steps = max(MIN_STEPS, math.floor(schedule.total_steps * share))
            recipe = replace(recipe, max_train_chars=steps * per_step)
        return recipe

    def deadline(self, last_seconds: float) -> float:
        """Monotonic seconds after which no step may begin. last_seconds: of the last evaluation and the report."""
        return self.end - last_seconds
