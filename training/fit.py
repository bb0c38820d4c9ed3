"""Train a character LSTM: contiguous lanes with carried state, in a loop on Hugging Face Accelerate."""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.folder import EPOCHS_IN_RUN, MODEL_IN_RUN, STORED_DTYPES
from hubcharlstm.network import State
from training import checkpoint
from training.baselines import KNESER_NEY
from training.checkpoint import Progress
from training.copying import copied_shares, sketch
from training.corpus import Corpus
from training.evaluate import carried_loss
from training.ids import TrainIds, code_points, table_of
from training.recipe import GREEDY, Plan, Recipe
from training.record import TEMPERATURE, TIME_LAPSE_SEED, loss_plot, make_record
from training.warm_start import Base
from training.watching import Tracker, locked, write_metrics

SETTINGS = "run.json"
CHECKPOINT_SECONDS = 60.0
SAMPLE_TEMPERATURES = (0.2, 0.5, 0.8, 1.0)
MAX_PARAMETERS = 2**31
MOMENT_CHARS = 20_000
"""Of the held-out text, on which a moment of the time-lapse is measured that comes before the first look."""
COPYING_CHARS, COPYING_SAMPLES = 4000, 4
HELD_OUT_COPYING = 100_000


class TrainingError(ValueError):
    """The run cannot go on."""


@dataclass(frozen=True)
class Outcome:
    """The model folder with the best weights, their held-out loss, and whether the run came to its end."""

    model_folder: Path
    val_loss: float
    finished: bool


def fit(
    corpus: Corpus,
    recipe: Recipe,
    generation: GenerationConfig,
    out: Path,
    *,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    dtype: str = "float32",
    keep_epochs: Collection[int] = (),
    baselines: Mapping[str, Any] | None = None,
    base: Base | None = None,
    tracker: str | None = None,
) -> Outcome:
    """Train on `corpus.train` and keep the weights best on `corpus.held_out` in `out`/model.

    recipe: one that `Recipe.fitted_to` has fitted to the text. settings: what `resume` needs to find the corpus
    again, and the "command" that began the run; written to `out`/run.json. keep_epochs: epochs, counted from 1,
    whose last weights are kept too, in `out`/epochs/epoch-01 and so on. baselines: for the record, and the number
    to beat. base: whose weights to begin with. tracker: "trackio" logs the metrics there, too.
    Ctrl-C and SIGTERM save a checkpoint and return. Raises `ValueError` (`TrainingError` for a loss that is not
    finite or that explodes).
    """
    settings = settings or {}
    if dtype not in STORED_DTYPES:
        raise ValueError(f"dtype is {dtype!r}; expected one of {', '.join(STORED_DTYPES)}: pick one.")
    accelerator = new_accelerator()
    torch.manual_seed(recipe.seed)
    vocabulary = vocabulary_of(corpus, recipe, base)
    plan = Plan.of(recipe, len(corpus.train))
    whole_epochs = plan.total_steps // plan.steps_per_epoch
    if wrong := [epoch for epoch in keep_epochs if not 1 <= epoch <= whole_epochs]:
        raise ValueError(
            f"The epoch {wrong[0]} is to be kept; expected 1 to {whole_epochs}, for the run reads its text "
            f"{plan.total_steps / plan.steps_per_epoch:.1f} times: name an earlier one, or read more with --chars."
        )
    config = config_of(recipe, vocabulary)
    if recipe.preset in GREEDY:
        generation = replace(generation, temperature=0.0)
    model = CharLSTM(config, vocabulary, generation_config=generation)
    model.reset_for_training()
    if base is not None and not resume:
        base.copy_into(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    network, optimizer = accelerator.prepare(model, optimizer)
    if resume:
        state, progress = checkpoint.load(out, network=model, optimizer=optimizer, device=accelerator.device)
    else:
        state, progress = model.initial_state(recipe.batch_size), Progress()
        if accelerator.is_main_process:
            out.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)  # weights that fade to denormals would make every product slow
    try:
        with locked(out) if accelerator.is_main_process else nullcontext():
            if accelerator.is_main_process and not resume:
                _write_settings(out, settings)
            run = _Run(
                corpus, recipe, plan, out, dtype, settings.get("command", ""),
                accelerator, model, network, optimizer, state, progress,
                train_ids=TrainIds(corpus.train, vocabulary), held_out_ids=encode(corpus.held_out, vocabulary),
                keep_epochs=sorted(set(keep_epochs)), baselines=dict(baselines or {}),
                base_model=base.name if base else None,
            )  # fmt: skip
            if tracker and accelerator.is_main_process:
                run.tracker = Tracker(tracker, out, recipe.to_dict(), resume=resume)
            return run.run()
    finally:
        torch.set_flush_denormal(False)


def new_accelerator() -> Accelerator:
    """On a GPU that has them, bf16 products and TF32 sums; on a CPU bf16 is slower."""
    fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    if fast:
        torch.set_float32_matmul_precision("high")
    return Accelerator(mixed_precision="bf16" if fast else "no")


def vocabulary_of(corpus: Corpus, recipe: Recipe, base: Base | None = None) -> Vocabulary:
    if base is not None:
        return base.vocabulary(corpus.chars, lowercase=recipe.lowercase)
    return Vocabulary(corpus.chars, lowercase=recipe.lowercase)


def config_of(recipe: Recipe, vocabulary: Vocabulary) -> CharLSTMConfig:
    """The network's sizes; raises `ValueError` if it cannot be built."""
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    config = CharLSTMConfig(vocab_size=len(vocabulary), **sizes)
    if config.num_parameters > MAX_PARAMETERS:
        raise ValueError(
            f"The model would have {config.num_parameters:,} weights; expected at most {MAX_PARAMETERS:,}: choose a "
            "smaller hidden_size."
        )
    return config


def encode(text: str, vocabulary: Vocabulary) -> Tensor:
    """Ids (N,) int64 of a text whose every character the vocabulary has."""
    return torch.from_numpy(table_of(vocabulary.chars)[code_points(text)])


def _write_settings(out: Path, settings: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / f".{SETTINGS}.new"
    unfinished.write_text(json.dumps(settings, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    unfinished.replace(out / SETTINGS)


@dataclass
class _Run:
    """One run under way. `model` is the module itself, `network` what Accelerate made of it."""

    corpus: Corpus
    recipe: Recipe
    plan: Plan
    out: Path
    dtype: str
    command: str
    accelerator: Accelerator
    model: CharLSTM
    network: Any
    optimizer: Any
    state: State
    progress: Progress
    train_ids: TrainIds
    held_out_ids: Tensor
    keep_epochs: list[int]
    baselines: dict[str, Any]
    base_model: str | None
    tracker: Tracker | None = None

    def run(self) -> Outcome:
        total, main = self.plan.total_steps, self.accelerator.is_main_process
        started = time.monotonic() - self.progress.seconds
        losses = torch.tensor(self.progress.loss_sum, device=self.accelerator.device)
        folder = self.out / MODEL_IN_RUN
        quiet = not main or not sys.stderr.isatty()  # a log file gets the looks alone
        with (
            _ask_to_stop() as asked,
            tqdm(total=total, initial=self.progress.step, unit="window", disable=quiet, mininterval=0.5) as bar,
        ):
            if self.progress.step == 0:
                self.save_checkpoint(losses)  # so that a run can be resumed from its first moment on
            last_saved = time.monotonic()
            while not self.ended and not asked:
                losses += self.train_window(self.progress.step)
                self.progress.loss_count += 1
                self.progress.step += 1
                bar.update()
                self.progress.seconds = time.monotonic() - started
                moment = self.progress.step in self.plan.time_lapse_at
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
                    self.take_moment(look=look)
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
        return Outcome(folder, self.progress.best_loss, finished)

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

    def train_window(self, step: int) -> Tensor:
        """One step of truncated BPTT; returns its mean loss, a scalar that stays on the device."""
        epoch, window = divmod(step, self.plan.steps_per_epoch)
        self.start_cold(step, everywhere=window == 0)
        inputs, targets = self.window(epoch, window)
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate(self.recipe, step)
        self.network.train()
        logits, (h, c) = self.network(inputs, self.state)
        self.state = (h.detach(), c.detach())
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def start_cold(self, step: int, *, everywhere: bool) -> None:
        """Put the state of some lanes back to zero, as it is when a text begins.

        With states carried from epoch to epoch a network hardly ever sees a zero state and writes garbage from it.
        """
        draws = np.random.default_rng([self.recipe.seed, 1, step]).random(self.recipe.batch_size)
        cold = torch.from_numpy((draws < self.recipe.cold_starts) | everywhere).to(self.accelerator.device)
        h, c = self.state
        self.state = h.masked_fill(cold[:, None], 0.0), c.masked_fill(cold[:, None], 0.0)

    def window(self, epoch: int, window: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (B, T) of a window; each epoch begins at an offset of its own of up to T."""
        batch, length = self.recipe.batch_size, self.recipe.seq_len
        lane = len(self.train_ids) // batch
        offset = self.plan.offset(self.recipe, epoch)
        columns = offset + window * length + np.arange(length + 1)
        ids = torch.from_numpy(self.train_ids[np.arange(batch)[:, None] * lane + columns]).to(self.accelerator.device)
        return ids[:, :-1], ids[:, 1:]

    def check_sound(self, losses: Tensor) -> None:
        """Raise `TrainingError` unless loss and weights are numbers and the loss has not exploded.

        Comes before all that shows or keeps them.
        """
        weights = [parameter.detach() for parameter in self.model.parameters()]
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
        if not self.accelerator.is_main_process:
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

    def take_moment(self, *, look: bool) -> None:
        """One more moment of the time-lapse: the same prompt and seed as at the others."""
        if look:
            val_loss = self.progress.history[-1]["val_loss"]
        else:
            val_loss = carried_loss(self.model, self.held_out_ids[:MOMENT_CHARS])
        if self.accelerator.is_main_process:
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
        if self.accelerator.is_main_process:
            checkpoint.save(
                self.out, network=self.model, optimizer=self.optimizer, state=self.state, progress=self.progress
            )

    def save_model(self, model: CharLSTM, folder: Path) -> None:
        with checkpoint.disk_errors(folder):
            model.save_pretrained(folder, dtype=self.dtype, extra_files={"loss.png": loss_plot(self.progress.history)})

    def finish(self, folder: Path) -> None:
        """Give the model with the best weights its whole record: samples, time-lapse, what it copies."""
        best = CharLSTM.from_pretrained(folder, device="cpu")
        length = min(COPYING_CHARS, len(self.train_ids) // 8) // COPYING_SAMPLES
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
        self.save_model(best, folder)

    def record(self) -> dict[str, Any]:
        kept = [epoch for epoch in self.keep_epochs if epoch * self.plan.steps_per_epoch <= self.progress.step]
        record = make_record(
            self.corpus,
            self.recipe,
            self.progress,
            parameters=self.model.config.num_parameters,
            prompt=self.prompt,
            command=self.command,
            device=self.accelerator.device,
        )
        told = {"kept_epochs": kept, "baselines": self.baselines, "base_model": self.base_model}
        if self.out_of_patience:
            told["ended_early"] = f"after {self.recipe.patience} looks without gain"
        return record | {key: value for key, value in told.items() if value}


@contextmanager
def _ask_to_stop() -> Iterator[list[int]]:
    """A list that SIGINT and SIGTERM append to: the run ends between two steps, at a second signal at once."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, ask)
    except ValueError:  # signals can be handled in the main thread only; elsewhere the caller has its own way
        pass
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def indent(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().split("\n"))


def duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
