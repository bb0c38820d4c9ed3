"""The training loop: optimizer steps, evaluations, snapshots, checkpoints."""

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

from training.artifacts import ModelArtifacts, report_chars
from training.bptt import TruncatedBPTT
from training.checkpoint import Progress
from training.evaluation.comparison import passed_line
from training.evaluation.losses import carried_loss
from training.record import TIME_LAPSE_SEED
from training.signals import stop_on_signal
from training.tracking import StatusFile, Tracker, write_metrics, write_snapshots

CHECKPOINT_SECONDS = 60.0
TIMED_SAMPLE = 50
HASHING_SECONDS = 0.7e-6
"""Of the report for each character of the training text, measured on two cores: n-grams of three lengths, a sketch."""
SNAPSHOT_CHARS = 20_000
"""Characters of the held-out text that a snapshot before the first evaluation is scored on."""


class TrainingError(ValueError):
    """The loss or the weights are not finite, or the loss has exploded."""


@dataclass(frozen=True)
class TrainResult:
    """The model folder with the best weights, their held-out loss, whether the run is finished, its evaluations."""

    model_folder: Path
    val_loss: float
    finished: bool
    history: tuple[dict[str, float], ...] = ()


class Trainer:
    """Runs the optimizer steps of `bptt`, and what is due between them: evaluations, snapshots, checkpoints.

    `progress` belongs to the trainer; `artifacts` reads it. held_out_ids: (N,) int64. deadline: monotonic seconds after
    which no step begins; the report follows.
    """

    def __init__(
        self,
        bptt: TruncatedBPTT,
        progress: Progress,
        held_out_ids: Tensor,
        artifacts: ModelArtifacts,
        *,
        tracker: Tracker | None = None,
        deadline: float | None = None,
    ) -> None:
        self.bptt, self.progress, self.held_out_ids, self.artifacts = bptt, progress, held_out_ids, artifacts
        self.tracker = tracker
        self.deadline = math.inf if deadline is None else deadline
        self.is_out_of_time = False
        self.status = StatusFile(artifacts.info.out)
        self.recipe, self.schedule, self.out = bptt.recipe, bptt.schedule, artifacts.info.out
        self.processes = bptt.processes
        self.is_main = self.processes.is_main
        self.loss_sum = torch.tensor(progress.loss_sum, device=bptt.accelerator.device)

    def run(self) -> TrainResult:
        """Train to the end, or until a signal stops the run; its checkpoint is saved in either case."""
        started = time.monotonic() - self.progress.seconds
        with stop_on_signal(patient=self.processes.count > 1) as stop, self._progress_bar() as bar:
            if self.progress.step == 0:
                self.save_checkpoint()  # so that a run can be resumed from its first step on
            last_saved = time.monotonic()
            stopping = unsaved = False
            with self.bptt.averaging(self.progress.step):
                while not self.ended and not stopping:
                    self.loss_sum += self.bptt.step(self.progress.step)
                    self.progress.loss_count += 1
                    self.progress.step += 1
                    bar.update()
                    self.progress.seconds = time.monotonic() - started
                    now = time.monotonic()
                    stopping, is_due, self.is_out_of_time = self.processes.any(
                        self.progress.step, stop.requested, now - last_saved > CHECKPOINT_SECONDS,
                        now >= self.deadline, every=self.bptt.agree_steps,
                    )  # fmt: skip
                    self._write_status("training")
                    unsaved = self._after_step(bar) or is_due or unsaved
                    if unsaved and self.bptt.has_equal_weights(self.progress.step):
                        self.save_checkpoint()
                        last_saved, unsaved = time.monotonic(), False
            finished = self.ended
            if unsaved or not finished:
                self.save_checkpoint()
            if finished and self.is_main:
                self._write_status("reporting")
                self.artifacts.finish(self.progress, lambda phase: print(phase, flush=True))
        if self.tracker:
            self.tracker.finish()
        history = tuple(self.progress.history)
        return TrainResult(self.artifacts.best_folder, self.progress.best_loss, finished, history)

    @property
    def ended(self) -> bool:
        """Whether the last step is done, or the patience or the time is used up."""
        is_last = self.progress.step >= self.schedule.total_steps
        return is_last or self.is_out_of_time or self.progress.out_of_patience(self.recipe.patience)

    def check_finite(self, loss_sum: Tensor) -> None:
        """Raise `TrainingError` unless loss and weights are finite and the loss has not exploded.

        Runs before anything that prints or saves them, on all processes, which raise it together.
        """
        weights = [parameter.detach() for parameter in self.bptt.model.parameters()]
        fault = "is not finite"
        finite = torch.isfinite(loss_sum) & torch.stack([torch.isfinite(weight).all() for weight in weights]).all()
        if bool(self.processes.mean(finite.float()) == 1):
            lowest = min((row["train_loss"] for row in self.progress.history), default=math.inf)
            mean = float(loss_sum) / max(1, self.progress.loss_count)
            if mean <= 2 * lowest + 1:
                return
            fault = f"exploded from {lowest:.2f} to {mean:.2f}"
        saved = f"; the best weights so far are in {self.artifacts.best_folder}" if self.progress.history else ""
        raise TrainingError(
            f"The training loss {fault} after step {self.progress.step}; expected it to fall: "
            f"start a new run with half the learning rate (--learning-rate {self.recipe.learning_rate / 2:g}){saved}."
        )

    def evaluate(self, train_loss: float, bar: Any) -> None:
        """Measure the held-out loss, save the weights if they are the best so far, and print a sample."""
        val_loss = self._held_out_loss(self.held_out_ids)
        self.check_finite(torch.tensor(val_loss * 0))  # the held-out loss may rise, but must be finite
        previous_best = self.progress.best_loss
        self.progress.history.append(
            {"chars": self.trained_chars, "epoch": round(self.progress.step / self.schedule.steps_per_epoch, 3),
             "train_loss": train_loss, "val_loss": val_loss, "seconds": round(self.progress.seconds, 1)}
        )  # fmt: skip
        if not self.is_main:
            return
        if val_loss < previous_best:
            self.artifacts.save_best(self.progress)
        write_metrics(self.out, self.progress.history)  # who sees a loss and stops the run has a model
        if self.tracker:
            rate = self.schedule.learning_rate(self.recipe, self.progress.step - 1)
            self.tracker.log(self.progress.history[-1] | {"learning_rate": rate}, self.progress.step)
        self._print_evaluation(previous_best, bar)

    def take_snapshot(self, *, evaluated: bool) -> None:
        """Append a snapshot to the time-lapse: all have the same prompt and seed."""
        if evaluated:
            val_loss = self.progress.history[-1]["val_loss"]
        else:
            val_loss = self._held_out_loss(self.held_out_ids[:SNAPSHOT_CHARS])
        if self.is_main:
            self.progress.time_lapse.append(
                {"characters_read": self.trained_chars, "minutes": round(self.progress.seconds / 60, 3),
                 "val_loss": val_loss, "text": self.artifacts.sample(200, seed=TIME_LAPSE_SEED)}
            )  # fmt: skip
            write_snapshots(self.out, self.artifacts.prompt, self.progress.time_lapse)

    def save_checkpoint(self) -> None:
        """Check and save the state of the run."""
        self._average_loss()
        self.check_finite(self.loss_sum)
        self.progress.loss_sum = float(self.loss_sum)
        self.progress.num_processes = self.processes.count
        self.bptt.save(self.out, self.progress)

    @property
    def trained_chars(self) -> int:
        """Characters trained on so far, each counted every time it was read."""
        return self.progress.step * self.recipe.batch_size * self.recipe.seq_len

    def _after_step(self, bar: Any) -> bool:
        """Evaluate, take a snapshot and save an epoch's weights where due; returns whether it evaluated."""
        step = self.progress.step
        is_snapshot = step in self.schedule.snapshot_steps
        epoch, rest = divmod(step, self.schedule.steps_per_epoch)
        is_saved_epoch = rest == 0 and epoch in self.artifacts.info.keep_epochs
        is_evaluation = is_saved_epoch or step in self.schedule.evaluation_steps or self.is_out_of_time
        if is_snapshot or is_evaluation:
            self._average_loss()
            self.check_finite(self.loss_sum)
            self.bptt.average_ema()
        if is_evaluation:
            self.evaluate(float(self.loss_sum) / self.progress.loss_count, bar)
            self.loss_sum.zero_()
            self.progress.loss_count = 0
        if is_snapshot or (is_evaluation and self.ended):
            self.take_snapshot(evaluated=is_evaluation)
        if is_saved_epoch and self.is_main:
            self.artifacts.save_epoch(self.progress, epoch)
        return is_evaluation

    def _average_loss(self) -> None:
        """Give every process the same sum of losses, of which each has that of its own rows."""
        self.loss_sum = self.processes.mean(self.loss_sum)

    def _held_out_loss(self, ids: Tensor) -> float:
        """Measured by the main process."""
        return self.processes.from_main(carried_loss(self.bptt.ema.model, ids) if self.is_main else math.nan)

    def _write_status(self, phase: str) -> None:
        if self.is_main:
            steps = {"step": self.progress.step, "total_steps": self.schedule.total_steps}
            self.status.write(phase, steps | {"seconds": round(self.progress.seconds, 1)})

    def _progress_bar(self) -> Any:
        is_quiet = not self.is_main or not sys.stderr.isatty()  # a log file gets the evaluations only
        return tqdm(
            total=self.schedule.total_steps, initial=self.progress.step, unit="window", disable=is_quiet,
            mininterval=0.5,
        )  # fmt: skip

    def _print_evaluation(self, previous_best: float, bar: Any) -> None:
        row, progress, total_steps = self.progress.history[-1], self.progress, self.schedule.total_steps
        val_loss, steps_per_epoch = row["val_loss"], self.schedule.steps_per_epoch
        sample = self.artifacts.prompt + self.artifacts.sample(160, seed=progress.step)
        bar.set_postfix_str(f"held-out {val_loss:.3f}")
        remaining = progress.seconds / progress.step * (total_steps - progress.step) + self.report_seconds()
        speed = self.trained_chars / max(1e-9, progress.seconds)
        passed = passed_line(
            self.artifacts.info.baselines, val_loss, previous_best, self.artifacts.model.config.vocab_size
        )
        passed = f"\n{passed}" if passed else ""
        bar.write(
            f"\n{portion(progress.step / steps_per_epoch, total_steps / steps_per_epoch)}, "
            f"{duration(remaining)} left  "
            f"train {row['train_loss']:.4f}  held-out {val_loss:.4f} nats per character"
            f"{' (best so far)' if val_loss < previous_best else ''}, {speed:,.0f} characters/s"
            f"{passed}\n{indent(sample)}",
            file=sys.stdout,
        )
        sys.stdout.flush()

    def report_seconds(self) -> float:
        """An estimate for the report after the last step, by the speed of the sample that was just written."""
        started = time.perf_counter()
        self.artifacts.sample(TIMED_SAMPLE, seed=0)
        per_written = (time.perf_counter() - started) / TIMED_SAMPLE
        corpus = self.artifacts.corpus
        return per_written * report_chars(len(corpus.train)) + HASHING_SECONDS * len(corpus.train)


def portion(epoch: float, epochs: float) -> str:
    """How far a run is, such as "epoch 1.2 of 6.4", or of a text that is read in part "2.5 of 5.0 % of the text"."""
    if epochs < 1:
        return f"{100 * epoch:.2g} of {100 * epochs:.2g} % of the text"
    return f"epoch {epoch:.1f} of {epochs:.1f}"


def indent(text: str) -> str:
    """`text` with four spaces before each line."""
    return "\n".join(f"    {line}" for line in text.rstrip().split("\n"))


def duration(seconds: float) -> str:
    """A time such as "5 s" or "2 min"."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
