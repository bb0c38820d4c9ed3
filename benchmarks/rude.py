"""Visitors of all manners on the app: who ask, stop, vanish, send rubbish, read slowly or never.

`python -m benchmarks.rude --visitors 5000 --seconds 600` is the whole campaign, `--visitors 300 --seconds 60` a small
one.
Prints what the server holds before and after, and how long the polite wait for their first text. App and visitors share
the machine; the model is the shipped one. A seed fixes who comes when.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import psutil

from benchmarks.load import health_under, p95, running
from benchmarks.load_clients import Connection, Visit, find_page, page
from benchmarks.machine import conditions

LENGTH = 200
"""Characters of each reply."""

LIFE_SECONDS = 30.0
"""After which a visitor who still waits for something has gone."""

MEMORY_SAMPLES = 20

RUBBISH = (
    b"GET / HT", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"POST /gradio_api/queue/join HTTP/1.1\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
    b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n[[[[[[[[[",
    b"GET /gradio_api/queue/data?session_hash=nobody HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
)  # fmt: skip


class Crowd:
    """The visitors of one campaign. waits: the seconds of the polite to their first text."""

    def __init__(self, port: int, found: dict[str, Any], rng: random.Random) -> None:
        self.port, self.found, self.rng = port, found, rng
        self.polite: list[Visit] = []
        self.ended: Counter[str] = Counter()
        self.kinds: dict[str, tuple[int, Callable[[], Awaitable[None]]]] = {
            "ask": (4, self.ask), "stop": (2, self.stop), "vanish": (2, self.vanish),
            "rubbish": (2, self.rubbish), "read slowly": (1, self.listen_slowly), "read never": (1, self.listen_never),
        }  # fmt: skip
        """What a visitor may do, each with its weight."""

    async def visit(self, at: float) -> None:
        """One visitor, who comes `at` seconds after the beginning."""
        await asyncio.sleep(at)
        names = list(self.kinds)
        [name] = self.rng.choices(names, [self.kinds[name][0] for name in names])
        try:
            async with asyncio.timeout(LIFE_SECONDS):
                await self.kinds[name][1]()
            self.ended[name] += 1
        except TimeoutError:
            self.ended[f"{name}: gone after {LIFE_SECONDS:.0f} s"] += 1
        except (OSError, EOFError, ValueError) as error:  # closed by the server, as is right for some
            self.ended[f"{name}: {type(error).__name__}"] += 1

    async def ask(self) -> None:
        visit = Visit()
        self.polite.append(visit)
        await page(self.port, self.found, LENGTH, visit)

    async def stop(self) -> None:
        await page(self.port, self.found, LENGTH, Visit(), leave_after=self.rng.uniform(0.2, 3))

    async def join(self) -> str:
        """Send a message as the page does; returns its session."""
        session = uuid.uuid4().hex[:12]
        body = {
            "data": [LENGTH if name == "field-length" else None for name in self.found["inputs"]],
            "fn_index": self.found["fn_index"],
            "session_hash": session,
            "event_data": {"turn": uuid.uuid4().hex, "typed": "To be, or not to be"},
        }
        async with Connection(self.port) as connection:
            await connection.json("POST", "/gradio_api/queue/join", body)
        return session

    async def vanish(self) -> None:
        await self.join()

    async def rubbish(self) -> None:
        async with Connection(self.port) as connection:
            connection.outgoing.write(self.rng.choice(RUBBISH))
            await connection.incoming.read()

    async def listen_slowly(self) -> None:
        await self.stream(pause=0.5)

    async def listen_never(self) -> None:
        await self.stream(pause=LIFE_SECONDS)

    async def stream(self, pause: float) -> None:
        """Open the stream of a message's reply, and read 100 bytes of it after each pause."""
        session = await self.join()
        async with Connection(self.port) as connection:
            head = f"GET /gradio_api/queue/data?session_hash={session} HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n"
            connection.outgoing.write(head.encode())
            while True:
                await asyncio.sleep(pause)
                if not await connection.incoming.read(100):
                    return


def holdings(process: psutil.Process) -> dict[str, float]:
    """What the server's process holds."""
    with process.oneshot():
        return {
            "memory MB": round(process.memory_info().rss / 1e6, 1),
            "descriptors": process.num_fds(),
            "threads": process.num_threads(),
        }


async def sample_memory(process: psutil.Process, pause: float, memory: list[float]) -> None:
    """Append the memory in MB after each pause of so many seconds, until cancelled: growth that ends is no leak."""
    while True:
        await asyncio.sleep(pause)
        memory.append(holdings(process)["memory MB"])


async def campaign(port: int, process: psutil.Process, options: argparse.Namespace) -> dict[str, Any]:
    rng = random.Random(options.seed)
    crowd = Crowd(port, await find_page(port), rng)
    await crowd.ask()  # so that what the first reply allocates is there before
    crowd.polite.clear()
    before = holdings(process)
    arrivals = [rng.uniform(0, options.seconds) for _ in range(options.visitors)]
    memory: list[float] = []
    sampling = asyncio.create_task(sample_memory(process, options.seconds / MEMORY_SAMPLES, memory))
    seconds, health = await health_under(port, [crowd.visit(at) for at in arrivals])
    sampling.cancel()
    await asyncio.sleep(options.settle)
    first = [visit.first for visit in crowd.polite if visit.first is not None]
    whole = sum(len(visit.text) >= LENGTH for visit in crowd.polite)
    return {
        "seconds": round(seconds, 1),
        "ended": dict(sorted(crowd.ended.items())),
        "before": before,
        "after": holdings(process),
        "memory MB meanwhile": memory,
        "polite": len(crowd.polite),
        "polite, whole replies": whole,
        "polite, first text p95 s": round(p95(first), 3) if first else None,
        "healthz longest s": round(max(health), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=600.0, help="in which they come")
    parser.add_argument("--settle", type=float, default=90.0, help="seconds before the second look at the server")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.strftime("%H:%M:%S")
    with running() as (port, pid):
        figures = asyncio.run(campaign(port, psutil.Process(pid), options))
    print(f"{options.visitors} visitors in {options.seconds:.0f} s, seed {options.seed}, from {started}")
    print(conditions(os.cpu_count() or 1))
    for name, value in figures.items():
        print(f"  {name}: {value}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
