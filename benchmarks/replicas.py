"""A hundred users of one process, of two behind nginx, and of two of which one is killed while it writes.

`python -m benchmarks.replicas [--users 100] [--length 500] [--rounds 3]` prints a table and one JSON line. Users
read the page at its pace, programs stream `/v1/completions` as fast as it goes. Whoever is cut off asks again at once:
a user for the rest of the text, a program for all of it. Apps, nginx and load share the machine; nginx has the
configuration of `examples/replicas`, the model is the shipped one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load_clients import Connection, Visit, find_page, open_page, page, parse_events
from benchmarks.machine import conditions
from benchmarks.page import ROOT, free_port, wait_for
from tests.support.nginx import Nginx

PROMPT = "To be, or not to be"
KILL_AFTER = {"page": 2.0, "programs": 0.4}
"""Seconds after which a replica is killed, in the middle of most replies."""
BROKEN = (OSError, asyncio.IncompleteReadError)

Send = Callable[[Visit, int], Awaitable[None]]


@dataclass
class User:
    """One who asks for a text, and once more if they are cut off. first: seconds until the first letter."""

    text: str = ""
    first: float | None = None
    is_cut_off: bool = False

    async def ask(self, ask: Send, length: int) -> None:
        visit = Visit()
        try:
            await ask(visit, length)
        except BROKEN as error:
            visit.failed = repr(error)
        self.is_cut_off = self.is_cut_off or bool(visit.failed)
        self.text += visit.text
        self.first = self.first or visit.first


async def use_page(port: int, found: dict[str, Any], cookie: str, user: User, length: int) -> None:
    """Read a reply on the page; the page that is opened after a break goes on with its rest."""

    async def ask(visit: Visit, missing: int) -> None:
        await page(port, found, missing, visit, cookie=cookie)

    await user.ask(ask, length)
    if user.is_cut_off:
        cookie = await open_page(port, cookie)
        await user.ask(ask, length - len(user.text))


async def call_completions(port: int, model: str, seed: int, user: User, length: int) -> None:
    """Stream a text as a program does; after a break it begins again."""
    body = {"model": model, "prompt": PROMPT, "max_tokens": length, "seed": seed, "stream": True}

    async def ask(visit: Visit, _: int) -> None:
        async with Connection(port) as connection:
            status, pieces = await connection.ask("POST", "/v1/completions", body)
            visit.failed = "" if status == 200 else str(status)
            async for event in parse_events(pieces):
                if status == 200 and event["data"] != "[DONE]":
                    visit.see(visit.text + json.loads(event["data"])["choices"][0]["text"])

    await user.ask(ask, length)
    if user.is_cut_off:
        user.text = ""
        await user.ask(ask, length)


@contextmanager
def running_replica(name: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    omitted = ("HUBCHARLSTM_MODEL", "SPACE_ID", "PYTHONPATH")
    environment = {key: value for key, value in os.environ.items() if key not in omitted}
    environment |= {"GRADIO_SERVER_PORT": str(port), "HUBCHARLSTM_TRUSTED_PROXIES": "127.0.0.1"}
    environment |= {"HUBCHARLSTM_REPLICA": name}
    command = [sys.executable, str(ROOT / "app.py")]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port, process
    finally:
        process.terminate()
        process.wait(10)


async def measure(
    port: int, kind: str, num_users: int, length: int, victim: subprocess.Popen[bytes] | None = None
) -> dict[str, float]:
    """The figures of some users at once. victim: the process to kill meanwhile, None for none."""
    users = [User() for _ in range(num_users)]
    if kind == "page":
        found = await find_page(port)
        cookies = [await open_page(port) for _ in users]
        requests = [use_page(port, found, cookie, user, length) for cookie, user in zip(cookies, users, strict=True)]
    else:
        async with Connection(port) as connection:
            _, models = await connection.json("GET", "/v1/models")
        name = models["data"][0]["id"]
        requests = [call_completions(port, name, seed, user, length) for seed, user in enumerate(users)]
    if victim is not None:
        asyncio.get_running_loop().call_later(KILL_AFTER[kind], victim.kill)
    started = time.perf_counter()
    await asyncio.gather(*requests)
    seconds = time.perf_counter() - started
    return figures(users, seconds, length)


def figures(users: Sequence[User], seconds: float, length: int) -> dict[str, float]:
    firsts = sorted(seconds if user.first is None else user.first for user in users)
    cut_off = sum(user.is_cut_off for user in users)
    failed = sum(len(user.text) < length for user in users)
    return {
        "first text p50 s": statistics.median(firsts),
        "first text p95 s": firsts[min(len(firsts) - 1, int(len(firsts) * 0.95))],
        "characters/s": sum(len(user.text) for user in users) / seconds,
        "all done s": seconds,
        "cut off %": 100 * cut_off / len(users),
        "failed %": 100 * failed / len(users),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100, help="at once (default: 100)")
    parser.add_argument("--length", type=int, default=500, help="characters of each text (default: 500)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    options = parser.parse_args()
    print(f"{conditions(os.cpu_count() or 1)}; load average {os.getloadavg()[0]:.1f}\n", flush=True)
    results: dict[str, list[dict[str, float]]] = {}

    def run(row: str, port: int, kind: str, victim: subprocess.Popen[bytes] | None = None) -> None:
        found = asyncio.run(measure(port, kind, options.users, options.length, victim))
        results.setdefault(f"{kind}, {row}", []).append(found)
        print(f"| {kind}, {row} | {', '.join(f'{key} {value:,.3g}' for key, value in found.items())} |", flush=True)

    for kind in [*KILL_AFTER] * options.rounds:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (port, first), (other, _) = (stack.enter_context(running_replica(name)) for name in "ab")
            nginx = Nginx(folder / "nginx", (port, other))
            stack.callback(nginx.close)
            for warmed_up in (port, other):
                asyncio.run(measure(warmed_up, "programs", 5, 50))
            run("one process", port, kind)
            run("two behind nginx", nginx.port, kind)
            run("one of two killed", nginx.port, kind, first)
    settings = {"users": options.users, "length": options.length}
    print(json.dumps({"benchmark": "replicas", **settings, "results": results}))


if __name__ == "__main__":
    main()
