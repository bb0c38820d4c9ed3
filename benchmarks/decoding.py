"""One stream, one prompt and one step: the library against a plain nn.LSTM loop, the tutorial's loop and ONNX Runtime.

`python -m benchmarks.decoding` prints a table and one JSON line. All candidates take turns in one run, and medians
count. Weights are random: the time of a step does not depend on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.machine import conditions
from benchmarks.rivals import OnnxDecoder, plain_loop, tutorial_loop
from hubcharlstm import CharLSTM, CharLSTMConfig, Vocabulary
from hubcharlstm.decoding.decoder import Decoder

VOCABULARY = Vocabulary([chr(code) for code in range(32, 97)])  # 65 symbols
TimedRun = Callable[[int], object]


def config_of(layers: str) -> CharLSTMConfig:
    """The network of "1x896"."""
    num_layers, hidden_size = map(int, layers.split("x"))
    return CharLSTMConfig(len(VOCABULARY), hidden_size=hidden_size, num_layers=num_layers)


REST_SECONDS = 0.3
"""Pause before each timed run: the threads of ONNX Runtime and PyTorch spin for a while after their last work and take
a core from the next candidate."""


def generate_one(model: CharLSTM, precision: str) -> TimedRun:
    """`CharLSTM.stream` for one client, sampling and text included."""
    model.precision = precision

    def run(characters: int) -> None:
        model.precision = precision
        for _ in model.stream("A", max_new_tokens=characters, temperature=0.8, seed=1):
            pass

    return run


def steps(decoder: Decoder, count: int) -> TimedRun:
    """The decoder's step alone, for `count` rows."""
    buffer, ids = decoder.state_buffer(count), torch.zeros(count, dtype=torch.int64)
    return lambda characters: [decoder.step(ids, buffer) for _ in range(characters)]


def prompt(decoder: Decoder) -> TimedRun:
    """The prefill of one prompt in the decoder's precision."""
    return lambda characters: decoder.prefill([0] * characters, None)


def onnx_steps(decoder: OnnxDecoder, count: int) -> TimedRun:
    ids = np.zeros((1, count), np.int64)
    return lambda characters: [decoder.step(ids) for _ in range(characters)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=9, help="taken in turn; the median counts (default: 9)")
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--layers", default="1x896", help="of the network, as 2x512 (default: the shipped model's)")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = CharLSTM(config_of(options.layers), VOCABULARY).eval()
    # name: (what to run, steps in a round, the name it is compared with)
    runs: dict[str, tuple[TimedRun, int, str]] = {
        "one reader, plain nn.LSTM loop": (lambda n: plain_loop(model, n), 300, ""),
        "one reader, fp32": (generate_one(model, "fp32"), 1000, "one reader, plain nn.LSTM loop"),
        "one reader, int8": (generate_one(model, "int8"), 2000, "one reader, plain nn.LSTM loop"),
        "one reader, tutorial's loop": (lambda n: tutorial_loop(model, n), 40, ""),
        "one reader, int8 (again)": (generate_one(model, "int8"), 2000, "one reader, tutorial's loop"),
    }
    for precision in ("fp32", "int8"):
        decoder = Decoder(model, precision)
        runs[f"prompt, {precision}"] = (prompt(decoder), 640, "" if precision == "fp32" else "prompt, fp32")
        for count, rounds in ((1, 1000), (256, 30)):
            rival = OnnxDecoder(model, count, int8=precision == "int8", threads=options.threads)
            runs[f"step, {count} rows, {precision}, ONNX Runtime"] = (onnx_steps(rival, count), rounds, "")
            runs[f"step, {count} rows, {precision}"] = (
                steps(decoder, count), rounds, f"step, {count} rows, {precision}, ONNX Runtime",
            )  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run, count, _ in runs.values():
        run(max(5, count // 10))
    for _ in range(options.rounds):
        for name, (run, count, _) in runs.items():
            time.sleep(REST_SECONDS)
            run(max(5, count // 20))
            start = time.perf_counter()
            run(count)
            times[name].append((time.perf_counter() - start) / count * 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{options.layers}, 65 symbols; {conditions(options.threads)}\n")
    print("| | us per step or character | compared with | times as fast |\n|---|---|---|---|")
    for name, value in medians.items():
        other = runs[name][2]
        print(f"| {name} | {value:,.0f} | {other} | {f'{medians[other] / value:.2f}' if other else ''} |")
    print(json.dumps({"benchmark": "decoding", "threads": options.threads, "us": medians}))


if __name__ == "__main__":
    main()
