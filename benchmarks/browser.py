"""The exported model in headless Chromium beside int8 in Python: equal texts, speed, the first character, memory.

`python -m benchmarks.browser [texts speed page]` prints a table for each part and one JSON line. texts: 1,000 texts of
200 characters, four prompts with 250 seeds each, and the step at which those that differ part. The model is the shipped
one; browser and script share the machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks import browser_rivals
from benchmarks.machine import conditions
from hubcharlstm import CharLSTM, __version__
from hubcharlstm.export.html_page import write_page
from hubcharlstm.export.package import write_package

ORIGIN = "http://export.test/"
PROMPTS = ("ROMEO:\n", "To be, or ", "CLEOPATRA:\n", "O foul revolt ")
LENGTH = 200

WRITE = """([prompt, seeds, length]) => seeds.map((seed) => {
  const stream = model.generate(prompt, { seed, maxNewTokens: length });
  while (stream.read());
  return stream.text;
})"""

STEPS = """(ids) => {
  let state = null;
  return ids.map((id) => {
    const result = model.step(state, id);
    state = result.state;
    return [Array.from(state.h), Array.from(result.logits)];
  });
}"""

SPEED = """([prompt, length, times]) => Array.from({ length: times }, (_, seed) => {
  const start = performance.now();
  const stream = model.generate(prompt, { seed, maxNewTokens: length });
  while (stream.read());
  return (1000 * length) / (performance.now() - start);
})"""

CLICK_AT_ONCE = """window.times = {};
new MutationObserver((_, observer) => {
  const starter = document.querySelector(".starter");
  if (starter && !times.starter) {
    times.starter = performance.now();
    starter.click();
  }
  if (!(document.querySelector(".reply")?.lastChild.length > 0)) return;
  times.letter = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true, characterData: true });"""


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--headless", "--no-sandbox", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        yield browser
        browser.close()


def open_module(browser: Any, folder: Path) -> Any:
    """A page whose `model` is the package in `folder`."""
    page = browser.new_page()
    page.set_default_timeout(0)
    kinds = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", "": "text/html"}

    def answer(route: Any) -> None:
        path = folder / route.request.url.removeprefix(ORIGIN)
        body = path.read_bytes() if path.is_file() else b""
        route.fulfill(body=body, content_type=kinds.get(path.suffix, "application/octet-stream"))

    page.route("**/*", answer)
    page.goto(ORIGIN)
    page.evaluate("async () => { window.model = await (await import('/index.js')).load(); }")
    return page


def compare_texts(model: CharLSTM, page: Any, seeds: int) -> dict[str, Any]:
    """The share of equal texts; of those that differ, where a hidden value first differs and where the text does."""
    parted = []
    for prompt in PROMPTS:
        expected = model.generate(prompt, num_samples=seeds, seed=0, max_new_tokens=LENGTH)
        found = page.evaluate(WRITE, [prompt, list(range(seeds)), LENGTH])
        parted += [(prompt, text) for text, other in zip(expected, found, strict=True) if text != other]
        positions = [
            next(n for n, pair in enumerate(zip(text, other, strict=True)) if pair[0] != pair[1])
            for text, other in zip(expected, found, strict=True)
            if text != other
        ]
        print(
            f"{prompt!r}: {seeds - len(positions)} of {seeds} equal; the others part at {sorted(positions)}", flush=True
        )
    total = seeds * len(PROMPTS)
    return {
        "equal": total - len(parted),
        "of": total,
        "first": [first_difference(model, page, prompt + text) for prompt, text in parted[:20]],
    }


def first_difference(model: CharLSTM, page: Any, text: str) -> dict[str, Any] | None:
    """The first step at which a rounded hidden value differs while both read `text`, and the logits there."""
    ids = list(model.vocabulary.encode(text).ids)
    buffer = model.decoder.state_buffer(1)
    largest = 0.0
    for step, (new_id, (h, logits)) in enumerate(zip(ids, page.evaluate(STEPS, ids), strict=True)):
        expected = model.decoder.step(torch.tensor([new_id]), buffer)[0]
        difference = float((expected - torch.tensor(logits)).abs().max())
        units = (buffer.hidden[0].to(torch.int32) - torch.tensor(h, dtype=torch.int32)).abs()
        if int(units.sum()):
            changed = int((units > 0).sum())
            return {"step": step, "units": changed, "by": int(units.max()), "logits": difference, "before": largest}
        largest = max(largest, difference)
    return None


def measure_speed(model: CharLSTM, page: Any) -> dict[str, Any]:
    """Characters a second of one thread, the browser and Python in turn."""
    browser_rates, python_rates = [], []
    for _ in range(5):
        browser_rates += page.evaluate(SPEED, [PROMPTS[0], 500, 3])
        start = time.perf_counter()
        model.generate(PROMPTS[0], seed=0, max_new_tokens=500)
        python_rates.append(500 / (time.perf_counter() - start))
    return {"browser": round(statistics.median(browser_rates)), "browser_best": round(max(browser_rates)),
            "python": round(statistics.median(python_rates))}  # fmt: skip


def measure_rivals(model: CharLSTM, browser: Any, folder: Path, runtime: Path) -> dict[str, Any]:
    """onnxruntime-web in one thread and the module. runtime: the `dist` of its npm package."""
    browser_rivals.prepare(model, folder, runtime)
    page = open_module(browser, folder)
    text = PROMPTS[0] + model.generate(PROMPTS[0], seed=0, max_new_tokens=LENGTH)
    return browser_rivals.measure(model, page, lambda: list(page.evaluate(SPEED, [PROMPTS[0], 300, 2])), STEPS, text)


def measure_pages(browser: Any, paths: list[Path], tries: int = 10) -> dict[str, dict[str, Any]]:
    """Of each page, opened in turn: milliseconds from the start of the navigation to the first starter and letter.

    A visitor who is faster than any clicks the starter as soon as it is there. Memory is what the page's process holds
    for itself beyond that of an empty page after a reply, worker included.
    """
    found: dict[str, dict[str, list[float]]] = {
        path.name: {"starter": [], "letter": [], "memory": []} for path in paths
    }
    for number in range(tries):
        for path in paths if number % 2 == 0 else reversed(paths):
            page = browser.new_page()
            page.add_init_script(CLICK_AT_ONCE)
            before = renderer_bytes()
            page.goto(path.as_uri())
            page.wait_for_selector(".reply", state="attached")
            page.wait_for_selector("#send", state="visible")
            for name, value in page.evaluate("times").items():
                found[path.name][name].append(value)
            found[path.name]["memory"].append(renderer_bytes() - before)
            page.close()
    return {
        name: {
            "starter_ms": round(statistics.median(one["starter"])), "first_ms": round(statistics.median(one["letter"])),
            "best_ms": round(min(one["letter"])), "memory_mb": round(statistics.median(one["memory"]) / 1e6, 1),
        }
        for name, one in found.items()
    }  # fmt: skip


def renderer_bytes() -> int:
    """The bytes that the browser's renderers share with no other process."""
    children = psutil.Process().children(recursive=True)
    return sum(child.memory_full_info().uss for child in children if "--type=renderer" in child.cmdline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", default=["texts", "speed", "page"])
    parser.add_argument("--seeds", type=int, default=250, help="for each of the four prompts (default: 250)")
    parser.add_argument("--onnxruntime-web", type=Path, metavar="DIST", help="its npm package's dist, to compare with")
    parser.add_argument(
        "--beside", type=lambda name: Path(name).resolve(), nargs="*", default=[], metavar="PAGE",
        help="pages of other versions, opened in turn",
    )  # fmt: skip
    parser.add_argument("--tries", type=int, default=10, help="of each page (default: 10)")
    options = parser.parse_args()
    model = CharLSTM.from_pretrained(device="cpu", precision="int8")
    results: dict[str, Any] = {"conditions": conditions(torch.get_num_threads())}
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        results["chromium"] = browser.version
        folder, path = Path(temporary) / "module", Path(temporary) / "page.html"
        write_package(model, folder, version=__version__)
        results["bytes"] = write_page(model, path, version=__version__)
        if "page" in options.parts:
            results["page"] = measure_pages(browser, [path, *options.beside], options.tries)
        module = open_module(browser, folder)
        if "speed" in options.parts:
            results["speed"] = measure_speed(model, module)
        if options.onnxruntime_web:
            results["onnxruntime-web"] = measure_rivals(model, browser, folder, options.onnxruntime_web)
        if "texts" in options.parts:
            results["texts"] = compare_texts(model, module, options.seeds)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
