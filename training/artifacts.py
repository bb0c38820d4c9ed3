"""What a run leaves behind: model folders with their record, samples and loss plot."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hubcharlstm import CharLSTM
from hubcharlstm.hub.model_folder import EPOCHS_IN_RUN, MODEL_IN_RUN
from hubcharlstm.inspection.cell_report import cell_report
from hubcharlstm.inspection.gates import gate_statistics
from hubcharlstm.inspection.ngram_filter import NgramFilter
from hubcharlstm.inspection.novelty import hash_lines
from training import checkpoint
from training.ancestry import hub_id
from training.checkpoint import Progress
from training.data.corpus import Corpus
from training.evaluation.memorization import bottom_k_sketch, copied_shares, filter_errors, known_words
from training.recipe import Recipe
from training.record import TEMPERATURE, loss_plot, make_record
from training.schedule import TrainSchedule

SAMPLE_TEMPERATURES, SAMPLE_CHARS = (0.2, 0.5, 0.8, 1.0), 400
COPYING_CHARS, COPYING_SAMPLES = 4000, 4
HELD_OUT_COPYING, HELD_OUT_INSPECTED = 100_000, 20_000
SHOWN_SAMPLE = 1
"""Of the samples, at temperature 0.5: whole words, and it does not repeat itself."""
HELD_OUT = "held_out"
WORDS_CHARS, WORDS_TEMPERATURES = 4000, (0.5, 0.8, 1.0)
PLOT_SECONDS = 10.0
"""How old the loss plot of the best weights may be while a run goes on: drawing it takes a third of a tiny run."""


def report_chars(train_chars: int) -> int:
    """Characters that `finish` writes for the record."""
    length = min(COPYING_CHARS, train_chars // 8) + len(WORDS_TEMPERATURES) * min(WORDS_CHARS, train_chars // 8)
    return len(SAMPLE_TEMPERATURES) * SAMPLE_CHARS + length


@dataclass(frozen=True)
class RunInfo:
    """Where a run is stored, how, and what its record says besides recipe, corpus and progress.

    num_processes: that train it. command: the command line, without paths of this machine. ancestors, teachers: see
    `ancestry`.
    """

    out: Path
    num_processes: int = 1
    dtype: str = "float32"
    command: str = ""
    keep_epochs: tuple[int, ...] = ()
    baselines: dict[str, Any] = field(default_factory=dict)
    ancestors: list[dict[str, Any]] = field(default_factory=list)
    teachers: list[dict[str, Any]] = field(default_factory=list)


class ModelArtifacts:
    """Writes the model folders of a run; `model` holds the weights to save."""

    def __init__(self, model: CharLSTM, corpus: Corpus, recipe: Recipe, schedule: TrainSchedule, info: RunInfo) -> None:
        self.model, self.corpus, self.recipe, self.schedule, self.info = model, corpus, recipe, schedule, info
        self._plot, self._plot_time = b"", -math.inf

    @property
    def best_folder(self) -> Path:
        """Holds the weights with the lowest held-out loss."""
        return self.info.out / MODEL_IN_RUN

    @property
    def prompt(self) -> str:
        """Of all samples."""
        generation = self.model.generation_config
        return generation.examples[0] if generation.examples else generation.start_text

    def sample(self, length: int, *, seed: int) -> str:
        """`length` characters that continue the prompt."""
        return self.model.generate(self.prompt, max_new_tokens=length, temperature=TEMPERATURE, seed=seed)

    def save_best(self, progress: Progress) -> None:
        """Save the weights as the best so far."""
        self.model.record = self.record(progress)
        if time.monotonic() - self._plot_time > PLOT_SECONDS:
            self._plot, self._plot_time = loss_plot(progress.history), time.monotonic()
        self._save(self.model, self.best_folder, self._plot)

    def save_epoch(self, progress: Progress, epoch: int) -> None:
        """Save the weights after a whole epoch, whether or not they are the best; follows an evaluation."""
        val_loss = progress.history[-1]["val_loss"]
        loss = {"val_loss": val_loss, "val_bpc": val_loss / math.log(2), "best_epoch": epoch}
        self.model.record = self.record(progress) | loss
        self._save(self.model, self.info.out / EPOCHS_IN_RUN / f"epoch-{epoch:02}", loss_plot(progress.history))

    def finish(self, progress: Progress, on_phase: Callable[[str], object] = lambda phase: None) -> None:
        """Complete the record of the best weights: samples, time-lapse, and how much they copy.

        on_phase: called with what begins now, in words.
        """
        best = CharLSTM.from_pretrained(self.best_folder, device="cpu")
        on_phase("Writing samples ...")
        best.record = self.record(progress) | {"samples": self._samples(best)}
        on_phase("Comparing what it writes with the training text ...")
        best.record["copying"] = self._copying(best)
        best.record["corpus"]["bottom_k_sketch"] = bottom_k_sketch(self.corpus.train)
        texts = self._texts_by_temperature(best)
        best.record["words"] = self._known_words(texts)
        best.ngrams = self._ngrams([text for name, text in texts.items() if name != HELD_OUT])
        if best.record["corpus"]["kind"] == "list":
            best.record["copied_lines"] = self._copied_lines(texts)
            if hashes := hash_lines(self.corpus.train[:].split("\n")):
                best.record["corpus"]["line_hashes"] = hashes
        on_phase("Naming cells ...")
        self._inspect(best)
        self._save(best, self.best_folder, loss_plot(progress.history))

    def _inspect(self, model: CharLSTM) -> None:
        """Name the cells on held-out text; the passage to show them on is a sample, for that is public anyway."""
        held_out, sample = self.corpus.held_out[:HELD_OUT_INSPECTED], model.record["samples"][SHOWN_SAMPLE]
        model.record["gates"] = gate_statistics(model, model.vocabulary, held_out).to_record()
        model.cells = cell_report(
            model, model.vocabulary, held_out, passage=sample["text"], start_text=sample["prompt"],
            fingerprint=model.fingerprint,
        )  # fmt: skip

    def record(self, progress: Progress) -> dict[str, Any]:
        """The record as far as it is known."""
        record = make_record(
            self.corpus,
            self.recipe,
            progress,
            parameters=self.model.config.num_parameters,
            prompt=self.prompt,
            command=self.info.command,
            device=self.model.head.weight.device,
        )
        last_epoch = progress.step // self.schedule.steps_per_epoch
        optional: dict[str, Any] = {
            "kept_epochs": [epoch for epoch in self.info.keep_epochs if epoch <= last_epoch],
            "baselines": self.info.baselines,
            "base_model": hub_id(self.info.ancestors),
            "ancestors": self.info.ancestors,
            "teachers": self.info.teachers,
            "num_processes": self.info.num_processes if self.recipe.local_sgd_steps else 0,
        }
        if progress.out_of_patience(self.recipe.patience):
            optional["ended_early"] = f"after {self.recipe.patience} evaluations without an improvement"
        return record | {name: value for name, value in optional.items() if value}

    def _save(self, model: CharLSTM, folder: Path, plot: bytes) -> None:
        with checkpoint.disk_errors(folder):
            model.save_pretrained(folder, dtype=self.info.dtype, extra_files={"loss.png": plot})

    def _samples(self, model: CharLSTM) -> list[dict[str, Any]]:
        return [
            {
                "prompt": self.prompt,
                "temperature": temperature,
                "seed": 7,
                "text": model.generate(self.prompt, max_new_tokens=SAMPLE_CHARS, temperature=temperature, seed=7),
            }
            for temperature in SAMPLE_TEMPERATURES
        ]

    def _copying(self, model: CharLSTM) -> dict[str, dict[str, float]]:
        """The shares of n-grams that occur in the training text, of samples and of the held-out text."""
        length = min(COPYING_CHARS, len(self.corpus.train) // 8) // COPYING_SAMPLES
        samples = [
            model.generate(max_new_tokens=max(1, length), temperature=TEMPERATURE, seed=seed)
            for seed in range(COPYING_SAMPLES)
        ]
        return {
            "sampled": copied_shares(samples, self.corpus.train),
            "held_out": copied_shares([self.corpus.held_out[:HELD_OUT_COPYING]], self.corpus.train),
        }

    def _ngrams(self, texts: list[str]) -> NgramFilter | None:
        """The filter of the training text, with how often it is wrong about `texts`, which the model wrote."""
        ngrams = NgramFilter.of(self.corpus.train)
        return ngrams and replace(ngrams, errors=filter_errors(ngrams, texts, self.corpus.train))

    def _texts_by_temperature(self, model: CharLSTM) -> dict[str, str]:
        """What it writes by temperature, and the held-out text."""
        length = max(1, min(WORDS_CHARS, len(self.corpus.train) // 8))
        texts = {
            f"{temperature:g}": model.generate(max_new_tokens=length, temperature=temperature, seed=1)
            for temperature in WORDS_TEMPERATURES
        }
        return texts | {HELD_OUT: self.corpus.held_out[:HELD_OUT_COPYING]}

    def _copied_lines(self, texts: dict[str, str]) -> dict[str, float]:
        """The shares of whole lines that occur in the training text; the last line of a text may be cut."""
        known = {line.strip() for line in self.corpus.train[:].split("\n")}
        lines = {name: [line.strip() for line in text.split("\n")[:-1] if line.strip()] for name, text in texts.items()}
        return {name: round(sum(line in known for line in some) / len(some), 4) for name, some in lines.items() if some}

    def _known_words(self, texts: dict[str, str]) -> dict[str, float]:
        """The shares of words that occur in the training text, of samples by temperature and of the held-out text."""
        shares = {name: known_words(text, self.corpus.train) for name, text in texts.items()}
        return {name: round(share, 4) for name, share in shares.items() if share is not None}
