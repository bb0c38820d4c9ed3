"""Latency of the page for one client: from Enter to the first text, and from the start of the app to the first text.

`python -m benchmarks.page` drives headless Chromium through Playwright, and prints a table and one JSON line. The app,
the browser and this script share the machine; the model is the shipped one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import conditions

ROOT = Path(__file__).parent.parent
SECONDS = 60.0

# Records when Enter goes down and when the first letter of the reply appears.
WATCH = """() => {
  window.times = {};
  const pressed = (event) => {
    if (event.key === 'Enter') window.times = { enter: performance.now() };
  };
  const check = () => {
    const replies = document.querySelectorAll('.reply');
    const text = replies[replies.length - 1]?.lastChild;
    const isNew = replies.length > (window.before ?? 0);
    if (window.times.enter && !window.times.first && isNew && text.length > 0) {
      window.times.first = performance.now();
      window.before = replies.length;
    }
  };
  document.addEventListener('keydown', pressed, true);
  const everything = { childList: true, subtree: true, characterData: true };
  new MutationObserver(check).observe(document.getElementById('conversation'), everything);
}"""


def start_app(port: int, folder: Path = ROOT) -> subprocess.Popen[bytes]:
    """Start the app of the checkout in `folder`."""
    named = ("HUBCHARLSTM_MODEL", "SPACE_ID", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in named}
    return subprocess.Popen(
        [sys.executable, str(folder / "app.py")],
        cwd=folder,
        env={**environment, "GRADIO_SERVER_PORT": str(port)},
        stdout=subprocess.DEVNULL,
    )


def wait_for(port: int) -> None:
    """Wait until something listens at `port`."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"The app did not open its port in {SECONDS:.0f} seconds.")


@contextmanager
def running_app() -> Iterator[str]:
    """The address of this checkout's app, once its port is open; the app ends with the context."""
    port = free_port()
    app = start_app(port)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def report(benchmark: str, tries: int, what: str, figures: dict[str, float]) -> None:
    """Print a table and one JSON line. what: was measured, beside the conditions."""
    print(f"{conditions(os.cpu_count() or 1)}; {what}")
    for name, value in figures.items():
        print(f"{name:50} {value:8.1f}")
    print(json.dumps({"benchmark": benchmark, "tries": tries, **figures}))


def send(page: Any, text: str) -> None:
    page.fill("#field-message textarea", text)
    page.press("#field-message textarea", "Enter")


def first_texts(page: Any, tries: int) -> list[float]:
    """Milliseconds from Enter to the first letter of the reply, for `tries` messages in a row."""
    latencies = []
    for number in range(tries):
        send(page, f"To be, or not {number} ")
        page.wait_for_function("window.times.first")
        latencies.append(page.evaluate("window.times.first - window.times.enter"))
        page.keyboard.press("Escape")
        page.wait_for_selector("#send", state="visible")
    return latencies


def measure(tries: int) -> dict[str, float]:
    from playwright.sync_api import sync_playwright

    port = free_port()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        started = time.monotonic()
        app = start_app(port)
        try:
            wait_for(port)
            port_open = time.monotonic() - started
            page.goto(f"http://127.0.0.1:{port}")
            page.wait_for_selector("#send")
            page.evaluate(WATCH)
            send(page, "To be, or ")
            page.wait_for_function("window.times.first")
            first_text = time.monotonic() - started
            page.keyboard.press("Escape")
            page.wait_for_selector("#send", state="visible")
            times = first_texts(page, tries)
        finally:
            app.terminate()
            app.wait(10)
            browser.close()
    return {
        "seconds from start to the open port": port_open,
        "seconds from start to the first text": first_text,
        "milliseconds from Enter to first text, median": statistics.median(times),
        "milliseconds from Enter to first text, p95": statistics.quantiles(times, n=20)[-1],
        "milliseconds from Enter to first text, worst": max(times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=40, help="messages to send (default: 40)")
    tries = parser.parse_args().tries
    report("page", tries, f"one client in headless Chromium, {tries} tries", measure(tries))


if __name__ == "__main__":
    main()
