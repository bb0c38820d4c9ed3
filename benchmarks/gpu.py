"""What needs a GPU, in one command: the training step, the decoder under CUDA graphs, tests that are skipped elsewhere.

`python -m benchmarks.gpu` prints tables for RESULTS.md with the card's name, and one JSON line; it takes some minutes.
Without a GPU it says so in one sentence. What is compared takes turns, and medians count:

- a training step of `base` and `large` as a run takes it (dropouts, averages, AdamW, clipping), beside that of a bare
  `nn.LSTM` of cuDNN with the same sizes between an embedding and a head, both under bf16 autocast. Aim: 85 % of its
  speed. PyTorch's autocast gives the LSTM of cuDNN a type of its own, which the table names.
- a step of the decoder for 1, 256 and 4,096 rows, its kernels launched one by one and replayed from a CUDA graph, alone
  and with what the engine adds to it: ids to the device, logits to the CPU.
- on paper, several such cards: the measured step and the gradients' size by `benchmarks.scaling`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.scaling import PAPER_COUNTS, on_paper
from benchmarks.training import bare_step, our_step
from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from hubcharlstm.decoding.decoder import Decoder
from training.lstm import lstm
from training.recipe import PRESETS, Recipe

ROOT = Path(__file__).parents[1]
AIM = 0.85
PRECISIONS = ("fp32", "bf16")
SYMBOLS = [chr(48 + number) for number in range(65)]
TEXT_CHARS = 400_000
WARM_UP_STEPS = 3
TESTS = ("tests/test_gpu.py", "tests/decoding/test_device_choice.py")
CARD_LINKS = {"NVLink 4, 450 GB/s": 450e9, "PCIe 4.0 x16, 25 GB/s": 25e9}


@dataclass(frozen=True)
class Sizes:
    """What is measured. rounds: turns of each candidate; train_steps, decoder_steps: of a turn."""

    recipes: dict[str, Recipe]
    row_counts: tuple[int, ...] = (1, 256, 4096)
    rounds: int = 9
    train_steps: int = 8
    decoder_steps: int = 200


FULL = Sizes({name: PRESETS[name] for name in ("base", "large")})
TINY = Sizes(
    {
        name: replace(recipe, embedding_dim=8, hidden_size=32, batch_size=4, seq_len=16)
        for name, recipe in FULL.recipes.items()
    },
    row_counts=(1, 3),
    rounds=2,
    train_steps=2,
    decoder_steps=5,
)


class CapturedStep:
    """The decoder's step of `count` rows: captured once in a CUDA graph, on a CPU called as ever.

    `ids` (count,) int64 holds what the next call decodes; its logits (count, V) are valid until the one after.
    """

    def __init__(self, decoder: Decoder, count: int) -> None:
        self.decoder, self.buffer = decoder, decoder.state_buffer(count)
        self.ids = torch.zeros(count, dtype=torch.int64, device=decoder.device)
        self.graph: Any = None
        self.logits = decoder.step(self.ids, self.buffer)
        if decoder.device.type == "cuda":
            self._capture()
        self.reset()

    def _capture(self) -> None:
        """On a CUDA stream of its own first, as PyTorch asks for: a library may allocate at its first call."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self.decoder.step(self.ids, self.buffer)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.logits = self.decoder.step(self.ids, self.buffer)

    @torch.inference_mode()
    def reset(self) -> None:
        """Set all rows to the initial state."""
        for part in (self.buffer.hidden, *self.buffer.cells):
            part.zero_()

    def __call__(self) -> Tensor:
        if self.graph is None:
            self.logits = self.decoder.step(self.ids, self.buffer)
        else:
            self.graph.replay()
        return self.logits


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def in_turns(
    runs: dict[str, Callable[[], object]], device: torch.device, *, rounds: int, calls: int
) -> dict[str, float]:
    """Median seconds of one call of each; the first of the rounds is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            synchronize(device)
            started = time.perf_counter()
            for _ in range(calls):
                run()
            synchronize(device)
            if round_:
                seconds[name].append((time.perf_counter() - started) / calls)
    return {name: statistics.median(found) for name, found in seconds.items()}


def network(recipe: Recipe) -> CharLSTM:
    """Random weights, of which no time depends."""
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    return CharLSTM(CharLSTMConfig(vocab_size=len(SYMBOLS), **sizes), Vocabulary(SYMBOLS)).eval()


# --- training ------------------------------------------------------------------------------------------------------


def lstm_type(device: torch.device) -> str:
    """The type that an LSTM layer of the training has under the autocast of a run, such as "bfloat16"."""
    zeros = {shape: torch.zeros(shape, device=device) for shape in ((2, 1, 32), (1, 32), (128, 32), (128,))}
    weights = zeros[128, 32].requires_grad_(), zeros[128, 32], zeros[128,]
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        outputs, _, _ = lstm(zeros[2, 1, 32], zeros[1, 32], zeros[1, 32], weights)
    return str(outputs.dtype).removeprefix("torch.")


def training_row(recipe: Recipe, device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Milliseconds of a step of the bare LSTM and of the run, and what `on_paper` needs."""
    draw = np.random.default_rng(0)
    text = "".join(SYMBOLS[number] for number in draw.integers(0, len(SYMBOLS), TEXT_CHARS))
    runs = {"bare": bare_step(recipe, len(SYMBOLS), device.type), "run": our_step(recipe, text)}
    seconds = in_turns(runs, device, rounds=sizes.rounds, calls=sizes.train_steps)
    return {
        "bare": 1000 * seconds["bare"],
        "run": 1000 * seconds["run"],
        "share": seconds["bare"] / seconds["run"],
        "chars_per_second": recipe.batch_size * recipe.seq_len / seconds["run"],
        "step": seconds["run"],
        "megabytes": 4 * network(recipe).config.num_parameters / 1e6,
    }


# --- decoding ------------------------------------------------------------------------------------------------------


def decoding_row(decoder: Decoder, count: int, sizes: Sizes) -> dict[str, float]:
    """Microseconds of a step launched and replayed, alone and with its transfers; whether both give the same logits."""
    captured, buffer = CapturedStep(decoder, count), decoder.state_buffer(count)
    given = torch.zeros(count, dtype=torch.int64)
    ids = given.to(decoder.device)

    def replay_request() -> Tensor:
        captured.ids.copy_(given)
        return captured().cpu()

    runs: dict[str, Callable[[], object]] = {
        "launched": lambda: decoder.step(ids, buffer),
        "replayed": captured,
        "launched, transfers": lambda: decoder.step(given.to(decoder.device), buffer).cpu(),
        "replayed, transfers": replay_request,
    }
    is_same = same_logits(decoder, captured)
    seconds = in_turns(runs, decoder.device, rounds=sizes.rounds, calls=sizes.decoder_steps)
    row = {name: 1e6 * value for name, value in seconds.items()}
    return row | {"same": float(is_same), "chars_per_second": count / seconds["replayed, transfers"]}


def same_logits(decoder: Decoder, captured: CapturedStep, steps: int = 4) -> bool:
    """Whether replayed steps from the initial state give the bits of launched ones."""
    count = len(captured.ids)
    buffer, vocab_size = decoder.state_buffer(count), decoder.config.vocab_size
    captured.reset()
    for step in range(steps):
        ids = (torch.arange(count) * 7 + step) % vocab_size
        captured.ids.copy_(ids)
        if not torch.equal(captured(), decoder.step(ids.to(decoder.device), buffer)):
            return False
    return True


# --- tables --------------------------------------------------------------------------------------------------------


def conditions(device: torch.device) -> str:
    """The card and the versions, in one line."""
    if device.type == "cpu":
        return f"a CPU in tiny sizes, whose figures mean nothing; torch {version('torch')}"
    card = torch.cuda.get_device_properties(device)
    return (
        f"{card.name}, {card.total_memory / 2**30:.0f} GiB, {torch.cuda.device_count()} of them; CUDA "
        f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, torch {version('torch')}"
    )


def print_training(rows: dict[str, dict[str, float]], computed_in: str) -> None:
    print(f"\n| training, the LSTM in {computed_in} | bare LSTM, ms | a run's step, ms | characters/s | of its speed |")
    print("|---|---|---|---|---|")
    for name, row in rows.items():
        share = f"{row['share']:.0%}" + ("" if row["share"] >= AIM else f", below {AIM:.0%}")
        print(f"| {name} | {row['bare']:.1f} | {row['run']:.1f} | {row['chars_per_second']:,.0f} | {share} |")
    print(f"\n| on paper, such cards | {' | '.join(map(str, PAPER_COUNTS))} |\n|---|{'---|' * len(PAPER_COUNTS)}")
    for name, row in rows.items():
        print("\n".join(on_paper(row, CARD_LINKS, name=f"{name}, ")))


def print_decoding(rows: dict[str, dict[str, float]]) -> None:
    print("\n| decoding, us a step | launched | graph | with transfers: launched | graph | characters/s | same bits |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        times = " | ".join(f"{row[run]:,.1f}" for run in list(row)[:4])
        print(f"| {name} | {times} | {row['chars_per_second']:,.0f} | {'yes' if row['same'] else '**no**'} |")


def tests_of_a_gpu() -> subprocess.CompletedProcess[str]:
    """The tests that are skipped on a machine without a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", *TESTS]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help=argparse.SUPPRESS)
    device = torch.device(parser.parse_args().device)
    if device.type == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before anything of this process has asked for a GPU
    elif not torch.cuda.is_available():
        print(
            f"error: torch {version('torch')} finds no CUDA GPU here; expected one to measure: run this on a machine "
            "with one, and with a build of torch for it.",
            file=sys.stderr,
        )
        return 2
    sizes = FULL if device.type == "cuda" else TINY
    torch.manual_seed(0)
    print(conditions(device), flush=True)
    decoding = {}
    for name, recipe in sizes.recipes.items():
        model = network(recipe).to(device)
        for precision in PRECISIONS:
            decoder = Decoder(model, precision)
            for count in sizes.row_counts:
                decoding[f"{name}, {precision}, {count:,} rows"] = decoding_row(decoder, count, sizes)
    print_decoding(decoding)
    sys.stdout.flush()
    rows = {name: training_row(recipe, device, sizes) for name, recipe in sizes.recipes.items()}
    computed_in = lstm_type(device)
    print_training(rows, computed_in)
    result = {"benchmark": "gpu", "conditions": conditions(device), "lstm": computed_in}
    print(json.dumps(result | {"training": rows, "decoding": decoding}), flush=True)
    if device.type == "cpu":
        return 0
    done = tests_of_a_gpu()
    print(f"\n{done.stdout}{done.stderr}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
