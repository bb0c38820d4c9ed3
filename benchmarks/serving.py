"""Many readers through the engine: throughput, waiting, sameness and memory.

`python -m benchmarks.serving` prints a table for people and one JSON line for machines. Weights are random; load and
engine share the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import threading
import time

import torch

from benchmarks.decoding import VOCABULARY, config_of
from benchmarks.machine import conditions
from hubcharlstm import CharLSTM
from hubcharlstm.decoding import openmp
from hubcharlstm.decoding.sampling import RandomStream, SamplingParams
from hubcharlstm.engine.engine import Engine
from hubcharlstm.engine.sequence import GenerationRequest


def build(layers: str, precision: str) -> CharLSTM:
    torch.manual_seed(0)
    model = CharLSTM(config_of(layers), VOCABULARY).eval()
    with torch.no_grad():
        model.head.weight.mul_(20)  # random weights hardly prefer a character; sharper ones test more
    model.precision = precision
    return model


def request(seed: int, characters: int, prompt: tuple[int, ...] = (1,)) -> GenerationRequest:
    return GenerationRequest(prompt, characters, SamplingParams(0.8), RandomStream.for_request(seed, prompt))


def throughput(model: CharLSTM, readers: int = 100, characters: int = 500) -> dict[str, float]:
    """Characters per second of `readers` requests through the engine, beside the decoder's own steps at that batch.

    The steps run in a thread of their own, as the engine's do, after a warm-up.
    """
    decoder = model.decoder  # once: asking for it compares all weights with those that it has folded
    buffer, ids = decoder.state_buffer(readers), torch.randint(len(VOCABULARY), (readers,))
    alone: list[float] = []
    through: list[float] = []

    def steps() -> None:
        for count in (50, 400):
            start = time.perf_counter()
            for _ in range(count):
                decoder.step(ids, buffer)
        alone.append(400 * readers / (time.perf_counter() - start))

    for _ in range(7):
        openmp.release_thread_team()
        thread = threading.Thread(target=steps)
        thread.start()
        thread.join()
        engine = Engine(decoder)
        start = time.perf_counter()
        taken = [engine.submit(request(seed, characters)) for seed in range(readers)]
        total = sum(len(ids) for reader in taken for ids in reader)
        through.append(total / (time.perf_counter() - start))
        engine.close()
    own, engine_rate = statistics.median(alone), statistics.median(through)
    return {"decoder characters/s": own, "engine characters/s": engine_rate, "engine's share": engine_rate / own}


def carried(model: CharLSTM, readers: int, pace: float = 100.0, seconds: float = 8.0) -> dict[str, float]:
    """How late characters come, at worst, if every reader takes `pace` a second while the engine writes ahead."""
    engine = Engine(model.decoder, max_rows=readers)
    characters = int(pace * seconds)
    start = time.perf_counter()
    late: list[float] = [0.0] * readers
    taken = [engine.submit(request(seed, characters)) for seed in range(readers)]
    counts, done = [0] * readers, 0
    while done < readers:
        done = 0
        now = time.perf_counter() - start
        for index, reader in enumerate(taken):
            counts[index] += len(reader.take(0))
            due = min(characters, int(now * pace))
            if counts[index] < due:
                late[index] = max(late[index], now - counts[index] / pace)
            done += reader.finish_reason is not None
        time.sleep(0.02)
    total = time.perf_counter() - start
    engine.close()
    return {"readers": readers, "characters each": characters, "seconds": total, "worst lateness s": max(late)}


def first_character(model: CharLSTM, others: int = 99, tries: int = 60) -> dict[str, float]:
    """From `submit` to the first character while `others` are being written."""
    engine = Engine(model.decoder)
    running = [engine.submit(request(seed, 100_000)) for seed in range(others)]
    for reader in running:
        next(reader)
    waits = []
    for seed in range(tries):
        start = time.perf_counter()
        reader = engine.submit(request(1000 + seed, 5, tuple(range(1, 51))))
        next(reader)
        waits.append(time.perf_counter() - start)
        reader.cancel()
        time.sleep(0.01)
    for reader in running:
        reader.cancel()
    engine.close()
    waits.sort()
    return {"p50 ms": waits[tries // 2] * 1e3, "p95 ms": waits[int(tries * 0.95)] * 1e3}


def sameness(layers: str, precision: str, requests: int) -> dict[str, float]:
    """How many of many random requests get another text beside others than alone."""
    model = build(layers, precision)
    draw = random.Random(model.config.hidden_size)
    wanted = []
    for seed in range(requests):
        length = 5000 if seed % 100 == 0 else draw.choice([1, 5, 20, 100])
        prompt = "".join(draw.choices(VOCABULARY.chars, k=length))
        stop = draw.choice([None, None, "AB", [draw.choice(VOCABULARY.chars) * 2]])
        settings = {
            "max_new_tokens": draw.randint(1, 300), "temperature": draw.choice([0, 0.5, 0.8, 1.2]),
            "top_k": draw.choice([0, 0, 10]), "top_p": draw.choice([1.0, 1.0, 0.9]),
            "min_p": draw.choice([0.0, 0.0, 0.05]), "stop": stop, "seed": seed,
        }  # fmt: skip
        wanted.append((prompt, settings, draw.random() * 2, draw.random() < 0.1))
    alone = [model.generate(prompt, **settings) for prompt, settings, _, _ in wanted]
    engine = Engine(model.decoder, max_rows=64, max_waiting=requests)
    texts: list[str] = [""] * requests

    def read(index: int) -> None:
        prompt, settings, delay, leaves = wanted[index]
        time.sleep(delay)
        stream = model.stream(prompt, engine=engine, **settings)
        for piece in stream:
            texts[index] += piece
            if leaves and len(texts[index]) > 20:
                stream.cancel()

    for first in range(0, requests, 200):
        waiting = [threading.Thread(target=read, args=(n,)) for n in range(first, min(first + 200, requests))]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
    engine.close()
    differ = sum(
        not whole.startswith(text) if leaves else whole != text
        for whole, text, (_, _, _, leaves) in zip(alone, texts, wanted, strict=True)
    )
    return {"requests": requests, "texts that differ": differ}


def memory(model: CharLSTM, characters: int) -> dict[str, float]:
    """Growth of the process's peak memory over `characters`, after a first tenth."""
    engine = Engine(model.decoder)

    def write(count: int) -> None:
        for reader in [engine.submit(request(seed, count // 100)) for seed in range(100)]:
            for _ in reader:
                pass

    write(characters // 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write(characters)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine.close()
    return {"characters": characters, "growth MiB": (after - before) / 1024}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--layers", default="1x896", help="of the network, as 2x512 (default: the shipped model's)")
    arguments.add_argument("--requests", type=int, default=1000, help="of the sameness test (default: 1000)")
    arguments.add_argument("--memory-characters", type=int, default=1_000_000)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.layers}, 65 symbols; {conditions(options.threads)}\n")
    model = build(options.layers, "int8")
    results: dict[str, dict[str, float]] = {
        "100 requests of 500 characters": throughput(model),
        "first character while 99 others run": first_character(model),
    }
    for readers in (500, 600):
        results[f"{readers} readers at 100 characters/s"] = carried(model, readers)
    for layers in ("2x97", "2x300", options.layers):
        results[f"sameness, int8, {layers}"] = sameness(layers, "int8", options.requests)
    results[f"sameness, fp32, {options.layers}"] = sameness(options.layers, "fp32", options.requests)
    results["memory"] = memory(model, options.memory_characters)
    for name, figures in results.items():
        print(f"| {name} | {', '.join(f'{key} {value:,.3g}' for key, value in figures.items())} |")
    print(json.dumps({"benchmark": "serving", "threads": options.threads, "results": results}))


if __name__ == "__main__":
    main()
