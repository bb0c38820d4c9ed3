"""The view "Look inside" for one person: from Enter to a drawn text of 200 characters, and a step of the scrubber.

`python -m benchmarks.inside` drives headless Chromium through Playwright, and prints a table and one JSON line. App,
browser and script share the machine; the model is the shipped one, and each text is another.
"""

from __future__ import annotations

import argparse
import statistics
import time

import httpx

from benchmarks.browser import chromium
from benchmarks.page import report, running_app
from hubcharlstm import CharLSTM

LENGTH = 200

# From Enter until the frame with the new text, its cell and its layer is on the screen.
PAINTED = """(text) => new Promise((resolve) => {
  const field = document.querySelector("#inside .own-text");
  field.value = text;
  const start = performance.now();
  const strip = document.querySelector("#inside .strip");
  new MutationObserver((_, observer) => {
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start)));
  }).observe(strip, { childList: true });
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
})"""

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
    texts = texts_of(2 * tries)
    with chromium() as browser, running_app() as url:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{url}/#inside")
        page.wait_for_selector("#inside .char")
        time.sleep(1)
        painted = [page.evaluate(PAINTED, text) for text in texts[:tries]]
        steps = [step for _ in range(3) for step in page.evaluate(STEPS, LENGTH - 1)]
        requests = [request(url, text) for text in texts[tries:]]
    return {
        "milliseconds from Enter to the drawn text, median": statistics.median(painted),
        "milliseconds from Enter to the drawn text, p95": p95(painted),
        "of these the answer of the server, median": statistics.median(requests),
        "of these the answer of the server, p95": p95(requests),
        "milliseconds of a step of the scrubber, median": statistics.median(steps),
        "milliseconds of a step of the scrubber, p95": p95(steps),
        "milliseconds of a step of the scrubber, worst": max(steps),
    }


def request(url: str, text: str) -> float:
    """Milliseconds of one trace with what the page asks for."""
    start = time.perf_counter()
    answer = httpx.post(f"{url}/inside/trace", json={"text": text, "maps": [["cell", 0]]}, timeout=60)
    answer.raise_for_status()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=40, help="texts to trace (default: 40)")
    tries = parser.parse_args().tries
    what = f"one person in headless Chromium, {tries} texts of {LENGTH} characters"
    report("inside", tries, what, measure(tries))


if __name__ == "__main__":
    main()
