"""The view "Make your own" through its routes: what a minute teaches, whom a training slows down, what stays behind.

    python -m benchmarks.making texts [--chars 20000] [--seconds 60] [--kinds chat poem code macbeth]

Trains on each kind of text from scratch and from the shipped model, and prints what the record of the finished model
says: loss on the held-out end beside the static Kneser-Ney of the same split, words that occur in the text, copied
20-grams. The shipped model has read the plays that all kinds but the code come from. With 60 seconds about two minutes
for each of the eight trainings, with 180 four.

    python -m benchmarks.making beside [--pages 50] [--rounds 3]

The time to the first text of so many pages that chat at once, with and without a training, in turn.

    python -m benchmarks.making abandoned [--count 100] [--leave 5]

Trainings that are begun and given up, --leave of them without a word: these go by themselves, for their owners have no
tab. Prints processes, files, open files and memory afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import math
import os
import random
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.load import free_port, on_page
from benchmarks.machine import conditions
from benchmarks.making_texts import KINDS, text_of
from benchmarks.page import start_app, wait_for
from training.evaluation.baselines import KNESER_NEY

ANSWER_SECONDS = 60.0
PHASE_SECONDS = 600.0
EXPIRY_SECONDS = 640.0
"""After which what was left without a word has gone."""
LENGTH = 300
"""Characters of each reply on the pages."""


@dataclass
class RunningApp:
    """The app in a process of its own. folder: of all its temporary files."""

    port: int
    process: psutil.Process
    folder: Path

    @property
    def model(self) -> str:
        """The label of the shipped model."""
        return str(httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=ANSWER_SECONDS).json()["model"])

    def files(self) -> list[Path]:
        """What visitors have given, and what came of it."""
        return [path for path in self.folder.rglob("hubcharlstm-making-*/*/**/*") if path.is_file()]


@contextmanager
def running_app() -> Iterator[RunningApp]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        process = start_app(port)
        try:
            wait_for(port)
            yield RunningApp(port, psutil.Process(process.pid), Path(folder))
        finally:
            process.terminate()
            process.wait(20)


class Owner:
    """A browser with a text, as the server knows it."""

    def __init__(self, app: RunningApp) -> None:
        key = f"{random.getrandbits(128):032x}"
        url = f"http://127.0.0.1:{app.port}/make/"
        self._client = httpx.Client(base_url=url, headers={"x-hubcharlstm-owner": key}, timeout=ANSWER_SECONDS)

    def call(self, route: str, **options: Any) -> dict[str, Any]:
        """The answer of a route; a body makes it a POST."""
        answer = self._client.request("POST" if options else "GET", route, **options)
        if answer.status_code != 200:
            raise RuntimeError(f"{route} answers {answer.status_code}: {answer.text}")
        return dict(answer.json())

    def until(self, *phases: str) -> dict[str, Any]:
        """The state once it has one of these phases; raises `RuntimeError` if it fails or takes too long."""
        deadline = time.monotonic() + PHASE_SECONDS
        while (state := self.call("state"))["phase"] not in phases:
            if state["phase"] == "failed" or time.monotonic() > deadline:
                raise RuntimeError(f"It is {state['phase']}: {state['sentence']}")
            time.sleep(0.2)
        return state

    def give(self, text: str) -> None:
        self.call("text", content=text.encode())
        self.until("checked")

    def start(self, seconds: int, model: str = "") -> None:
        self.call("start", json={"seconds": seconds, "model": model})

    def forget(self) -> None:
        self.call("forget", json={})

    def record(self) -> dict[str, Any]:
        """Of the finished model, out of its download."""
        archive = zipfile.ZipFile(io.BytesIO(self._client.get("model.zip").content))
        name = next(name for name in archive.namelist() if name.endswith("/training.json"))
        return dict(json.loads(archive.read(name)))


# --- what a minute teaches --------------------------------------------------------------------------------------------


def learn(app: RunningApp, text: str, seconds: int, model: str) -> dict[str, Any]:
    """Train as the page does; figures of the record, and seconds from the press of the button to the finished model."""
    owner = Owner(app)
    owner.give(text)
    began = time.monotonic()
    owner.start(seconds, model)
    owner.until("ready")
    waited = time.monotonic() - began
    record = owner.record()
    owner.forget()
    number = record["baselines"][KNESER_NEY]["nats"] / math.log(2)
    return {
        "chars": len(text), "waited": waited, "kneser_ney": number, "bits": record["val_bpc"],
        "words": record["words"]["0.8"], "held_out_words": record["words"]["held_out"],
        "copied": record["copying"]["sampled"]["20"], "held_out_copied": record["copying"]["held_out"]["20"],
    }  # fmt: skip


def texts(app: RunningApp, kinds: list[str], chars: int, seconds: int) -> list[dict[str, Any]]:
    print(
        "| text | characters | begins | ready after | Kneser-Ney | its bits | words at 0.8 (held-out) | "
        "copied 20-grams (held-out) |\n|---|---|---|---|---|---|---|---|"
    )
    rows = []
    for kind in kinds:
        text = text_of(kind, chars)
        for begin, model in (("from scratch", ""), ("with the shipped model", app.model)):
            row = {"kind": kind, "begin": begin, **learn(app, text, seconds, model)}
            rows.append(row)
            print(
                f"| {kind} | {row['chars']:,} | {begin} | {row['waited']:.0f} s | {row['kneser_ney']:.2f} | "
                f"{row['bits']:.2f} | {row['words']:.1%} ({row['held_out_words']:.1%}) | {row['copied']:.1%} "
                f"({row['held_out_copied']:.1%}) |",
                flush=True,
            )
    return rows


# --- whom it slows down -----------------------------------------------------------------------------------------------


def beside(app: RunningApp, pages: int, rounds: int) -> dict[str, Any]:
    """First texts with and without a training, in turn, after one round that is not counted."""
    owner = Owner(app)
    owner.give(text_of("macbeth", 100_000))
    asyncio.run(on_page(app.port, pages, LENGTH))
    figures: dict[str, list[float]] = {"alone": [], "beside a training": []}
    for _ in range(rounds):
        for name in figures:
            if name != "alone":
                owner.start(180)
                while not owner.call("state")["run"]["step"]:
                    time.sleep(0.2)
            found = asyncio.run(on_page(app.port, pages, LENGTH))
            assert found["whole"] == pages and not found["errors"], found
            figures[name].append(found["first text p95 s"])
            print(f"| {name} | {', '.join(f'{key} {value:,.3g}' for key, value in found.items())} |", flush=True)
            if name != "alone":
                owner.call("stop", json={})
                owner.until("ready", "checked")
                owner.call("again", json={})
    alone, busy = (statistics.median(values) for values in figures.values())
    print(
        f"first text p95, median of {rounds}: {alone:.3f} s, beside a training {busy:.3f} s, {busy / alone:.2f} times"
    )
    return figures


# --- what stays behind ------------------------------------------------------------------------------------------------


def abandoned(app: RunningApp, count: int, leave: int) -> dict[str, Any]:
    """Begin and give up; then wait until what was only left has gone, too."""
    draw, text = random.Random(8), text_of("poem", 20_000)
    sizes = [footprint(app)]
    for number in range(count):
        owner = Owner(app)
        owner.give(text)
        owner.start(30)
        while draw.random() < 0.8 and not has_learned(owner.call("state")):
            time.sleep(draw.uniform(0.1, 2))
        if number < count - leave:
            owner.forget()
        sizes.append(footprint(app))
        if number % 10 == 9:
            print(f"{number + 1} begun: {sizes[-1]}", file=sys.stderr, flush=True)
    deadline = time.monotonic() + EXPIRY_SECONDS * bool(leave)
    while (app.files() or app.process.children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(5)
    last, warm = footprint(app), sizes[min(10, count)]
    print("| | processes | files | open files | MiB |\n|---|---|---|---|---|")
    for name, values in (("at the start", sizes[0]), (f"after {min(10, count)}", warm), ("at the end", last)):
        print(f"| {name} | {' | '.join(str(value) for value in values.values())} |")
    return {"start": sizes[0], "warm": warm, "end": last}


def has_learned(state: dict[str, Any]) -> bool:
    """Whether a training waits no more and has come to its first evaluation."""
    return bool(state["run"] and state["run"]["metrics"])


def footprint(app: RunningApp) -> dict[str, float]:
    """What the app holds now."""
    return {
        "processes": len(app.process.children(recursive=True)),
        "files": len(app.files()),
        "open files": app.process.num_fds(),
        "MiB": round(app.process.memory_info().rss / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("texts", "beside", "abandoned"))
    parser.add_argument("--chars", type=int, default=20_000)
    parser.add_argument("--seconds", type=int, default=60, choices=(30, 60, 180))
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--leave", type=int, default=5, help="of --count, not more than six wait at a time")
    options = parser.parse_args()
    print(f"{conditions(os.cpu_count() or 1)}; load average {os.getloadavg()[0]:.1f}\n", flush=True)
    with running_app() as app:
        found = {
            "texts": lambda: texts(app, options.kinds, options.chars, options.seconds),
            "beside": lambda: beside(app, options.pages, options.rounds),
            "abandoned": lambda: abandoned(app, options.count, options.leave),
        }[options.part]()
    print(json.dumps({"benchmark": "making", "part": options.part, "results": found}))


if __name__ == "__main__":
    main()
