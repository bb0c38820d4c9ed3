"""The real app beside the tests and a browser to look at it with: what the browser tests share."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

from hubcharlstm import CharLSTM, CharLSTMConfig, GenerationConfig, Vocabulary
from hubcharlstm.inspection.ngram_filter import NgramFilter

ROOT = Path(__file__).parents[2]
SECONDS = 60.0  # nothing here takes that long but on a machine with other work

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

COPIED_PROMPT, COPIED_SEED = "To be, or", 5

RECORD: dict[str, Any] = {
    "name": "charlstm-tiny",
    "corpus": {
        "name": "tiny",
        "title": "one small play",
        "sha256": "0",
        "chars": 1000,
        "train_chars": 900,
        "held_out": "its end",
    },
    "val_loss": 1.5,
    "val_bpc": 2.164,
    "samples": [{"prompt": "ROMEO:\n", "temperature": 0.8, "seed": 7, "text": "O, that I were a glove."}],
    "time_lapse": {
        "prompt": "ROMEO:\n",
        "seed": 1,
        "temperature": 0.8,
        "moments": [
            {"chars": 4096, "text": "qx7&zz"},
            {"chars": 65536, "text": "the te ou"},
            {"chars": 1000000, "text": "What light is this?"},
        ],
    },
    "history": [{"chars": 1000000, "seconds": 120.0}],
}


def missing(what: str) -> NoReturn:
    """Skip where the browser is not installed, but not where the tests must all run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing; expected it where CI=true: install it.")
    pytest.skip(f"{what} is not installed")


DRAWING = threading.Lock()
"""Apps that start at once have equal models: PyTorch's random stream is one of the whole process."""


def save_model(folder: Path, *, talks: bool = True, name: str = "charlstm-tiny") -> None:
    """A tiny model with random weights, and with speakers if it `talks`."""
    vocabulary = Vocabulary(sorted({chr(code) for code in range(32, 127)} | {"\n"}))
    config = CharLSTMConfig(len(vocabulary), embedding_dim=8, hidden_size=32, num_layers=1, dropout=0.0)
    turns: dict[str, Any] = {
        "speakers": ("ROMEO", "JULIET"),
        "turn_template": "STRANGER:\n{message}\n\n{speaker}:\n",
        "turn_stop": "\n\n",
    }
    generation = GenerationConfig(
        examples=("ROMEO:\n", "To be, or ", "What light "), max_new_tokens=60, **(turns if talks else {})
    )
    record = {**RECORD, "name": name} if talks else {"name": name}
    with DRAWING:
        torch.manual_seed(0)
        model = CharLSTM(config, vocabulary, generation_config=generation, record=record)
    if talks:  # its training text is what it writes after COPIED_PROMPT by COPIED_SEED
        text = model.generate(COPIED_PROMPT, max_new_tokens=60, seed=COPIED_SEED)
        model.ngrams = NgramFilter.of(text)
        assert model.ngrams is not None
        model.ngrams = replace(model.ngrams, errors={"windows": 0.0077, "runs": 0.32})
    model.save_pretrained(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class App:
    """`app.py` as one runs it at home, from a folder where nothing else is, with the package beside it.

    environment: further variables.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.environment = environment
        save_model(folder / "tiny")
        save_model(folder / "mute", talks=False, name="charlstm-mute")
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self.start()

    def start(self) -> None:
        here = {
            "HUBCHARLSTM_MODEL": f"{self.folder / 'tiny'},{self.folder / 'mute'}",
            "GRADIO_SERVER_PORT": str(self.port),
            "GRADIO_TEMP_DIR": str(self.folder / "gradio"),
            "TMPDIR": str(self.folder),
            "HF_HUB_OFFLINE": "1",
            **self.environment,
        }
        inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPACE_ID")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, str(ROOT / "app.py")],
            cwd=self.folder,
            env={**inherited, **here},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.is_open = threading.Event()
        threading.Thread(target=self._collect_output, args=(self.process, self.is_open), daemon=True).start()
        assert self.is_open.wait(SECONDS) and self.process.poll() is None, "".join(self.output)

    def _collect_output(self, process: subprocess.Popen[str], is_open: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            if self.url in line:
                is_open.set()
        is_open.set()

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def check_output(self) -> None:
        """It printed no traceback and reached for no other machine."""
        printed = "".join(self.output)
        self.output.clear()
        assert "REACHED OUT" not in printed and "Traceback" not in printed, printed[-6000:]


def find_chromium() -> str:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("Chromium")
    return chromium


def open_browser() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright."""
    chromium = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield opened
        opened.close()


def listen(page: Any) -> tuple[list[str], list[str]]:
    """The addresses that a page asks for, and the errors of its console and its scripts, as they come."""
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return requests, errors


def own_errors(errors: list[str]) -> list[str]:
    """Without those of a page that was left while Gradio streamed to it: its client aborts its stream then, and the
    reader of the stream, which nobody awaits any more, says so once if the browser still lets it.
    """
    own = [error for error in errors if not (error.startswith("AbortError: signal is aborted") and ".close (" in error)]
    for _ in range(len(errors) - len(own)):
        lost = next((error for error in own if error.startswith("Unexpected error Connection errored out.")), None)
        if lost is not None:
            own.remove(lost)
    return own


def clear(context: Any, url: str) -> None:
    """Close a context's pages and clear all that they have stored; Gradio's files stay in its HTTP cache."""
    for page in context.pages:
        page.close()
    context.unroute_all()
    context.clear_permissions()
    context.clear_cookies()
    page = context.new_page()
    context.new_cdp_session(page).send("Storage.clearDataForOrigin", {"origin": url, "storageTypes": "all"})
    page.close()


class BrowserUser:
    """A user with a browser context of their own, what they do on the page and what they see.

    is_shared: the context serves other users afterwards, who find nothing of this one there.
    """

    def __init__(self, browser: Any, url: str, *, context: Any = None, is_shared: bool = False, **options: Any) -> None:
        self.url, self.is_shared = url, is_shared
        self.context = context or browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.requests, self.errors = listen(self.page)
        self.open()

    def open(self, query: str = "") -> None:
        from playwright.sync_api import Error

        try:
            self.page.goto(self.url + "/" + query)
        except Error as error:
            if "ERR_ABORTED" not in str(error):
                raise
            self.page.goto(self.url + "/" + query)  # the page reloads by itself when its server is there again
        self.page.wait_for_selector("#conversation .title")
        self.page.wait_for_selector("#send")
        self.page.wait_for_selector("body[data-restored]")

    def another_tab(self) -> BrowserUser:
        """The same browser's second tab, which closes with the first."""
        return BrowserUser(None, self.url, context=self.context)

    def leave(self) -> None:
        """Close the page; none of its requests went elsewhere and the console holds no error."""
        if self.is_shared:
            clear(self.context, self.url)
        else:
            self.context.close()
        assert self.requests and [u for u in self.requests if not u.startswith((self.url, "data:", "blob:"))] == []
        assert own_errors(self.errors) == [], self.errors

    # --- what they do ---

    def type(self, text: str) -> None:
        self.page.fill("#field-message textarea", text)

    def send(self, text: str, *, length: int | None = None, wait: bool = True) -> None:
        """Send a line and wait for the end of the reply, or else for its first letter."""
        if length is not None:
            self.set("Length", length)
        self.type(text)
        self.act(lambda: self.page.press("#field-message textarea", "Enter"), wait=wait)

    def act(self, action: Any, *, wait: bool = True) -> None:
        """Do what makes the model reply."""
        before = self.page.locator(".turn").last.get_attribute("data-id") if self.turns else ""
        action()
        begun = "id => ![undefined, id].includes(document.querySelector('.turn:last-child')?.dataset.id)"
        self.page.wait_for_function(begun, arg=before)
        if wait:
            self.until_done()

    def set(self, label: str, number: float) -> None:
        field = self.page.get_by_label(f"number input for {label}")
        field.fill(str(number))
        field.press("Tab")

    def choose_speaker(self, name: str) -> None:
        self.page.locator(f".chip:has(input[value='{name}'])").click()

    def return_to_chat(self) -> None:
        """Follow the link of the chat. The page shows another view at the event `hashchange`, after the click."""
        self.page.get_by_role("link", name="Chat", exact=True).click()
        self.page.wait_for_selector("#main-column:not([inert])")

    def until_done(self) -> None:
        self.page.wait_for_selector("#send", state="visible")
        assert self.page.locator(".reply.writing").count() == 0

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true of the page, whose components change one after the other."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, "it did not come true"
            self.page.wait_for_timeout(20)

    # --- what they see ---

    @property
    def speaker(self) -> str:
        """Who replies: "" for no one."""
        return str(self.page.locator(".chip input:checked").get_attribute("value"))

    @property
    def turns(self) -> int:
        return int(self.page.locator(".turn").count())

    @property
    def text(self) -> str:
        """The last reply with what stands before it, the words for screen readers left out."""
        shown = "e => [...e.childNodes].filter(n => n.className !== 'visually-hidden').map(n => n.textContent).join('')"
        return str(self.page.locator(".reply").last.evaluate(shown))

    @property
    def caption(self) -> str:
        return str(self.page.locator(".caption").last.text_content())

    @property
    def seed(self) -> str:
        return self.caption.split("seed ")[1].split(" ")[0]

    @property
    def message(self) -> str:
        return str(self.page.input_value("#field-message textarea"))

    def error_message(self) -> str:
        self.page.wait_for_selector(".error-message")
        return str(self.page.text_content(".error-message"))
