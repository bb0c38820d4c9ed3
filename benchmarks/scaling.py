"""Several processes on one run: a step in one process and in two, the exchange of gradients, and larger runs on paper.

`--local-sgd` measures what local SGD costs: the held-out loss of two processes that average their weights every few
steps, beside that of two that average their gradients at each. `--gap` measures how far the losses of two processes
lie from those of one, in float32 and in bfloat16, which a CPU without its instructions computes slowly.

`python -m benchmarks.scaling [--preset small]` starts itself under torchrun with two processes of one thread each, and
prints two tables and one JSON line. Two runs at once share nothing, as in a sweep. On paper: the step of B / N rows
takes 1/N of the time measured here, and a ring moves 2 (N - 1) / N of the gradients through each link, whose rates are
given in `LINKS`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import numpy as np
import torch

import training.lstm
import training.muon
from benchmarks.machine import conditions
from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from training.bptt import TruncatedBPTT
from training.data.encoded import TrainIds
from training.evaluation.losses import carried_loss
from training.recipe import PRESETS, Recipe
from training.schedule import TrainSchedule

ROOT = Path(__file__).parents[1]
NUM_STEPS, WARM_UP = 12, 3
TEXT_CHARS = 400_000
LINKS = {"PCIe 4.0 x16, 25 GB/s": 25e9, "10 Gbit/s Ethernet": 1.25e9, "1 Gbit/s Ethernet": 0.125e9}
PAPER_COUNTS = (2, 4, 8)
GAP_STEPS = 200
AVERAGED_EVERY = (0, 1, 4, 16)
"""Steps between two averages of the weights; 0: gradients at each step."""
LOCAL_STEPS = 300
HELD_OUT_SHARE = 0.1


def timed_run(preset: str) -> dict[str, float]:
    """Of the main process: the median seconds of a step, the fastest of an exchange among the processes of this run."""
    recipe = PRESETS[preset]
    letters = "".join(chr(number) for number in range(48, 48 + 65))
    draw = np.random.default_rng(0)
    text = "".join(letters[number] for number in draw.integers(0, len(letters), TEXT_CHARS))
    vocabulary = Vocabulary(letters)
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    model = CharLSTM(CharLSTMConfig(vocab_size=len(vocabulary), **sizes), vocabulary)
    bptt = TruncatedBPTT(model, recipe, TrainSchedule.of(recipe, len(text)), TrainIds(text, vocabulary))
    seconds = []
    for step in range(WARM_UP + NUM_STEPS):
        started = time.perf_counter()
        float(bptt.step(step))
        seconds.append(time.perf_counter() - started)
    weights = model.config.num_parameters
    exchange = bptt.processes.exchange_seconds(weights, bptt.accelerator.device) if bptt.processes.count > 1 else 0.0
    return {
        "step": float(np.median(seconds[WARM_UP:])),
        "exchange": exchange,
        "chars": recipe.batch_size * recipe.seq_len,
        "megabytes": 4 * weights / 1e6,
    }


def small_bptt(text: str, recipe: Recipe) -> TruncatedBPTT:
    """A network of the recipe's sizes and seed at the start of its training on `text`."""
    vocabulary = Vocabulary.from_text("\n\n".join(topics.values()))
    torch.manual_seed(recipe.seed)
    sizes = {name: getattr(recipe, name) for name in ("embedding_dim", "hidden_size", "num_layers", "dropout")}
    model = CharLSTM(CharLSTMConfig(vocab_size=len(vocabulary), **sizes), vocabulary)
    model.reset_for_training()
    return TruncatedBPTT(model, recipe, TrainSchedule.of(recipe, len(text)), TrainIds(text, vocabulary))


def local_run(every: int, seed: int) -> dict[str, float]:
    """Of the main process: the held-out loss after LOCAL_STEPS on the texts of Python's help, and seconds of a step."""
    text = "\n\n".join(topics.values())
    train, held_out = text[: int(len(text) * (1 - HELD_OUT_SHARE))], text[int(len(text) * (1 - HELD_OUT_SHARE)) :]
    batch = PRESETS["small"].batch_size * PRESETS["small"].seq_len
    recipe = Recipe(
        embedding_dim=32, hidden_size=128, max_train_chars=LOCAL_STEPS * batch, local_sgd_steps=every, seed=seed
    )
    bptt = small_bptt(train, recipe)
    started = time.perf_counter()
    with bptt.averaging(0):
        for step in range(bptt.schedule.total_steps):
            bptt.step(step)
    seconds = (time.perf_counter() - started) / bptt.schedule.total_steps
    bptt.average_ema()
    return {
        "loss": carried_loss(bptt.ema.model, TrainIds(held_out, bptt.model.vocabulary)[:]),
        "step": seconds,
        "steps": bptt.schedule.total_steps,
        "megabytes": 4 * bptt.model.config.num_parameters / 1e6,
    }


def loss_curve(precision: str) -> dict[str, Any]:
    """Of the main process: the loss of each of GAP_STEPS, mean over the batch, with Muon and all dropouts."""
    for module in (training.lstm, training.muon):
        vars(module)["has_fast_bf16"] = lambda: precision == "bf16"
    recipe = Recipe(
        embedding_dim=32,
        hidden_size=64,
        dropout=0.2,
        weight_drop=0.2,
        batch_size=24,
        max_train_chars=GAP_STEPS * 24 * 100,
    )
    bptt = small_bptt("\n\n".join(topics.values()), recipe)
    losses = [float(bptt.processes.mean(bptt.step(step))) for step in range(GAP_STEPS)]
    return {"losses": losses}


def compare_gap() -> None:
    """Print a table of the differences and one JSON line."""
    curves = {
        (precision, count): np.array(measured(count, 1, "--precision", precision)["losses"])
        for precision in ("fp32", "bf16")
        for count in (1, 2)
    }
    print("| precision | last loss of one process | of two | largest difference of a step | mean difference |")
    print("|---|---|---|---|---|")
    for precision in ("fp32", "bf16"):
        one, two = curves[precision, 1], curves[precision, 2]
        gap = np.abs(one - two)
        print(f"| {precision} | {one[-1]:.4f} | {two[-1]:.4f} | {gap.max():.1e} | {gap.mean():.1e} |")
    distance = np.abs(curves["fp32", 1] - curves["bf16", 1])
    print(f"One process in bf16 beside one in fp32: {distance.max():.1e} at most, {distance.mean():.1e} on average.")
    print(json.dumps({"benchmark": "gap", "losses": {f"{p}, {n}": list(c) for (p, n), c in curves.items()}}))


def compare_local_sgd(seeds: list[int]) -> None:
    """Print a table of the losses and one JSON line."""
    rows: dict[int, list[dict[str, float]]] = {every: [] for every in AVERAGED_EVERY}
    for seed, every in itertools.product(seeds, AVERAGED_EVERY):
        rows[every].append(measured(2, 1, "--every", str(every), "--seed", str(seed)))
        print(f"seed {seed}, every {every}: {rows[every][-1]}", flush=True)
    exact = np.array([row["loss"] for row in rows[0]])
    print(f"{rows[0][0]['megabytes']:.1f} MB of weights, {rows[0][0]['steps']:.0f} steps, seeds {seeds}; two processes")
    print("\n| weights averaged | held-out loss, nats | against gradients averaged | step, ms |\n|---|---|---|---|")
    for every, runs in rows.items():
        loss = np.array([row["loss"] for row in runs])
        name = f"every {every} steps" if every else "never: gradients at each step"
        cost = f"{np.mean(loss - exact):+.4f} ({min(loss - exact):+.4f} to {max(loss - exact):+.4f})" if every else ""
        print(f"| {name} | {loss.mean():.4f} | {cost} | {1000 * np.median([row['step'] for row in runs]):.1f} |")
    print(json.dumps({"benchmark": "local_sgd", "seeds": seeds, "runs": rows}))


def begun(num_processes: int, threads: int, *options: str) -> subprocess.Popen[str]:
    """This module with `options` in processes of its own."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(num_processes), "--standalone"]
    command = [sys.executable, *(launcher if num_processes > 1 else []), "-m", "benchmarks.scaling"]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    return subprocess.Popen(
        [*command, "--worker", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def row_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What such a process has found; raises `CalledProcessError` if it failed."""
    output, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    row: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return row


def measured(num_processes: int, threads: int, *options: str) -> dict[str, Any]:
    """What this module with `options` finds in processes of its own."""
    return row_of(begun(num_processes, threads, *options))


def at_once(count: int, *options: str) -> dict[str, Any]:
    """Of so many runs of one thread each beside one another, as in a sweep: the characters of all, their mean step."""
    rows = [row_of(process) for process in [begun(1, 1, *options) for _ in range(count)]]
    step = float(np.mean([row["step"] for row in rows]))
    return rows[0] | {"step": step, "chars": sum(row["chars"] for row in rows)}


def on_paper(alone: Mapping[str, float], links: Mapping[str, float] = LINKS, *, name: str = "") -> list[str]:
    """Rows of a table: how many times faster N machines like this one are, by link; `name` stands before it.

    alone: seconds of a "step" on one machine, and "megabytes" of gradients.
    """
    rows = []
    for link, rate in links.items():
        cells = []
        for count in PAPER_COUNTS:
            exchange = 2 * (count - 1) / count * alone["megabytes"] * 1e6 / rate
            cells.append(f"{alone['step'] / (alone['step'] / count + exchange):.1f}x")
        rows.append(f"| {name}{link} | {' | '.join(cells)} |")
    return rows


def worker_row(options: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own is asked for."""
    if options.precision is not None:
        return loss_curve(options.precision)
    if options.every is not None:
        return local_run(options.every, options.seed)
    return timed_run(options.preset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("small", "base"), default="small")
    parser.add_argument("--local-sgd", action="store_true", help="compare losses instead of times")
    parser.add_argument("--gap", action="store_true", help="compare losses of one process and of two")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of --local-sgd (default: 1 2 3)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--every", type=int, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.gap:
        compare_gap()
        return
    if options.local_sgd:
        compare_local_sgd(options.seeds)
        return
    if options.worker:
        row = worker_row(options)
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(row))
        return
    runs = {
        "1 process, 1 thread": measured(1, 1, "--preset", options.preset),
        "1 process, 2 threads": measured(1, 2, "--preset", options.preset),
        "2 processes, 1 thread each": measured(2, 1, "--preset", options.preset),
        "2 runs at once, 1 thread each": at_once(2, "--preset", options.preset),
    }
    first = next(iter(runs.values()))
    print(f"{options.preset}, {first['megabytes']:.1f} MB of gradients; {conditions(torch.get_num_threads())}\n")
    print("| | step, ms | exchange of gradients, ms | characters/s | beside one thread |\n|---|---|---|---|---|")
    for name, row in runs.items():
        print(
            f"| {name} | {1000 * row['step']:.0f} | {1000 * row['exchange']:.1f} | {row['chars'] / row['step']:,.0f} | "
            f"{row['chars'] / row['step'] * first['step'] / first['chars']:.2f}x |"
        )
    two_threads = runs["1 process, 2 threads"]
    counts = " | ".join(map(str, PAPER_COUNTS))
    print(f"\n| on paper, machines like this one | {counts} |\n|---|{'---|' * len(PAPER_COUNTS)}")
    print("\n".join(on_paper(two_threads)))
    apart = " | ".join(f"{count:.1f}x" for count in PAPER_COUNTS)
    print(f"| none: a run of its own on each, as in a sweep | {apart} |")
    print(json.dumps({"benchmark": "scaling", "preset": options.preset, "runs": runs}))


if __name__ == "__main__":
    main()
