"""Many clients at one engine: throughput, latency, reproducibility and memory.

`python -m benchmarks.serving` prints a table and one JSON line. Weights are random, and clients and engine share the
machine.
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
        model.head.weight.mul_(20)  # random weights give nearly uniform distributions; sharper ones test more
    model.precision = precision
    return model


def request(seed: int, characters: int, prompt: tuple[int, ...] = (1,)) -> GenerationRequest:
    return GenerationRequest(prompt, characters, SamplingParams(0.8), RandomStream.for_request(seed, prompt))


def throughput(model: CharLSTM, num_clients: int = 100, characters: int = 500) -> dict[str, float]:
    """Characters per second of `num_clients` requests at the engine, and of the decoder's own steps at that batch size.

    The steps run in a thread of their own, as the engine's do, after a warm-up.
    """
    decoder = model.decoder  # once: each access compares the weights with those it was built from
    buffer, ids = decoder.state_buffer(num_clients), torch.randint(len(VOCABULARY), (num_clients,))
    alone: list[float] = []
    through_engine: list[float] = []

    def steps() -> None:
        for count in (50, 400):
            start = time.perf_counter()
            for _ in range(count):
                decoder.step(ids, buffer)
        alone.append(400 * num_clients / (time.perf_counter() - start))

    for _ in range(7):
        openmp.release_thread_team()
        thread = threading.Thread(target=steps)
        thread.start()
        thread.join()
        engine = Engine(decoder)
        start = time.perf_counter()
        handles = [engine.submit(request(seed, characters)) for seed in range(num_clients)]
        total = sum(len(ids) for handle in handles for ids in handle)
        through_engine.append(total / (time.perf_counter() - start))
        engine.close()
    own, engine_rate = statistics.median(alone), statistics.median(through_engine)
    return {"decoder characters/s": own, "engine characters/s": engine_rate, "engine's share": engine_rate / own}


def lateness(model: CharLSTM, num_clients: int, pace: float = 100.0, seconds: float = 8.0) -> dict[str, float]:
    """The worst delay of a character behind a client's `pace` a second while the engine decodes as fast as it can."""
    engine = Engine(model.decoder, max_rows=num_clients)
    characters = int(pace * seconds)
    start = time.perf_counter()
    late: list[float] = [0.0] * num_clients
    handles = [engine.submit(request(seed, characters)) for seed in range(num_clients)]
    counts, done = [0] * num_clients, 0
    while done < num_clients:
        done = 0
        now = time.perf_counter() - start
        for index, handle in enumerate(handles):
            counts[index] += len(handle.take(0))
            due = min(characters, int(now * pace))
            if counts[index] < due:
                late[index] = max(late[index], now - counts[index] / pace)
            done += handle.finish_reason is not None
        time.sleep(0.02)
    total = time.perf_counter() - start
    engine.close()
    return {"readers": num_clients, "characters each": characters, "seconds": total, "worst lateness s": max(late)}


def first_character(model: CharLSTM, others: int = 99, tries: int = 60) -> dict[str, float]:
    """The time from `submit` to the first character while `others` requests are running."""
    engine = Engine(model.decoder)
    running = [engine.submit(request(seed, 100_000)) for seed in range(others)]
    for handle in running:
        next(handle)
    waits = []
    for seed in range(tries):
        start = time.perf_counter()
        handle = engine.submit(request(1000 + seed, 5, tuple(range(1, 51))))
        next(handle)
        waits.append(time.perf_counter() - start)
        handle.cancel()
        time.sleep(0.01)
    for handle in running:
        handle.cancel()
    engine.close()
    waits.sort()
    return {"p50 ms": waits[tries // 2] * 1e3, "p95 ms": waits[int(tries * 0.95)] * 1e3}


def sameness(layers: str, precision: str, requests: int) -> dict[str, float]:
    """How many of `requests` random requests get another text beside others than alone."""
    model = build(layers, precision)
    rng = random.Random(model.config.hidden_size)
    requested = []
    for seed in range(requests):
        length = 5000 if seed % 100 == 0 else rng.choice([1, 5, 20, 100])
        prompt = "".join(rng.choices(VOCABULARY.chars, k=length))
        stop = rng.choice([None, None, "AB", [rng.choice(VOCABULARY.chars) * 2]])
        settings = {
            "max_new_tokens": rng.randint(1, 300), "temperature": rng.choice([0, 0.5, 0.8, 1.2]),
            "top_k": rng.choice([0, 0, 10]), "top_p": rng.choice([1.0, 1.0, 0.9]),
            "min_p": rng.choice([0.0, 0.0, 0.05]), "stop": stop, "seed": seed,
        }  # fmt: skip
        requested.append((prompt, settings, rng.random() * 2, rng.random() < 0.1))
    alone = [model.generate(prompt, **settings) for prompt, settings, _, _ in requested]
    engine = Engine(model.decoder, max_rows=64, max_waiting=requests)
    texts: list[str] = [""] * requests

    def consume(index: int) -> None:
        prompt, settings, delay, cancels = requested[index]
        time.sleep(delay)
        stream = model.stream(prompt, engine=engine, **settings)
        for piece in stream:
            texts[index] += piece
            if cancels and len(texts[index]) > 20:
                stream.cancel()

    for first in range(0, requests, 200):
        waiting = [threading.Thread(target=consume, args=(n,)) for n in range(first, min(first + 200, requests))]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
    engine.close()
    differ = sum(
        not whole.startswith(text) if cancels else whole != text
        for whole, text, (_, _, _, cancels) in zip(alone, texts, requested, strict=True)
    )
    return {"requests": requests, "texts that differ": differ}


def memory(model: CharLSTM, characters: int) -> dict[str, float]:
    """Growth of the process's peak memory over `characters`, after a first tenth."""
    engine = Engine(model.decoder)

    def write(count: int) -> None:
        for handle in [engine.submit(request(seed, count // 100)) for seed in range(100)]:
            for _ in handle:
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
    for num_clients in (500, 600):
        results[f"{num_clients} readers at 100 characters/s"] = lateness(model, num_clients)
    for layers in ("2x97", "2x300", options.layers):
        results[f"sameness, int8, {layers}"] = sameness(layers, "int8", options.requests)
    results[f"sameness, fp32, {options.layers}"] = sameness(options.layers, "fp32", options.requests)
    results["memory"] = memory(model, options.memory_characters)
    for name, figures in results.items():
        print(f"| {name} | {', '.join(f'{key} {value:,.3g}' for key, value in figures.items())} |")
    print(json.dumps({"benchmark": "serving", "threads": options.threads, "results": results}))


if __name__ == "__main__":
    main()
