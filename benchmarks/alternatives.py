"""Latency of the alternatives in the chat: from a click on a character of a reply to the ten likeliest, as shown.

`python -m benchmarks.alternatives` drives headless Chromium through Playwright, and prints one JSON line. The app, the
browser and this script share the machine; the model is the shipped one, and each character is asked for once.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

from benchmarks.browser import chromium
from benchmarks.machine import conditions
from benchmarks.page import running_app, send

CLICK = """async (at) => {
  const node = [...document.querySelectorAll(".reply")].at(-1).lastChild;
  const range = document.createRange();
  range.setStart(node, at);
  range.setEnd(node, at + 1);
  node.parentNode.scrollIntoView();
  node.parentNode.ownerDocument.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  const reply = node.parentNode;
  const view = document.querySelector(".view");
  view.scrollTop += range.getBoundingClientRect().top - view.getBoundingClientRect().top - 40;
  await new Promise((resolve) => setTimeout(resolve, 50));
  const box = range.getBoundingClientRect();
  if (box.width === 0) return null;
  const start = performance.now();
  const point = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
  reply.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1, ...point }));
  while (!document.querySelector(".alternative")) await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
"""Milliseconds from a click on the character at an offset of the last reply; null where it has no width."""


def measure(browser: Any, url: str, length: int, clicks: int) -> dict[str, float]:
    """Median and 95th percentile of `clicks` places of a reply of `length` characters, in milliseconds."""
    page = browser.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.get_by_label("number input for Length").fill(str(length))
    page.get_by_label("number input for Length").press("Tab")
    page.locator("#full-speed input").check()
    send(page, "To be, or ")
    page.wait_for_selector(".reply")
    page.wait_for_selector("#send", state="visible")
    page.evaluate(CLICK, 1)  # the first one builds what all others use
    offsets = [2 + number * (length - 4) // clicks for number in range(clicks)]
    times = [time for time in (page.evaluate(CLICK, offset) for offset in offsets) if time is not None]
    page.close()
    return {
        "length": length,
        "clicks": len(times),
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=100, help="places of each reply (default: %(default)s)")
    options = parser.parse_args()
    with running_app() as url, chromium() as browser:
        found = [measure(browser, url, length, options.clicks) for length in (200, 2000)]
    print(json.dumps({"benchmark": "alternatives", "conditions": conditions(1), "replies": found}))


if __name__ == "__main__":
    main()
