"""The view "Look inside" for one person: from Enter to a drawn text of 200 characters, and a step of the scrubber.

`python -m benchmarks.inside` drives headless Chromium through Playwright; `--beside` has 20 programs look inside while
50 pages chat, and compares the chat's first text with and without them, in turn. Prints a table and one JSON line. App,
browser and script share the machine; the model is the shipped one, and each text is another.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.browser import chromium
from benchmarks.load_clients import Connection, Visit, find_page, page
from benchmarks.page import report, running_app
from hubcharlstm import CharLSTM

LENGTH = 200
TYPED = 30
"""Characters that are typed, at ten a second, after the others are pasted."""
CHATTING, LOOKING = 50, 20
REPLY = 200
PAUSE_SECONDS = 5.0
"""Between two texts of one who looks inside."""

# From Enter until the frame with the new text, its cell and its layer is on the screen.
PAINTED = """() => new Promise((resolve) => {
  const field = document.querySelector("#inside .own-text");
  const start = performance.now();
  const strip = document.querySelector("#inside .strip");
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  }).observe(strip, { childList: true, characterData: true, subtree: true });
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
})"""

PASTE = """(text) => {
  const field = document.querySelector("#inside .own-text");
  field.value = text;
  field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertFromPaste" }));
}"""

# The work of a step, its layout included: what must fit between two frames.
STEPS = """(count) => {
  const slider = document.getElementById("inside-scrubber");
  slider.focus();
  slider.dispatchEvent(new KeyboardEvent("keydown", { key: "Home", bubbles: true, cancelable: true }));
  return Array.from({ length: count }, () => {
    const start = performance.now();
    slider.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
    document.querySelector("#inside .more-columns").getBoundingClientRect();
    return performance.now() - start;
  });
}"""


def texts_of(count: int) -> list[str]:
    """Different texts of `LENGTH` characters, by the model itself."""
    model = CharLSTM.from_pretrained()
    return [model.generate("ROMEO:\n", max_new_tokens=LENGTH, seed=seed) for seed in range(count)]


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def measure(tries: int) -> dict[str, float]:
    texts = texts_of(4 * tries)
    waits = {"Enter at once": 0.0, "Enter 0.3 s later": 0.3, "Enter 1 s later": 1.0}
    painted: dict[str, list[float]] = {}
    with chromium() as browser, running_app() as url:
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(f"{url}/#inside")
        tab.wait_for_selector("#inside .char")
        time.sleep(1)
        for number in range(tries):
            for name, wait in waits.items():
                tab.evaluate(PASTE, texts.pop())
                time.sleep(wait)
                painted.setdefault(f"pasted, {name}", []).append(tab.evaluate(PAINTED))
            if number % 2 == 0:
                text = texts.pop().replace("\n", " ")  # which would be Enter
                tab.evaluate(PASTE, text[:-TYPED])
                tab.focus("#inside .own-text")
                tab.keyboard.type(text[-TYPED:], delay=100)
                painted.setdefault(f"typed, the last {TYPED} by key", []).append(tab.evaluate(PAINTED))
        steps = [step for _ in range(3) for step in tab.evaluate(STEPS, LENGTH - 1)]
        requests = [request(url, text) for text in texts_of(5 * tries)[4 * tries :]]
    figures = {}
    for name, times in {**painted, "answer of the server alone": requests, "step of the scrubber": steps}.items():
        figures[f"ms, {name}, median"] = statistics.median(times)
        figures[f"ms, {name}, p95"] = p95(times)
    return figures


def request(url: str, text: str) -> float:
    """Milliseconds of one trace with what the page asks for."""
    start = time.perf_counter()
    answer = httpx.post(f"{url}/inside/trace", json={"text": text, "maps": [["cell", 0]]}, timeout=60)
    answer.raise_for_status()
    return 1000 * (time.perf_counter() - start)


async def chat(port: int, found: dict[str, Any], ends: float, first: list[float], failed: list[str]) -> None:
    """Messages on the page at reading pace, one after the other, until `ends`."""
    await asyncio.sleep(random.uniform(0, 4))
    while time.monotonic() < ends:
        visit = Visit()
        await page(port, found, REPLY, visit)
        if visit.first is None:
            failed.append(visit.failed or visit.sentence or "no text")
        else:
            first.append(1000 * visit.first)
        await asyncio.sleep(random.uniform(1, 3))


async def inspect(port: int, texts: list[str], ends: float, times: list[float]) -> None:
    """A text of its own every few seconds until `ends`."""
    await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))
    while time.monotonic() < ends:
        started = time.perf_counter()
        async with Connection(port) as connection:
            status, pieces = await connection.ask("POST", "/inside/trace", {"text": texts.pop(), "maps": [["cell", 0]]})
            assert status == 200 and b"".join([piece async for piece in pieces])
        times.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.7, 1.3))


async def chat_beside(port: int, seconds: float, rounds: int) -> dict[str, float]:
    found, texts = await find_page(port), texts_of(int(LOOKING * rounds * (seconds / PAUSE_SECONDS / 0.7 + 2)))
    first: dict[str, list[float]] = {"alone": [], "beside": []}
    times: list[float] = []
    failed: list[str] = []
    for _ in range(rounds):
        for name, values in first.items():
            ends = time.monotonic() + seconds
            chats = [chat(port, found, ends, values, failed) for _ in range(CHATTING)]
            inspections = [inspect(port, texts, ends, times) for _ in range(LOOKING if name == "beside" else 0)]
            await asyncio.gather(*chats, *inspections)
    p95s = {name: p95(values) for name, values in first.items()}
    return {
        **{f"ms, first text of {CHATTING} who chat, {name}, median": statistics.median(v) for name, v in first.items()},
        **{f"ms, first text of {CHATTING} who chat, {name}, p95": value for name, value in p95s.items()},
        "slower, p95, %": 100 * (p95s["beside"] / p95s["alone"] - 1),
        "messages": sum(map(len, first.values())),
        "messages without text": len(failed),
        "texts traced": len(times),
        "ms, a trace beside the chat, median": statistics.median(times),
        "ms, a trace beside the chat, p95": p95(times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=40, help="texts to trace (default: 40)")
    parser.add_argument("--beside", action="store_true", help="20 look inside while 50 chat")
    parser.add_argument("--seconds", type=float, default=40, help="of each half of a round beside (default: 40)")
    parser.add_argument("--rounds", type=int, default=3, help="with and without, in turn (default: 3)")
    options = parser.parse_args()
    if options.beside:
        with running_app() as url:
            figures = asyncio.run(chat_beside(urlsplit(url).port or 80, options.seconds, options.rounds))
        report("inside beside", options.rounds, f"{LOOKING} look inside while {CHATTING} chat", figures)
        return
    what = f"one person in headless Chromium, {options.tries} texts of {LENGTH} characters each"
    report("inside", options.tries, what, measure(options.tries))


if __name__ == "__main__":
    main()
