"""The tutorial's own recipe beside `small`, for the same minutes on Macbeth: loss, time and a sample of each.

The recipe: characters of a lower-cased text as one number each, id / V; a window of 50 and one target after it; an LSTM
of 300 units, dropout 0.2, a softmax; Adam at 1e-3, batches of 30 drawn at random; greedy output. A twin in PyTorch.

`python -m benchmarks.article --minutes 3` prints a table, the two samples, and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.machine import conditions
from benchmarks.training import alternate, our_step
from benchmarks.tutorial import BATCH, WINDOW, TutorialNetwork, tutorial_loss, tutorial_sample, tutorial_step
from hubcharlstm import CharLSTM, Vocabulary
from training.allocator import retain_freed_memory
from training.data.corpus import Corpus, load_corpus
from training.data.encoded import encode
from training.data.examples import suggest
from training.pipeline import fit
from training.recipe import PRESETS


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
    """`small` for as many characters as it trains on in that time, estimated by a short trial."""
    recipe, _ = replace(PRESETS["small"], lowercase=True).fitted_to(len(corpus.train))
    [per_step] = alternate([our_step(recipe, corpus.train[:])], 10)
    chars = min(recipe.max_train_chars, int(0.85 * seconds / per_step * recipe.batch_size * recipe.seq_len))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = fit(corpus, replace(recipe, max_train_chars=chars), suggest(corpus), Path(folder) / "run")
        took = time.monotonic() - started
        model = CharLSTM.from_pretrained(result.model_folder)
    prompt = corpus.held_out[:WINDOW]
    sample = model.generate(prompt, max_new_tokens=300, temperature=0.7, seed=7)
    return {"nats": result.val_loss, "minutes": took / 60, "targets": chars, "prompt": prompt, "sample": sample}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    seconds = 60 * parser.parse_args().minutes
    torch.manual_seed(1)
    retain_freed_memory()
    corpus = load_corpus("macbeth", lowercase=True)
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
