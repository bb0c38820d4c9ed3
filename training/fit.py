"""Train a character LSTM: contiguous lanes with carried state, in a loop on Hugging Face Accelerate."""

from __future__ import annotations

import io
import json
import math
import platform
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
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
from hubcharlstm.hub import MODEL_IN_RUN, replace_folder
from hubcharlstm.network import State
from training import checkpoint
from training.corpus import Corpus
from training.evaluate import carried_loss
from training.recipe import Plan, Recipe

SETTINGS = "run.json"
CHECKPOINT_SECONDS = 60.0
TIME_LAPSE_SEED = 1
SAMPLE_TEMPERATURES = (0.5, 0.8, 1.0)


class TrainingError(ValueError):
    """The run cannot go on."""


@dataclass
class Progress:
    """How far a run is; JSON values only.

    loss_sum, loss_count: training losses since the last look at the held-out text; history: a row per look.
    """

    step: int = 0
    best_loss: float = math.inf
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    time_lapse: list[dict[str, Any]] = field(default_factory=list)


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
) -> Outcome:
    """Train on `corpus.train` and keep the weights best on `corpus.held_out` in `out`/model.

    settings: what `resume` needs to find the corpus again; written to `out`/run.json. Ctrl-C and SIGTERM
    save a checkpoint and return. Raises `ValueError` (`TrainingError` for a loss that is not finite).
    """
    accelerator = Accelerator()
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    vocabulary = Vocabulary.from_text(corpus.train + corpus.held_out, lowercase=recipe.lowercase)
    plan = Plan.of(recipe, len(corpus.train))
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    config = CharLSTMConfig(vocab_size=len(vocabulary), **sizes)
    model = CharLSTM(config, vocabulary, generation_config=generation)
    model.reset_for_training()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    network, optimizer = accelerator.prepare(model, optimizer)
    if resume:
        state, saved = checkpoint.load(out, network=model, optimizer=optimizer, device=accelerator.device)
        progress = Progress(**saved)
    else:
        progress, state = Progress(), model.initial_state(recipe.batch_size)
        if accelerator.is_main_process:
            _write_settings(out, settings or {})
    run = _Run(
        corpus, recipe, plan, out, dtype, accelerator, model, network, optimizer, state, progress,
        train_ids=encode(corpus.train, vocabulary), held_out_ids=encode(corpus.held_out, vocabulary),
    )  # fmt: skip
    return run.run()


def encode(text: str, vocabulary: Vocabulary) -> Tensor:
    """Ids (N,) int64 of a text whose every character the vocabulary has."""
    table = np.full(max(map(ord, vocabulary.chars)) + 1, -1, dtype=np.int64)
    table[[ord(char) for char in vocabulary.chars]] = np.arange(len(vocabulary))
    return torch.from_numpy(table[np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)])


def _write_settings(out: Path, settings: dict[str, Any]) -> None:
    replace_folder(out, lambda folder: _dump(folder / SETTINGS, settings))


def _dump(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


@dataclass
class _Run:
    """One run under way. `model` is the module itself, `network` what Accelerate made of it."""

    corpus: Corpus
    recipe: Recipe
    plan: Plan
    out: Path
    dtype: str
    accelerator: Accelerator
    model: CharLSTM
    network: Any
    optimizer: Any
    state: State
    progress: Progress
    train_ids: Tensor
    held_out_ids: Tensor

    def run(self) -> Outcome:
        total, main = self.plan.total_steps, self.accelerator.is_main_process
        started = time.monotonic() - self.progress.seconds
        losses = torch.tensor(self.progress.loss_sum, device=self.accelerator.device)
        with (
            _ask_to_stop() as asked,
            tqdm(total=total, initial=self.progress.step, unit="window", disable=not main, mininterval=0.5) as bar,
        ):
            last_saved = time.monotonic()
            while self.progress.step < total and not asked:
                losses += self.train_window(self.progress.step)
                self.progress.loss_count += 1
                self.progress.step += 1
                bar.update()
                self.progress.seconds = time.monotonic() - started
                if self.progress.step in self.plan.time_lapse_at:
                    self.take_moment()
                if self.progress.step in self.plan.evaluate_at:
                    self.look(float(losses) / self.progress.loss_count, bar)
                    losses.zero_()
                    self.progress.loss_count = 0
                    last_saved = -math.inf  # so that a look is always kept
                if time.monotonic() - last_saved > CHECKPOINT_SECONDS:
                    self.save_checkpoint(losses)
                    last_saved = time.monotonic()
            if asked and self.progress.step < total:
                self.save_checkpoint(losses)
        finished = self.progress.step >= total
        folder = self.out / MODEL_IN_RUN
        if finished and main:
            self.finish(folder)
        return Outcome(folder, self.progress.best_loss, finished)

    def train_window(self, step: int) -> Tensor:
        """One step of truncated BPTT; returns its mean loss, a scalar that stays on the device."""
        epoch, window = divmod(step, self.plan.steps_per_epoch)
        if window == 0:
            self.state = self.model.initial_state(self.recipe.batch_size)
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

    def window(self, epoch: int, window: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets (B, T) of a window; each epoch begins at an offset of its own below T."""
        batch, length = self.recipe.batch_size, self.recipe.seq_len
        lane = len(self.train_ids) // batch
        room = lane - 1 - self.plan.steps_per_epoch * length
        offset = (
            int(np.random.default_rng([self.recipe.seed, epoch]).integers(0, min(length, room) + 1)) if room > 0 else 0
        )
        start = offset + window * length
        columns = torch.arange(start, start + length + 1)
        positions = torch.arange(batch)[:, None] * lane + columns
        ids = self.train_ids[positions.clamp(max=len(self.train_ids) - 1)].to(self.accelerator.device)
        return ids[:, :-1], ids[:, 1:]

    def look(self, train_loss: float, bar: Any) -> None:
        """Measure the held-out loss, keep the weights if they are the best so far, and show a sample."""
        if not math.isfinite(train_loss):
            raise TrainingError(
                f"The training loss became {train_loss} before step {self.progress.step}; expected a finite number: "
                "start again with half the learning rate (--learning-rate); the best weights so far are kept."
            )
        val_loss = carried_loss(self.model, self.held_out_ids)
        chars = self.progress.step * self.recipe.batch_size * self.recipe.seq_len
        epoch = self.progress.step / self.plan.steps_per_epoch
        self.progress.history.append(
            {"chars": chars, "epoch": round(epoch, 3), "train_loss": train_loss, "val_loss": val_loss,
             "seconds": round(self.progress.seconds, 1)}
        )  # fmt: skip
        best = val_loss < self.progress.best_loss
        if best:
            self.progress.best_loss = val_loss
        if not self.accelerator.is_main_process:
            return
        if best:
            self.model.record = self.record()
            self.save_model(self.model, self.out / MODEL_IN_RUN)
        prompt, sample = self.sample(160, 0.8, seed=self.progress.step)
        bar.set_postfix_str(f"held-out {val_loss:.3f}")
        bar.write(
            f"\nepoch {epoch:.1f}  train {train_loss:.4f}  held-out {val_loss:.4f} nats per character"
            f"{' (best so far)' if best else ''}\n{indent(prompt + sample)}",
            file=sys.stdout,
        )
        sys.stdout.flush()

    def take_moment(self) -> None:
        """One more moment of the time-lapse: the same prompt and seed as at the others."""
        if self.accelerator.is_main_process:
            _, text = self.sample(200, 0.8, seed=TIME_LAPSE_SEED)
            chars = self.progress.step * self.recipe.batch_size * self.recipe.seq_len
            self.progress.time_lapse.append({"chars": chars, "text": text})

    def sample(self, length: int, temperature: float, seed: int) -> tuple[str, str]:
        prompt = self.prompt
        done = self.model.complete(prompt, max_new_tokens=length, temperature=temperature, seed=seed)
        return prompt, done.text

    @property
    def prompt(self) -> str:
        examples = self.model.generation_config.examples
        return examples[0] if examples else self.model.generation_config.start_text

    def save_checkpoint(self, losses: Tensor) -> None:
        self.progress.loss_sum = float(losses)
        if self.accelerator.is_main_process:
            checkpoint.save(
                self.out, network=self.model, optimizer=self.optimizer, state=self.state, progress=vars(self.progress)
            )

    def save_model(self, model: CharLSTM, folder: Path) -> None:
        model.save_pretrained(folder, dtype=self.dtype, extra_files={"loss.png": loss_plot(self.progress.history)})

    def finish(self, folder: Path) -> None:
        """Give the model with the best weights its whole record: samples and time-lapse."""
        best = CharLSTM.from_pretrained(folder, device="cpu")
        best.record = self.record() | {
            "samples": [
                {
                    "prompt": self.prompt,
                    "temperature": temperature,
                    "seed": 7,
                    "text": best.generate(self.prompt, max_new_tokens=400, temperature=temperature, seed=7),
                }
                for temperature in SAMPLE_TEMPERATURES
            ]
        }
        self.save_model(best, folder)

    def record(self) -> dict[str, Any]:
        """What `training.json` holds and the card is made from."""
        best = min(self.progress.history, key=lambda row: row["val_loss"])
        return {
            "name": f"charlstm-{self.corpus.name}",
            "corpus": self.corpus.to_record(),
            "card": self.corpus.card,
            "recipe": self.recipe.to_dict(),
            "parameters": self.model.config.num_parameters,
            "val_loss": best["val_loss"],
            "val_bpc": best["val_loss"] / math.log(2),
            "best_epoch": best["epoch"],
            "history": self.progress.history,
            "time_lapse": {
                "prompt": self.prompt,
                "seed": TIME_LAPSE_SEED,
                "temperature": 0.8,
                "moments": self.progress.time_lapse,
            },
            "sample_prompt": self.prompt,
            "seconds": round(self.progress.seconds, 1),
            "command": shlex.join(["python", "-m", "training", *sys.argv[1:]]),
            "hardware": hardware(self.accelerator.device),
            "versions": [f"Python {platform.python_version()}"]
            + [f"{name} {version(name)}" for name in ("torch", "accelerate")],
        }


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


def hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads, {platform.machine()}"


def loss_plot(history: list[dict[str, float]]) -> bytes:
    """Training and held-out loss against characters read, as a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained", dpi=110)
    axes = figure.add_subplot()
    millions = [row["chars"] / 1e6 for row in history]
    axes.plot(millions, [row["train_loss"] for row in history], label="training (with dropout)", color="#8a94a6")
    axes.plot(
        millions, [row["val_loss"] for row in history], label="held out", color="#b4532a", marker="o", markersize=3
    )
    axes.set_xlabel("million characters read")
    axes.set_ylabel("nats per character")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
