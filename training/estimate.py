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
from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.cores import available_cores
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

CPU = torch.device("cpu")
TIMED_STEPS, TIMED_CHARS, TIMED_HASHES = 4, 40_000, 200_000
OPTIMIZER = 1.15
"""A step with its optimizer against one without."""
EVALUATION_SAMPLE, SNAPSHOT_SAMPLE = 160, 200
"""Characters that are written at each of them."""
EVALUATION_SECONDS = 0.4
"""Of an evaluation besides its loss and its sample: model folder, loss plot and checkpoint; measured on two cores."""
REPORT_SECONDS = 2.0
"""Of the report besides its samples and comparisons: loading the best weights, naming cells; likewise."""


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


@dataclass(frozen=True)
class Timings:
    """Seconds that parts of a run take here: a window, a scored, a written and a taught character, the comparisons."""

    window: float
    scored: float
    written: float
    taught: float
    hashing: float

    def estimate(self, schedule: TrainSchedule, corpus: Corpus) -> Estimate:
        """Of a run with this schedule."""
        num_evaluations = len(schedule.evaluation_steps)
        written = num_evaluations * EVALUATION_SAMPLE + len(schedule.snapshot_steps) * SNAPSHOT_SAMPLE
        return Estimate(
            steps=self.window * schedule.total_steps * OPTIMIZER,
            evaluations=num_evaluations * (self.scored * len(corpus.held_out) + EVALUATION_SECONDS),
            samples=self.written * written,
            report=self.written * report_chars(len(corpus.train)) + self.hashing + REPORT_SECONDS,
            teachers=self.taught * len(corpus.train),
        )


def measure(
    config: CharLSTMConfig, recipe: Recipe, corpus: Corpus, teachers: Sequence[CharLSTMNetwork] = ()
) -> Timings:
    """Time a few steps of a network of the same shape on the CPU. teachers: they read the text once."""
    with torch.random.fork_rng():
        network = CharLSTMNetwork(config)
        window = _seconds_per_window(network, config, recipe)
        draw = np.random.default_rng(0)
        held_out = min(len(corpus.held_out), TIMED_CHARS)
        ids = draw.integers(0, config.vocab_size, held_out + 1)
        scored = _seconds_per_scored(network, ids)
        taught = sum(_seconds_per_scored(teacher, ids % teacher.config.vocab_size) for teacher in teachers)
        decoder = Decoder(network, resolve_precision("auto", torch.device("cpu")))
        written = seconds_per_step(decoder) * 1.5  # sampling and text
    return Timings(window, scored, written, taught, hashing_seconds(corpus))


def _seconds_per_scored(network: CharLSTMNetwork, ids: NDArray[np.int64]) -> float:
    carried_loss(network, ids[: len(ids) // 8 + 2])  # the first call of a shape builds its primitive
    started = time.perf_counter()
    carried_loss(network, ids)
    return (time.perf_counter() - started) / (len(ids) - 1)


def seconds_per_window(config: CharLSTMConfig, recipe: Recipe, device: torch.device = CPU) -> float:
    """Forward and backward of the recipe's batch in this process: the fastest of TIMED_STEPS."""
    with torch.random.fork_rng():
        return _seconds_per_window(CharLSTMNetwork(config).to(device), config, recipe)


def seconds_alone(config: CharLSTMConfig, recipe: Recipe, device: torch.device) -> float:
    """`seconds_per_window` with all cores of this machine, of which a launcher gives each process a part."""
    num_threads = openmp.get_num_threads()
    openmp.set_num_threads(available_cores())
    try:
        return seconds_per_window(config, recipe, device)
    finally:
        openmp.set_num_threads(num_threads)
        openmp.release_thread_team()


def _seconds_per_window(network: CharLSTMNetwork, config: CharLSTMConfig, recipe: Recipe) -> float:
    training = TrainingNetwork(network, recipe.weight_drop, recipe.dropout_samples)
    state = network.initial_state(recipe.batch_size)
    ids = torch.randint(config.vocab_size, (recipe.seq_len, recipe.batch_size), device=state[0].device)
    seconds = []
    for _ in range(TIMED_STEPS):
        started = time.perf_counter()
        logits, _ = training(ids, state)
        cross_entropy(logits.flatten(0, 2), ids.expand(len(logits), -1, -1).flatten()).backward()  # type: ignore[no-untyped-call]  # Tensor.backward has no annotations
        network.head.bias.sum().item()  # waits for the device
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
