"""One reader, whole characters: the folded decoder against the plain nn.LSTM loop, in one run.

`python -m benchmarks.decoding` prints a table for people and one JSON line for machines. Weights are random:
the time of a step does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from hubcharlstm.sampling import RandomStream, SamplingParams, next_ids

VOCABULARY = Vocabulary([chr(code) for code in range(32, 97)])  # 65 symbols


def plain_loop(model: CharLSTM, characters: int) -> None:
    """What most demos do: nn.LSTM for every character, softmax and multinomial in torch."""
    ids, state = torch.zeros(1, 1, dtype=torch.int64), None
    with torch.inference_mode():
        for _ in range(characters):
            logits, state = model(ids, state)
            ids = torch.multinomial(torch.softmax(logits[:, -1] / 0.8, dim=-1), 1)


def folded_loop(model: CharLSTM, characters: int) -> None:
    """What the library does for one reader, from `stream` down."""
    for _ in model.stream("A", max_new_tokens=characters, temperature=0.8, seed=1):
        pass


def folded_steps(model: CharLSTM, characters: int) -> None:
    """The decoder's step alone, without sampling."""
    ids, state = torch.zeros(1, dtype=torch.int64), model.decoder.initial_state(1)
    for _ in range(characters):
        _, state = model.decoder.step(ids, state)


def sampling_alone(model: CharLSTM, characters: int) -> None:
    """Choosing a character from ready logits."""
    logits = np.random.default_rng(0).normal(size=(1, len(VOCABULARY))).astype(np.float32)
    uniforms, _ = RandomStream.for_request(1, []).uniforms(characters)
    for n in range(characters):
        next_ids(logits, SamplingParams(0.8), uniforms[n : n + 1])


def microseconds(run: Callable[[CharLSTM, int], None], model: CharLSTM, characters: int) -> float:
    start = time.perf_counter()
    run(model, characters)
    return (time.perf_counter() - start) / characters * 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--characters", type=int, default=1000, help="in each round (default: 1000)")
    arguments.add_argument("--rounds", type=int, default=7, help="taken in turn; the median counts (default: 7)")
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = CharLSTM(CharLSTMConfig(len(VOCABULARY), hidden_size=512, num_layers=2), VOCABULARY).eval()
    runs = {
        "plain nn.LSTM loop": plain_loop,
        "library, one reader": folded_loop,
        "its decoder's step": folded_steps,
        "its sampling": sampling_alone,
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(model, 100)
    for _ in range(options.rounds):
        for name, run in runs.items():
            times[name].append(microseconds(run, model, options.characters))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians["plain nn.LSTM loop"]
    print(f"2 x 512, 65 symbols, fp32, {options.threads} threads, torch {torch.__version__}, {platform.processor()}")
    print("| | us per character | characters/s | against the plain loop |\n|---|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.0f} | {1e6 / value:,.0f} | {base / value:.2f}x |")
    print(json.dumps({"benchmark": "decoding", "threads": options.threads, "us_per_character": medians}))


if __name__ == "__main__":
    main()
