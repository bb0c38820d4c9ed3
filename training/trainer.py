"""A run from its first step to its last: looked at, shown, kept and resumable."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from hubcharlstm import CharLSTM
from hubcharlstm.hub.model_folder import EPOCHS_IN_RUN, MODEL_IN_RUN
from training import checkpoint
from training.bptt import TruncatedBPTT
from training.checkpoint import Progress
from training.data.corpus import Corpus
from training.evaluation.baselines import KNESER_NEY
from training.evaluation.losses import carried_loss
from training.evaluation.memorization import copied_shares, known_words, sketch
from training.recipe import Recipe
from training.record import TEMPERATURE, TIME_LAPSE_SEED, loss_plot, make_record
from training.schedule import TrainSchedule
from training.signals import asked_to_stop
from training.tracking import Tracker, write_metrics

CHECKPOINT_SECONDS = 60.0
SAMPLE_TEMPERATURES = (0.2, 0.5, 0.8, 1.0)
SNAPSHOT_CHARS = 20_000
"""Of the held-out text, on which a moment of the time-lapse is measured that comes before the first look."""
COPYING_CHARS, COPYING_SAMPLES = 4000, 4
HELD_OUT_COPYING = 100_000
WORDS_CHARS, WORDS_TEMPERATURES = 4000, (0.5, 0.8, 1.0)


class TrainingError(ValueError):
    """The run cannot go on."""


@dataclass(frozen=True)
class TrainResult:
    """The model folder with the best weights, their held-out loss, and whether the run came to its end."""

    model_folder: Path
    val_loss: float
    finished: bool


@dataclass
class Trainer:
    """One run under way: the loop's steps, and between them what is looked at, shown and kept."""

    corpus: Corpus
    recipe: Recipe
    plan: TrainSchedule
    out: Path
    dtype: str
    command: str
    loop: TruncatedBPTT
    progress: Progress
    held_out_ids: Tensor
    keep_epochs: list[int]
    baselines: dict[str, Any]
    base_model: str | None
    tracker: Tracker | None = None

    def run(self) -> TrainResult:
        total, main = self.plan.total_steps, self.loop.accelerator.is_main_process
        started = time.monotonic() - self.progress.seconds
        losses = torch.tensor(self.progress.loss_sum, device=self.loop.accelerator.device)
        folder = self.out / MODEL_IN_RUN
        quiet = not main or not sys.stderr.isatty()  # a log file gets the looks alone
        with (
            asked_to_stop() as asked,
            tqdm(total=total, initial=self.progress.step, unit="window", disable=quiet, mininterval=0.5) as bar,
        ):
            if self.progress.step == 0:
                self.save_checkpoint(losses)  # so that a run can be resumed from its first moment on
            last_saved = time.monotonic()
            while not self.ended and not asked:
                losses += self.loop.step(self.progress.step)
                self.progress.loss_count += 1
                self.progress.step += 1
                bar.update()
                self.progress.seconds = time.monotonic() - started
                moment = self.progress.step in self.plan.snapshot_at
                epoch, rest = divmod(self.progress.step, self.plan.steps_per_epoch)
                kept = rest == 0 and epoch in self.keep_epochs
                look = kept or self.progress.step in self.plan.evaluate_at
                if moment or look:
                    self.check_sound(losses)
                if look:
                    self.look(float(losses) / self.progress.loss_count, bar)
                    losses.zero_()
                    self.progress.loss_count = 0
                if moment or (look and self.ended):
                    self.take_snapshot(look=look)
                if kept and main:
                    self.keep_epoch(epoch)
                if look or time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                    self.save_checkpoint(losses)
                    last_saved = time.monotonic()
            finished = self.ended
            if not finished:
                self.save_checkpoint(losses)
            elif main:
                self.finish(folder)
        if self.tracker:
            self.tracker.finish()
        return TrainResult(folder, self.progress.best_loss, finished)

    @property
    def model(self) -> CharLSTM:
        """The model to look at and to keep: the average of the one that is trained."""
        return self.loop.average.model

    @property
    def ended(self) -> bool:
        """At its last step, or after as many looks without gain as its patience has."""
        return self.progress.step >= self.plan.total_steps or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        losses = [row["val_loss"] for row in self.progress.history]
        return (
            bool(self.recipe.patience and losses)
            and len(losses) - 1 - losses.index(min(losses)) >= self.recipe.patience
        )

    def check_sound(self, losses: Tensor) -> None:
        """Raise `TrainingError` unless loss and weights are numbers and the loss has not exploded.

        Comes before all that shows or keeps them.
        """
        weights = [parameter.detach() for parameter in self.loop.model.parameters()]
        told = "is no finite number any more"
        if bool(torch.isfinite(losses)) and all(bool(torch.isfinite(weight).all()) for weight in weights):
            least = min((row["train_loss"] for row in self.progress.history), default=math.inf)
            mean = float(losses) / max(1, self.progress.loss_count)
            if mean <= 2 * least + 1:
                return
            told = f"exploded from {least:.2f} to {mean:.2f}"
        kept = f"; the best weights so far are kept in {self.out / MODEL_IN_RUN}" if self.progress.history else ""
        raise TrainingError(
            f"The training loss {told} after step {self.progress.step}; expected it to fall: "
            f"start a new run with half the learning rate (--learning-rate {self.recipe.learning_rate / 2:g}){kept}."
        )

    def look(self, train_loss: float, bar: Any) -> None:
        """Measure the held-out loss, keep the weights if they are the best so far, and show a sample."""
        val_loss = carried_loss(self.model, self.held_out_ids)
        self.check_sound(torch.tensor(val_loss * 0))  # of the held-out loss all that matters is that it is a number
        best = val_loss < self.progress.best_loss
        chars = self.progress.step * self.recipe.batch_size * self.recipe.seq_len
        epoch = self.progress.step / self.plan.steps_per_epoch
        beaten = self.number_to_beat is not None and val_loss < self.number_to_beat <= self.progress.best_loss
        self.progress.history.append(
            {"chars": chars, "epoch": round(epoch, 3), "train_loss": train_loss, "val_loss": val_loss,
             "seconds": round(self.progress.seconds, 1)}
        )  # fmt: skip
        if not self.loop.accelerator.is_main_process:
            return
        rate = self.plan.learning_rate(self.recipe, self.progress.step - 1)
        write_metrics(self.out, self.progress.history)
        if self.tracker:
            self.tracker.log(self.progress.history[-1] | {"learning_rate": rate}, self.progress.step)
        if best:
            self.model.record = self.record()
            self.save_model(self.model, self.out / MODEL_IN_RUN)
        prompt, sample = self.sample(160, seed=self.progress.step)
        bar.set_postfix_str(f"held-out {val_loss:.3f}")
        left = self.progress.seconds / self.progress.step * (self.plan.total_steps - self.progress.step)
        bar.write(
            f"\nepoch {epoch:.1f} of {self.plan.total_steps / self.plan.steps_per_epoch:.1f}, {duration(left)} left  "
            f"train {train_loss:.4f}  held-out {val_loss:.4f} nats per character"
            f"{' (best so far)' if best else ''}, {self.chars_per_second:,.0f} characters/s"
            f"{self.beaten_line if beaten else ''}\n{indent(prompt + sample)}",
            file=sys.stdout,
        )
        sys.stdout.flush()

    @property
    def number_to_beat(self) -> float | None:
        return self.baselines[KNESER_NEY]["nats"] if KNESER_NEY in self.baselines else None

    @property
    def beaten_line(self) -> str:
        return f"\nIt has passed the number to beat: {self.number_to_beat:.4f}, {KNESER_NEY}."

    @property
    def chars_per_second(self) -> float:
        return self.progress.step * self.recipe.batch_size * self.recipe.seq_len / max(1e-9, self.progress.seconds)

    def keep_epoch(self, epoch: int) -> None:
        """Keep the weights as they are after a whole epoch, whether or not they are the best; comes after its look."""
        val_loss = self.progress.history[-1]["val_loss"]
        loss = {"val_loss": val_loss, "val_bpc": val_loss / math.log(2), "best_epoch": epoch}
        self.model.record = self.record() | loss
        self.save_model(self.model, self.out / EPOCHS_IN_RUN / f"epoch-{epoch:02}")

    def take_snapshot(self, *, look: bool) -> None:
        """One more moment of the time-lapse: the same prompt and seed as at the others."""
        if look:
            val_loss = self.progress.history[-1]["val_loss"]
        else:
            val_loss = carried_loss(self.model, self.held_out_ids[:SNAPSHOT_CHARS])
        if self.loop.accelerator.is_main_process:
            _, text = self.sample(200, seed=TIME_LAPSE_SEED)
            chars = self.progress.step * self.recipe.batch_size * self.recipe.seq_len
            minutes = round(self.progress.seconds / 60, 3)
            self.progress.time_lapse.append(
                {"characters_read": chars, "minutes": minutes, "val_loss": val_loss, "text": text}
            )

    def sample(self, length: int, *, seed: int) -> tuple[str, str]:
        prompt = self.prompt
        return prompt, self.model.generate(prompt, max_new_tokens=length, temperature=TEMPERATURE, seed=seed)

    @property
    def prompt(self) -> str:
        examples = self.model.generation_config.examples
        return examples[0] if examples else self.model.generation_config.start_text

    def save_checkpoint(self, losses: Tensor) -> None:
        self.check_sound(losses)
        self.progress.loss_sum = float(losses)
        if self.loop.accelerator.is_main_process:
            self.loop.save(self.out, self.progress)

    def save_model(self, model: CharLSTM, folder: Path) -> None:
        with checkpoint.disk_errors(folder):
            model.save_pretrained(folder, dtype=self.dtype, extra_files={"loss.png": loss_plot(self.progress.history)})

    def finish(self, folder: Path) -> None:
        """Give the model with the best weights its whole record: samples, time-lapse, what it copies."""
        best = CharLSTM.from_pretrained(folder, device="cpu")
        length = min(COPYING_CHARS, len(self.loop.ids) // 8) // COPYING_SAMPLES
        written = [
            best.generate(max_new_tokens=max(1, length), temperature=TEMPERATURE, seed=seed)
            for seed in range(COPYING_SAMPLES)
        ]
        best.record = self.record() | {
            "samples": [
                {
                    "prompt": self.prompt,
                    "temperature": temperature,
                    "seed": 7,
                    "text": best.generate(self.prompt, max_new_tokens=400, temperature=temperature, seed=7),
                }
                for temperature in SAMPLE_TEMPERATURES
            ],
            "copying": {
                "sampled": copied_shares(written, self.corpus.train),
                "held_out": copied_shares([self.corpus.held_out[:HELD_OUT_COPYING]], self.corpus.train),
            },
        }
        best.record["corpus"]["sketch"] = sketch(self.corpus.train)
        best.record["words"] = self.real_words(best)
        self.save_model(best, folder)

    def real_words(self, model: CharLSTM) -> dict[str, float]:
        """The share of words that occur in the training text: of what is written at some temperatures, and held out."""
        length = max(1, min(WORDS_CHARS, len(self.loop.ids) // 8))
        texts = {
            f"{temperature:g}": model.generate(max_new_tokens=length, temperature=temperature, seed=1)
            for temperature in WORDS_TEMPERATURES
        }
        texts["held_out"] = self.corpus.held_out[:HELD_OUT_COPYING]
        shares = {name: known_words(text, self.corpus.train) for name, text in texts.items()}
        return {name: round(share, 4) for name, share in shares.items() if share is not None}

    def record(self) -> dict[str, Any]:
        kept = [epoch for epoch in self.keep_epochs if epoch * self.plan.steps_per_epoch <= self.progress.step]
        record = make_record(
            self.corpus,
            self.recipe,
            self.progress,
            parameters=self.model.config.num_parameters,
            prompt=self.prompt,
            command=self.command,
            device=self.loop.accelerator.device,
        )
        told = {"kept_epochs": kept, "baselines": self.baselines, "base_model": self.base_model}
        if self.out_of_patience:
            told["ended_early"] = f"after {self.recipe.patience} looks without gain"
        return record | {key: value for key, value in told.items() if value}


def indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().split("\n"))


def duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
