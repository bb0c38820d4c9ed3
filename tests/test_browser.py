"""The real app in a real browser: what a visitor types, sees grow, and stops."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parent.parent
SECONDS = 60.0  # nothing here takes that long but on a machine with other work
HOSTILE = "  <img src=x onerror='window.hit=1'> & `a` **b** _c_ $x^2$ ${window.hit=1} {{value}} end"

# Runs the file named after it, and tells of every host beyond this machine that it looks up or connects to.
WATCHED = """
import runpy, sys

def hook(event, details):
    if event in ("socket.getaddrinfo", "socket.connect", "socket.sendto"):
        target = details[0] if event == "socket.getaddrinfo" else details[1]
        host = target[0] if isinstance(target, tuple) else target
        if str(host) not in ("127.0.0.1", "localhost", "::1", "None"):
            print("REACHED OUT", event, target, flush=True)

sys.addaudithook(hook)
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def missing(what: str) -> None:
    """Skip where the browser is not installed, but not where the tests must all run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; expected it where CI=true: install it.")
    pytest.skip(f"{what} is not installed")


def save_model(folder: Path) -> None:
    torch.manual_seed(0)
    vocabulary = Vocabulary(sorted({chr(code) for code in range(32, 127)} | {"\n"}))
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    generation = GenerationConfig(examples=("ROMEO:\n", "To be, or "), max_new_tokens=120)
    CharLSTM(config, vocabulary, generation_config=generation).save_pretrained(folder)


class App:
    """`app.py` as a Space runs it, from a folder where nothing else is, with the package beside it."""

    def __init__(self, folder: Path) -> None:
        save_model(folder / "tiny")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        here = {"HUBCHARLSTM_MODEL": str(folder / "tiny"), "GRADIO_SERVER_PORT": str(self.port)}
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPACE_ID")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, str(ROOT / "app.py")],
            cwd=folder,
            env={**inherited, **here, "GRADIO_TEMP_DIR": str(folder / "gradio")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output: list[str] = []
        self.is_open = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)
            if self.url in line:
                self.is_open.set()
        self.is_open.set()

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("app"))
    try:
        assert running.is_open.wait(SECONDS) and running.process.poll() is None, "".join(running.output)
        yield running
    finally:
        running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def page(app: App, browser: Any) -> Iterator[Any]:
    """The page, open; on leaving, no request went elsewhere and the console holds no error."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(SECONDS * 1000)
    requests: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(app.url)
    opened.wait_for_selector("#conversation .title")
    yield opened
    opened.close()
    assert requests and [url for url in requests if not url.startswith((app.url, "data:", "blob:"))] == []
    assert errors == []
    assert [line for line in app.output if "REACHED OUT" in line] == []


def send(page: Any, text: str, length: int | None = None) -> None:
    if length is not None:
        field = page.get_by_label("number input for Length")
        field.fill(str(length))
        field.press("Tab")
    page.fill("#message textarea", text)
    page.press("#message textarea", "Enter")


def written(page: Any) -> str:
    """All that the last reply holds, the words for screen readers left out."""
    shown = "e => [...e.childNodes].filter(n => n.className !== 'unseen').map(n => n.textContent).join('')"
    return str(page.locator(".reply").last.evaluate(shown))


def until_done(page: Any) -> None:
    page.wait_for_selector("#send", state="visible")
    assert page.locator(".reply.writing").count() == 0


def samples(page: Any, at_least: int) -> list[str]:
    """Different states of the reply, as it grows."""
    page.wait_for_selector(".reply")
    seen: list[str] = []
    deadline = time.monotonic() + SECONDS
    while len(seen) < at_least and time.monotonic() < deadline:
        text = written(page)
        if not seen or text != seen[-1]:
            seen.append(text)
        page.wait_for_timeout(30)
    return seen


def test_a_line_is_started_and_goes_on_before_ones_eyes(page: Any) -> None:
    send(page, "To be, or ", length=120)
    seen = samples(page, at_least=5)
    assert len(seen) >= 5
    assert all(text.startswith("To be, or ") for text in seen)
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    until_done(page)
    assert len(written(page)) == len("To be, or ") + 120
    assert page.locator(".typed").last.text_content() == "To be, or "
    assert page.input_value("#message textarea") == ""
    foot = page.locator(".foot").last.text_content()
    assert foot.startswith("120 characters · seed ") and "temperature 0.8" in foot and "length reached" in foot


def test_stop_stops_at_once_and_keeps_what_stands_there(page: Any) -> None:
    send(page, "To be", length=2_000)
    samples(page, at_least=4)
    page.click("#stop")
    until_done(page)
    kept = written(page)
    assert len("To be") < len(kept) < 2_000
    page.wait_for_timeout(1_000)
    assert written(page) == kept
    assert "stopped" in page.locator(".foot").last.text_content()
    send(page, "Again", length=20)
    page.wait_for_function("document.querySelectorAll('.turn').length === 2")
    until_done(page)
    assert len(written(page)) == len("Again") + 20
    page.click("#clear")
    page.wait_for_function("document.querySelectorAll('.turn').length === 0")


def test_hostile_text_is_shown_as_it_is(page: Any) -> None:
    send(page, HOSTILE, length=300)
    page.wait_for_selector(".reply")
    until_done(page)
    assert page.locator(".typed").last.text_content() == HOSTILE
    assert written(page).startswith(HOSTILE)
    assert page.locator("#conversation img, #conversation b, #conversation code, #conversation .katex").count() == 0
    assert page.evaluate("window.hit") is None
    for name in (".visitor", ".reply"):
        assert page.locator(name).last.evaluate("e => getComputedStyle(e).whiteSpace").startswith("pre-wrap")


def test_a_starter_is_one_click(page: Any) -> None:
    page.fill("#message textarea", "not this")
    page.locator(".starter").first.click()
    page.wait_for_selector(".reply")
    until_done(page)
    assert written(page).startswith("ROMEO:\n")
    assert page.input_value("#message textarea") == "not this"


def test_a_mistake_is_told_and_nothing_is_lost(page: Any) -> None:
    page.get_by_label("Seed").fill("<b>seven</b>")
    send(page, "To be")
    toast = page.get_by_test_id("toast-body")
    toast.wait_for()
    assert "The seed is '<b>seven</b>'; expected a whole number" in toast.text_content()
    assert page.input_value("#message textarea") == "To be"
    assert page.locator(".turn").count() == 0 and page.is_visible("#send")


def test_one_seed_gives_one_text(page: Any) -> None:
    page.get_by_label("Seed").fill("7")
    texts = []
    for turns in (1, 2):
        send(page, "To be", length=30)
        page.wait_for_function(f"document.querySelectorAll('.turn').length === {turns}")
        until_done(page)
        texts.append(written(page))
    assert texts[0] == texts[1]


def test_nothing_is_cut_off_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 640})
    send(page, "x" * 400)
    page.wait_for_selector(".reply")
    until_done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".view").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    for name in ("#message textarea", "#send", "#more", "#clear"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360 and box["y"] + box["height"] <= 640
    assert not page.is_visible("#settings")
    page.click("#more")
    assert page.is_visible("#settings") and page.get_attribute("#more", "aria-expanded") == "true"
