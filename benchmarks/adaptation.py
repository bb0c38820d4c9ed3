"""How much better a model knows the rest of a text after it has adapted to its beginning, and what it loses at home.

    python -m benchmarks.adaptation --home OWN.txt [--seconds 6] [--steps N] TEXT [TEXT ...]

Each text is a UTF-8 file. The model that ships in the package adapts to its first half, up to 20,000 characters, and is
scored on what follows, up to 20,000 characters. --home: a text like the model's own that it was not trained on; the
adapted models are scored on its first 10,000 characters.

    python -m benchmarks.adaptation --first-text TEXT

The time from a prompt to its first character in the app's engine, alone and while a copy of the model adapts to the
text as it does in the app.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from benchmarks.machine import conditions
from hubcharlstm import CharLSTM
from hubcharlstm.demo.chat import remembering
from hubcharlstm.demo.served_model import ServedModel
from hubcharlstm.demo.settings import Settings
from hubcharlstm.demo.threads import lower_priority

ADAPTED = 20_000
SCORED = 20_000
HOME = 10_000
ROUNDS, REQUESTS = 5, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--home", type=Path, default=None)
    parser.add_argument("--first-text", action="store_true")
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(conditions(arguments.threads))
    model = CharLSTM.from_pretrained(device="cpu")
    if arguments.first_text:
        measure_first_text(model, arguments.texts[0].read_text(encoding="utf-8")[:ADAPTED])
        return
    if arguments.home is None:
        parser.error("--home is missing; expected a text like the model's own: name one.")
    home = arguments.home.read_text(encoding="utf-8")[:HOME]
    home_before = bpc(model, home)
    print(f"own kind of text before: {home_before:.3f} bits per character")
    print("| text | characters | steps | seconds | its rest before | after | own kind of text after |")
    print("|---|---|---|---|---|---|---|")
    for path in arguments.texts:
        text = path.read_text(encoding="utf-8")
        cut = min(ADAPTED, len(text) // 2)
        rest = text[cut : cut + SCORED]
        started = time.monotonic()
        adapted = model.adapt(text[:cut], seconds=arguments.seconds, steps=arguments.steps)
        seconds = time.monotonic() - started
        facts = adapted.adaptation
        assert facts is not None
        print(
            f"| {path.name} | {facts.characters:,} | {facts.steps} | {seconds:.1f} | {bpc(model, rest):.3f} | "
            f"{bpc(adapted, rest):.3f} | {bpc(adapted, home):.3f} |",
            flush=True,
        )


def measure_first_text(model: CharLSTM, text: str) -> None:
    """Print median and 95th percentile of the milliseconds to the first character, in turn alone and beside."""
    served_model = ServedModel.of("model", None, model)
    seconds: dict[str, list[float]] = {"alone": [], "beside an adaptation": []}
    with ThreadPoolExecutor(1, initializer=lower_priority) as executor:
        for _ in range(ROUNDS):
            seconds["alone"] += [first_text(served_model, seed) for seed in range(REQUESTS)]
            ended = threading.Event()
            job = executor.submit(remembering.adapt, model, text, ended.is_set)
            time.sleep(0.5)
            seconds["beside an adaptation"] += [first_text(served_model, seed) for seed in range(REQUESTS)]
            assert not job.done(), "the adaptation ended before the requests"
            ended.set()
            job.result()
    for name, values in seconds.items():
        ordered = sorted(1000 * value for value in values)
        print(f"{name}: median {ordered[len(ordered) // 2]:.1f} ms, p95 {ordered[int(len(ordered) * 0.95)]:.1f} ms")
    served_model.engine.close()


def first_text(served_model: ServedModel, seed: int) -> float:
    """Seconds from a prompt to its first character."""
    started = time.monotonic()
    stream = asyncio.run(served_model.stream("To be, or not to be, ", Settings(length=40), seed=seed))
    next(iter(stream))
    elapsed = time.monotonic() - started
    stream.cancel()
    return elapsed


def bpc(model: CharLSTM, text: str) -> float:
    """Bits per character of a text."""
    return model.score(text, num_chunks=8).bpc


if __name__ == "__main__":
    main()
