"""The tutorial's own recipe beside `small`, for the same minutes on Macbeth: loss, time and a sample of each.

The recipe: characters of a lower-cased text as one number each, id / V; a window of 50 and one target after it; an LSTM
of 300 units, dropout 0.2, a softmax; Adam at 1e-3, batches of 30 drawn at random; greedy output. A twin in PyTorch.

`python -m benchmarks.article --minutes 3` prints a table, the two samples, and one JSON line for machines.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.machine import conditions
from hubcharlstm import CharLSTM, Vocabulary
from training.corpus import Corpus, read_corpus
from training.fit import encode, fit
from training.memory import keep_memory
from training.recipe import PRESETS
from training.suggest import suggest

UNITS, WINDOW, BATCH, DROPOUT, RATE = 300, 50, 30, 0.2, 1e-3


class TutorialNetwork(nn.Module):
    """One number per character in, the distribution of the character after a window out."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, UNITS, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(UNITS, vocab_size)
        self.vocab_size = vocab_size

    def forward(self, windows: Tensor) -> Tensor:
        """ids (B, WINDOW) -> logits (B, V)."""
        hidden, _ = self.lstm((windows / self.vocab_size)[..., None])
        logits: Tensor = self.head(self.dropout(hidden[:, -1]))
        return logits


def tutorial_step(network: TutorialNetwork, ids: Tensor, vocab_size: int) -> Callable[[], None]:
    """One batch of the tutorial's training: 30 windows, 30 targets."""
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)

    def step() -> None:
        starts = torch.randint(len(ids) - WINDOW, (BATCH, 1))
        windows = ids[starts + torch.arange(WINDOW + 1)]
        loss = cross_entropy(network(windows[:, :-1].float()), windows[:, -1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


@torch.no_grad()
def tutorial_loss(network: TutorialNetwork, ids: Tensor) -> float:
    """Nats per character over all windows of the held-out text."""
    network.eval()
    windows = ids.unfold(0, WINDOW + 1, 1)
    losses = [
        cross_entropy(network(part[:, :-1].float()), part[:, -1], reduction="sum") for part in windows.split(1000)
    ]
    network.train()
    return float(sum(losses)) / len(windows)


@torch.no_grad()
def tutorial_sample(network: TutorialNetwork, prompt: Tensor, length: int) -> list[int]:
    """Greedy, the window run again for every character."""
    network.eval()
    ids = prompt.tolist()
    for _ in range(length):
        ids.append(int(network(torch.tensor([ids[-WINDOW:]]).float()).argmax()))
    network.train()
    return ids[len(prompt) :]


def run_tutorial(corpus: Corpus, seconds: float) -> dict[str, object]:
    vocabulary = Vocabulary(corpus.chars)
    train, held_out = encode(corpus.train[:], vocabulary), encode(corpus.held_out, vocabulary)
    network = TutorialNetwork(len(vocabulary))
    step, started, steps = tutorial_step(network, train, len(vocabulary)), time.monotonic(), 0
    while time.monotonic() - started < seconds:
        step()
        steps += 1
    took = time.monotonic() - started
    sample = vocabulary.decode(tutorial_sample(network, held_out[:WINDOW], 300))
    return {
        "nats": tutorial_loss(network, held_out), "minutes": took / 60, "targets": steps * BATCH,
        "prompt": vocabulary.decode(held_out[:WINDOW].tolist()), "sample": sample,
    }  # fmt: skip


def run_small(corpus: Corpus, seconds: float) -> dict[str, object]:
    """`small` with as many characters as it reads in that time, found by a short trial."""
    from benchmarks.training import alternate, our_step

    recipe, _ = replace(PRESETS["small"], lowercase=True).fitted_to(len(corpus.train))
    [per_step] = alternate([our_step(recipe, corpus.train[:])], 10)
    chars = min(recipe.chars, int(0.85 * seconds / per_step * recipe.batch_size * recipe.seq_len))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = fit(corpus, replace(recipe, chars=chars), suggest(corpus), Path(folder) / "run")
        took = time.monotonic() - started
        model = CharLSTM.from_pretrained(outcome.model_folder)
    prompt = corpus.held_out[:WINDOW]
    sample = model.generate(prompt, max_new_tokens=300, temperature=0.7, seed=7)
    return {"nats": outcome.val_loss, "minutes": took / 60, "targets": chars, "prompt": prompt, "sample": sample}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    seconds = 60 * parser.parse_args().minutes
    torch.manual_seed(1)
    keep_memory()
    corpus = read_corpus("macbeth", lowercase=True)
    results = {"small": run_small(corpus, seconds), "tutorial": run_tutorial(corpus, seconds)}
    print(f"\n{conditions(torch.get_num_threads())}\n")
    print("| | minutes | characters learned from | nats per character | bits |\n|---|---|---|---|---|")
    for name, result in results.items():
        nats = float(str(result["nats"]))
        print(f"| {name} | {result['minutes']:.1f} | {result['targets']:,} | {nats:.4f} | {nats / math.log(2):.4f} |")
    for name, result in results.items():
        print(f"\n--- {name}, after {result['prompt']!r}:\n{result['sample']}")
    print(json.dumps({"benchmark": "article", "results": results}))


if __name__ == "__main__":
    main()
