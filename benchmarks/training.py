"""The overhead of the training loop over a bare nn.LSTM, and its targets per second beside the tutorial's pipeline.

`python -m benchmarks.training` prints a table and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import count
from statistics import median

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.machine import conditions
from benchmarks.tutorial import TutorialNetwork, tutorial_step
from hubcharlstm import CharLSTM, Vocabulary
from training.allocator import retain_freed_memory
from training.bptt import TruncatedBPTT
from training.data.encoded import TrainIds
from training.new_model import config_of
from training.recipe import PRESETS, Recipe
from training.schedule import TrainSchedule


def bare_step(recipe: Recipe, vocab_size: int, device: str = "cpu") -> Callable[[], None]:
    """Forward and backward of nn.LSTM between an embedding and a head, with gradient clipping and AdamW.

    On a GPU by cuDNN, under bf16 autocast and with the fused AdamW.
    """
    is_gpu = device != "cpu"
    embedding = nn.Embedding(vocab_size, recipe.embedding_dim, device=device)
    lstm = nn.LSTM(recipe.embedding_dim, recipe.hidden_size, recipe.num_layers, batch_first=True, device=device)
    head = nn.Linear(recipe.hidden_size, vocab_size, device=device)
    parameters = [*embedding.parameters(), *lstm.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True if is_gpu else None)
    ids = torch.randint(vocab_size, (recipe.batch_size, recipe.seq_len + 1), device=device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=is_gpu):
            hidden, _ = lstm(embedding(ids[:, :-1]))
            loss = cross_entropy(head(hidden).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def our_step(recipe: Recipe, text: str) -> Callable[[], None]:
    """One optimizer step as a run takes it: batch rows, state resets, dropout, learning rate, EMA, Accelerate."""
    vocabulary = Vocabulary(sorted(set(text)))
    model = CharLSTM(config_of(recipe, vocabulary), vocabulary)
    model.reset_for_training()
    bptt = TruncatedBPTT(model, recipe, TrainSchedule.of(recipe, len(text)), TrainIds(text, vocabulary))
    losses, done = torch.zeros(()), count()

    def step() -> None:
        nonlocal losses
        losses = losses + bptt.step(next(done))  # not in place: on a GPU the sum lies there

    return step


def alternate(steps: list[Callable[[], None]], rounds: int) -> list[float]:
    """Median seconds of each, measured in turns, so that other load affects all of them alike."""
    seconds: list[list[float]] = [[] for _ in steps]
    for round_ in range(rounds + 2):
        for step, found in zip(steps, seconds, strict=True):
            started = time.perf_counter()
            step()
            if round_ >= 2:
                found.append(time.perf_counter() - started)
    return [median(found) for found in seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    retain_freed_memory()
    text = ("To be, or not to be: that is the question.\nWhether 'tis nobler in the mind to suffer\n" * 3000)[:200_000]
    vocab_size = len(set(text))
    print(conditions(torch.get_num_threads()))
    print("\n| | bare ms | loop ms | the loop costs |\n|---|---|---|---|")
    costs = {}
    for name in ("small", "base"):
        recipe = PRESETS[name]
        bare, ours = alternate([bare_step(recipe, vocab_size), our_step(recipe, text)], rounds)
        costs[name] = ours / bare - 1
        print(f"| {name} | {1000 * bare:.1f} | {1000 * ours:.1f} | {100 * costs[name]:.1f} % |")
    # The same layer as the tutorial's: one of 300 units, batch 30, windows of 50.
    recipe = Recipe(hidden_size=300, num_layers=1, dropout=0.2, batch_size=30, seq_len=50, muon_rate=0.0)
    twin = TutorialNetwork(vocab_size)
    ids = torch.randint(vocab_size, (5000,))
    theirs, ours = alternate([tutorial_step(twin, ids, vocab_size), our_step(recipe, text)], rounds)
    per_second = {"tutorial": 30 / theirs, "ours": 30 * 50 / ours}
    print("\n| one layer of 300, batch 30, windows of 50 | targets/s |\n|---|---|")
    print(f"| the tutorial's pipeline, PyTorch twin | {per_second['tutorial']:,.0f} |")
    print(f"| the loop | {per_second['ours']:,.0f} ({per_second['ours'] / per_second['tutorial']:.1f} times) |")
    print(json.dumps({"benchmark": "training", "loop_cost": costs, "targets_per_second": per_second}))


if __name__ == "__main__":
    main()
