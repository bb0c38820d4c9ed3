"""A hundred clients and more of the app, beside a bare Gradio app: latency, throughput, and what they leave behind.

`python -m benchmarks.load api often page crowd same usual` runs the named parts, `soak --minutes 30` a long one.
Prints a table and one JSON line. App, bare app and load share the machine; the model is the shipped one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load_clients import Connection, Visit, call, find_page, page
from benchmarks.machine import conditions
from benchmarks.page import start_app, wait_for
from hubcharlstm import CharLSTM

ROOT = Path(__file__).parent.parent
PROMPT = "To be, or not to be"
PACE = 100
PARTS = ("api", "often", "clients", "clients-often", "page", "crowd", "same", "usual", "soak")
CLIENTS = """
import json, sys, threading, time
from gradio_client import Client
port, name, num_clients, arguments = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
clients = [Client(f"http://127.0.0.1:{port}/", verbose=False, analytics_enabled=False) for _ in range(num_clients)]
started, updates, done = time.perf_counter(), [], []
def read(client):
    updates.append(sum(1 for _ in client.submit(**arguments, api_name="/" + name)))
    done.append(time.perf_counter() - started)
threads = [threading.Thread(target=read, args=(client,)) for client in clients]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({"seconds": max(done), "updates": sum(updates) / num_clients, "clients": len(done)}))
"""
"""A hundred of Gradio's own clients in one process."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(module: str | None = None) -> Iterator[tuple[int, int]]:
    """The app, or the one that a module serves, in a process of its own: (port, process id)."""
    port = free_port()
    if module is None:
        process = start_app(port)
    else:
        process = subprocess.Popen([sys.executable, "-m", module, str(port)], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        time.sleep(1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


def p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]


async def together(visits: Sequence[Any]) -> float:
    """Seconds until all visits are done."""
    started = time.perf_counter()
    await asyncio.gather(*visits)
    return time.perf_counter() - started


POLL = """
import http.client, sys, time
print(flush=True)
while True:
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    connection.request("GET", "/healthz")
    assert connection.getresponse().read()
    connection.close()
    print(time.perf_counter() - started, flush=True)
    time.sleep(0.05)
"""
"""Polls `/healthz` in a process of its own: among hundreds of clients in one event loop it would wait for them."""


async def health_under(port: int, visits: Sequence[Any]) -> tuple[float, list[float]]:
    """Seconds until all visits are done, and the latencies of `/healthz` meanwhile."""
    process = subprocess.Popen([sys.executable, "-c", POLL, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()  # it has begun
    seconds = await together(visits)
    process.terminate()
    waits = [float(line) for line in process.stdout.read().split()]
    return seconds, waits


def summary(visits: Sequence[Visit], seconds: float, length: int) -> dict[str, float]:
    whole = [visit for visit in visits if len(visit.text) >= length]
    return {
        "all done s": seconds,
        "first text p95 s": p95([visit.first for visit in visits if visit.first is not None]),
        "done p95 s": p95([visit.done for visit in whole]),
        "updates each": statistics.mean(visit.updates for visit in whole),
        "whole": len(whole),
        "busy": sum(visit.is_busy for visit in visits),
        "errors": sum(bool(visit.failed or (visit.sentence and not visit.is_busy)) for visit in visits),
    }


async def api(port: int, bare: int, num_clients: int, length: int) -> dict[str, float]:
    """`num_clients` concurrent programs, then as many on the bare app with as many updates."""
    visits = [Visit() for _ in range(num_clients)]
    params = {"prompt": PROMPT, "max_new_tokens": length}
    calls = [call(port, "complete", {**params, "seed": seed}, visit) for seed, visit in enumerate(visits)]
    seconds, waits = await health_under(port, calls)
    figures = summary(visits, seconds, length)
    updates = max(1, round(figures["updates each"]))
    others = [Visit() for _ in range(num_clients)]
    params = {"characters": length, "updates": updates}
    bare_seconds = await together([call(bare, "canned", params, visit) for visit in others])
    assert all(len(visit.text) == length for visit in others)
    return {
        **figures,
        "bare s": bare_seconds,
        "times bare": seconds / bare_seconds,
        "healthz worst ms": max(waits) * 1e3,
    }


def clients(port: int, bare: int, num_clients: int, length: int) -> dict[str, float]:
    """The same with Gradio's own clients, which take a core themselves."""

    def run(at: int, name: str, **arguments: Any) -> dict[str, float]:
        command = [sys.executable, "-c", CLIENTS, str(at), name, str(num_clients), json.dumps(arguments)]
        found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert found["clients"] == num_clients
        return found

    own = run(port, "complete", prompt=PROMPT, max_new_tokens=length)
    other = run(bare, "canned", characters=length, updates=max(1, round(own["updates"])))
    return {
        "all done s": own["seconds"],
        "updates each": own["updates"],
        "bare s": other["seconds"],
        "times bare": own["seconds"] / other["seconds"],
    }


async def on_page(port: int, num_clients: int, length: int) -> dict[str, float]:
    """`num_clients` page sessions at reading pace."""
    found = await find_page(port)
    visits = [Visit() for _ in range(num_clients)]
    seconds, waits = await health_under(port, [page(port, found, length, visit) for visit in visits])
    return {**summary(visits, seconds, length), "aim s": length / PACE + 1, "healthz worst ms": max(waits) * 1e3}


async def crowd(port: int, num_clients: int, length: int) -> dict[str, float]:
    """A burst of API calls: how many complete within 15 seconds?"""
    visits = [Visit() for _ in range(num_clients)]
    params = {"prompt": PROMPT, "max_new_tokens": length}
    calls = [call(port, "complete", {**params, "seed": seed}, visit) for seed, visit in enumerate(visits)]
    seconds, waits = await health_under(port, calls)
    within = sum(len(visit.text) >= length and visit.done <= 15 for visit in visits)
    return {**summary(visits, seconds, length), "whole within 15 s": within, "healthz worst ms": max(waits) * 1e3}


async def same(port: int, requests: int) -> dict[str, float]:
    """Random requests, 50 at a time, compared with each alone in this process."""
    model, draw = CharLSTM.from_pretrained(precision="int8"), random.Random(8)
    requested = []
    for seed in range(requests):
        prompt = "".join(draw.choices(model.vocabulary.chars, k=draw.choice([1, 5, 20, 100, 1_000])))
        settings = {
            "max_new_tokens": draw.randint(1, 400), "temperature": draw.choice([0, 0.5, 0.8, 1.2, 2]),
            "top_k": draw.choice([0, 0, 3, 10]), "top_p": draw.choice([1.0, 1.0, 0.9]),
            "min_p": draw.choice([0.0, 0.0, 0.05]), "stop": draw.choice([None, None, "e", "\n\n", "the"]), "seed": seed,
        }  # fmt: skip
        requested.append((prompt, settings))
    slots = asyncio.Semaphore(50)
    visits = [Visit() for _ in requested]

    async def one(prompt: str, settings: dict[str, Any], visit: Visit) -> None:
        async with slots:
            await call(port, "complete", {"prompt": prompt, **settings}, visit)

    seconds = await together([one(*request, visit) for request, visit in zip(requested, visits, strict=True)])
    alone = [model.generate(prompt, **settings) for prompt, settings in requested]
    refused = [visit.sentence or visit.failed for visit in visits if visit.sentence or visit.failed]
    differ = sum(visit.text != text for visit, text in zip(visits, alone, strict=True))
    return {"requests": requests, "texts that differ": differ, "refused": len(refused), "seconds": seconds}


async def usual(bare: int, num_clients: int, length: int) -> dict[str, float]:
    """The usual Gradio demo, for scale."""
    visits = [Visit() for _ in range(num_clients)]
    params = {"prompt": PROMPT, "characters": length}
    return summary(visits, await together([call(bare, "usual", params, visit) for visit in visits]), length)


async def soak(port: int, process: int, minutes: float) -> dict[str, float]:
    """Clients come, read, stop, and close their pages: is memory bounded, is every row released?"""
    found, draw = await find_page(port), random.Random(8)
    app, ends = psutil.Process(process), time.monotonic() + minutes * 60
    visits: list[Visit] = []
    sizes: list[tuple[float, float]] = []

    async def come() -> None:
        visit, length = Visit(), draw.choice([50, 200, 500, 2_000])
        visits.append(visit)
        if draw.random() < 0.3:
            await call(port, "complete", {"prompt": PROMPT, "max_new_tokens": length}, visit)
        else:
            leaves = draw.choice([None, 0.0, 1.0, 3.0])
            await page(port, found, min(length, 500), visit, leave_after=leaves)

    under_way: set[asyncio.Task[None]] = set()
    sampled = 0.0
    while time.monotonic() < ends:
        task = asyncio.create_task(come())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(draw.expovariate(1 / 0.4))
        if time.monotonic() - sampled > 60:
            sampled = time.monotonic()
            sizes.append((minutes * 60 - (ends - sampled), app.memory_info().rss / 2**20))
            print(f"{sizes[-1][0]:6.0f} s {sizes[-1][1]:8.1f} MiB, {len(visits)} visits", file=sys.stderr, flush=True)
    await asyncio.gather(*under_way, return_exceptions=True)
    await asyncio.sleep(65)  # two evictions of idle sessions
    sizes.append((minutes * 60, app.memory_info().rss / 2**20))
    async with Connection(port) as connection:
        _, health = await connection.json("GET", "/healthz")
    rows_in_use = sum(
        value for engine in health["engines"].values() for value in engine.values() if isinstance(value, int)
    )
    third = len(sizes) // 3
    return {
        "minutes": minutes,
        "visits": len(visits),
        "errors": sum(bool(visit.failed) for visit in visits),
        "MiB after a third": sizes[third][1],
        "MiB at the end": sizes[-1][1],
        "rows in use": rows_in_use,
        "requests left": health["running"] + health["queued"],
        "connections left": len(app.net_connections()) - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--rounds", type=int, default=3, help=f"of {', '.join(PARTS[:-3])} (default: 3)")
    parser.add_argument("--length", type=int, default=500, help="characters of each request (default: 500)")
    parser.add_argument("--minutes", type=float, default=30)
    options = parser.parse_args()
    print(f"{conditions(os.cpu_count() or 1)}; load average {os.getloadavg()[0]:.1f}\n", flush=True)
    results: dict[str, list[dict[str, float]]] = {}
    with ExitStack() as stack:
        port, process = stack.enter_context(running())
        bare, _ = stack.enter_context(running("benchmarks.canned"))
        wanted = {"often", "clients-often"} & set(options.parts)
        often = stack.enter_context(running("benchmarks.often"))[0] if wanted else port
        for app in {port, often}:
            asyncio.run(api(app, bare, 5, 50))  # warm-up
        for part in options.parts:
            for _ in range(1 if part in PARTS[-3:] else options.rounds):
                figures = {
                    "api": lambda: asyncio.run(api(port, bare, 100, options.length)),
                    "often": lambda: asyncio.run(api(often, bare, 100, options.length)),
                    "clients": lambda: clients(port, bare, 100, options.length),
                    "clients-often": lambda: clients(often, bare, 100, options.length),
                    "page": lambda: asyncio.run(on_page(port, 100, options.length)),
                    "crowd": lambda: asyncio.run(crowd(port, 500, options.length)),
                    "same": lambda: asyncio.run(same(port, 1_000)),
                    "usual": lambda: asyncio.run(usual(bare, 10, options.length)),
                    "soak": lambda: asyncio.run(soak(port, process, options.minutes)),
                }[part]()
                results.setdefault(part, []).append(figures)
                print(f"| {part} | {', '.join(f'{key} {value:,.3g}' for key, value in figures.items())} |", flush=True)
    print(json.dumps({"benchmark": "load", "length": options.length, "results": results}))


if __name__ == "__main__":
    main()
