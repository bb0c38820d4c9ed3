"""Forged continuations of some 700 kB at once, and how long they keep the event loop from everybody else.

`python -m benchmarks.bodies --count 20` sends each kind and prints the seconds until all are answered, and the longest
wait of `/healthz` meanwhile, asked from a process of its own. App and clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import uuid
from collections import Counter
from collections.abc import Mapping
from typing import Any

from benchmarks.load import health_under, running
from benchmarks.load_clients import Connection, find_page
from benchmarks.machine import conditions

REPLY: Mapping[str, Any] = {
    "id": "0123456789abcdef", "text": "To be", "seed": "7", "temperature": 0.8, "length": 200, "top_k": 0, "top_p": 1.0,
    "min_p": 0.0, "stop": "", "model": "", "revision": "", "precision": "fp32", "device": "cpu",
}  # fmt: skip
TURN: Mapping[str, Any] = {
    "typed": "To be", "speaker": "", "context": "", "prompt": "To be", "shown": "To be", "warnings": [],
    "replies": [REPLY],
}  # fmt: skip
JUNK = {str(number): ["x" * 20] * 3 for number in range(6_500)}

KINDS: Mapping[str, Mapping[str, Any]] = {
    "unknown keys of the turn": TURN | {"bookmark": JUNK},
    "unknown keys of a reply": TURN | {"replies": [REPLY | {"bookmark": JUNK}]},
    "12,000 warnings": TURN | {"warnings": [{"key": "a", "params": {"x": "y" * 20}}] * 12_000},
    "long known texts": TURN | {"replies": [REPLY | {"python": "p" * 160_000}] * 4},
}


async def send(port: int, found: Mapping[str, Any], target: Mapping[str, Any], answers: Counter[str]) -> None:
    """One forged continuation, whose answer is read to its end."""
    session = uuid.uuid4().hex[:12]
    body = {
        "data": [{"field-length": 200, "full-speed": True}.get(name) for name in found["inputs"]],
        "fn_index": found["fn_index"],
        "session_hash": session,
        "event_data": {"turn": uuid.uuid4().hex, "target": target, "index": 0, "typed": "", "length": 200},
    }
    async with Connection(port) as connection:
        status, _ = await connection.json("POST", "/gradio_api/queue/join", body)
        answers[f"status {status}"] += 1
        if status == 200:
            async for event in connection.events(f"/gradio_api/queue/data?session_hash={session}"):
                answers["bytes sent back"] += len(event.get("data", ""))


async def measure(port: int, target: Mapping[str, Any], count: int) -> dict[str, Any]:
    found = await find_page(port)
    answers: Counter[str] = Counter()
    seconds, health = await health_under(port, [send(port, found, target, answers) for _ in range(count)])
    longest = max(health, default=seconds)
    return {"body bytes": len(json.dumps(target)), "all answered s": seconds, "healthz longest s": longest, **answers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    print(conditions(os.cpu_count() or 1))
    with running() as (port, _):
        for name, target in KINDS.items():
            print(name, json.dumps(asyncio.run(measure(port, target, options.count))), flush=True)


if __name__ == "__main__":
    main()
