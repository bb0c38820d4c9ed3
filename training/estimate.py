"""How long a run takes: steps, evaluations, samples and the report at its end, each timed in small on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from hubcharlstm import CharLSTMConfig
from hubcharlstm.decoding.decoder import Decoder
from hubcharlstm.decoding.devices import resolve_precision, seconds_per_step
from hubcharlstm.network import CharLSTMNetwork
from training.artifacts import report_chars
from training.data.corpus import Corpus
from training.evaluation.losses import carried_loss
from training.evaluation.memorization import bottom_k_sketch, copied_shares
from training.network import TrainingNetwork
from training.recipe import Recipe
from training.schedule import TrainSchedule

TIMED_STEPS, TIMED_CHARS, TIMED_HASHES = 4, 40_000, 200_000
OPTIMIZER = 1.1
"""A step with its optimizer against one without."""
EVALUATION_SAMPLE, SNAPSHOT_SAMPLE = 160, 200
"""Characters that are written at each of them."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of each part of a run."""

    steps: float
    evaluations: float
    samples: float
    report: float
    teachers: float

    @property
    def minutes(self) -> float:
        """Of the whole run."""
        return (self.steps + self.evaluations + self.samples + self.report + self.teachers) / 60


def estimate(
    config: CharLSTMConfig,
    recipe: Recipe,
    schedule: TrainSchedule,
    corpus: Corpus,
    teachers: Sequence[CharLSTMNetwork] = (),
) -> Estimate:
    """Extrapolated from a few steps of a network of the same shape on the CPU. teachers: they read the text once."""
    with torch.random.fork_rng():
        network = CharLSTMNetwork(config)
        step = seconds_per_window(config, recipe)
        draw = np.random.default_rng(0)
        held_out = min(len(corpus.held_out), TIMED_CHARS)
        ids = draw.integers(0, config.vocab_size, held_out + 1)
        per_scored = _seconds_per_scored(network, ids)
        per_taught = sum(_seconds_per_scored(teacher, ids % teacher.config.vocab_size) for teacher in teachers)
        decoder = Decoder(network, resolve_precision("auto", torch.device("cpu")))
        per_written = seconds_per_step(decoder) * 1.5  # sampling and text
    written = len(schedule.evaluation_steps) * EVALUATION_SAMPLE + len(schedule.snapshot_steps) * SNAPSHOT_SAMPLE
    return Estimate(
        steps=step * schedule.total_steps * OPTIMIZER,
        evaluations=per_scored * len(corpus.held_out) * len(schedule.evaluation_steps),
        samples=per_written * written,
        report=per_written * report_chars(len(corpus.train)) + hashing_seconds(corpus),
        teachers=per_taught * len(corpus.train),
    )


def _seconds_per_scored(network: CharLSTMNetwork, ids: NDArray[np.int64]) -> float:
    carried_loss(network, ids[: len(ids) // 8 + 2])  # the first call of a shape builds its primitive
    started = time.perf_counter()
    carried_loss(network, ids)
    return (time.perf_counter() - started) / (len(ids) - 1)


def seconds_per_window(config: CharLSTMConfig, recipe: Recipe) -> float:
    """Forward and backward of a whole batch in this process, on the CPU: the fastest of TIMED_STEPS."""
    with torch.random.fork_rng():
        return _seconds_per_window(CharLSTMNetwork(config), config, recipe)


def _seconds_per_window(network: CharLSTMNetwork, config: CharLSTMConfig, recipe: Recipe) -> float:
    training, state = TrainingNetwork(network, recipe.weight_drop), network.initial_state(recipe.batch_size)
    ids = torch.randint(config.vocab_size, (recipe.seq_len, recipe.batch_size))
    seconds = []
    for _ in range(TIMED_STEPS):
        started = time.perf_counter()
        logits, _ = training(ids, state)
        cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()  # type: ignore[no-untyped-call]  # Tensor.backward has no annotations
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def hashing_seconds(corpus: Corpus) -> float:
    """Of the comparison of samples with the training text at the end of a run."""
    part = corpus.train[:TIMED_HASHES]
    started = time.perf_counter()
    copied_shares([part[:1000]], part)
    bottom_k_sketch(part)
    held_out = 1  # it is compared like the samples
    return (time.perf_counter() - started) * (1 + held_out) * len(corpus.train) / max(1, len(part))
