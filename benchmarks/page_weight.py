"""Weight of the page: what a first visit loads over the wire, compressed as the server sends it.

`python -m benchmarks.page_weight [FOLDER ...]` opens the page of the app in each folder (by default of this one) in
headless Chromium without a cache, and sums the bytes of all responses until two seconds without a request. A folder is
a checkout of any version, so that versions are compared in one run. `--lang` sets the browser's language.
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
from pathlib import Path
from typing import Any

from benchmarks.page import ROOT, start_app, wait_for

QUIET_MILLISECONDS = 2_000


def weigh(browser: Any, url: str, language: str) -> tuple[int, int]:
    """(bytes, responses) of a first visit."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale=language, reduced_motion="reduce")
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    sizes: list[int] = []
    network.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.goto(url)
    page.wait_for_selector("#conversation .title")
    page.wait_for_selector("#send")
    before = -1
    while len(sizes) != before:
        before = len(sizes)
        page.wait_for_timeout(QUIET_MILLISECONDS)
    context.close()
    return sum(sizes), len(sizes)


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[ROOT], help="checkouts (default: this one)")
    parser.add_argument("--lang", nargs="+", default=["en-US"], help="languages of the browser (default: en-US)")
    arguments = parser.parse_args()
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for folder in arguments.folders:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            app = start_app(port, folder.resolve())
            try:
                wait_for(port)
                for language in arguments.lang:
                    size, count = weigh(browser, f"http://127.0.0.1:{port}", language)
                    print(f"{folder!s:30} {language:6} {size / 1000:8.1f} kB in {count} responses", flush=True)
                    figures = {"folder": str(folder), "language": language, "bytes": size, "responses": count}
                    print(json.dumps({"benchmark": "page_weight", **figures}))
            finally:
                app.terminate()
                app.wait(10)
        browser.close()


if __name__ == "__main__":
    main()
