"""The exported page of a small model, and somebody who uses it without a network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubcharlstm import CharLSTM
from tests.support.browser_app import RECORD, SECONDS, listen
from tests.support.exported import small_model

TALK: dict[str, Any] = {
    "speakers": ("ROMEO", "JULIET"),
    "turn_template": "STRANGER:\n{message}\n\n{speaker}:\n",
    "turn_stop": "\n\n",
}
SNAPSHOTS = [
    {"characters_read": 4096, "minutes": 0.1, "val_loss": 4.2, "text": "qx7&zz"},
    {"characters_read": 1000000, "minutes": 2.0, "val_loss": 1.5, "text": "What light is this?"},
]


def talking_model(**changes: Any) -> CharLSTM:
    record = {**RECORD, "time_lapse": SNAPSHOTS, "time_lapse_prompt": "ROMEO:\n"}
    options = {"examples": ("ROMEO:\n", "To be, or "), "max_new_tokens": 40, **TALK}
    return small_model(record={**record, **changes.pop("record", {})}, **{**options, **changes})


class PageUser:
    """Somebody who opened the file while the network was off."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        self.context.set_offline(True)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.requests, self.errors = listen(self.page)
        self.url = path.as_uri()
        self.page.goto(self.url)
        self.page.wait_for_selector("html[data-open]", state="attached")
        self.page.evaluate("document.getElementById('full-speed').checked = true")

    def leave(self) -> None:
        self.context.close()
        assert [url for url in self.requests if url != self.url and not url.startswith("blob:")] == []
        assert self.errors == []

    def write(self, text: str, *, seed: int | None = None, length: int | None = None) -> None:
        for name, value in (("seed", seed), ("length", length)):
            if value is not None:
                self.page.fill(f"#{name}", str(value))
        self.page.fill("#message", text)
        self.page.press("#message", "Enter")
        self.until_done()

    def until_done(self) -> None:
        self.page.wait_for_selector("#send", state="visible")
        assert self.page.locator(".reply.writing").count() == 0

    @property
    def replies(self) -> list[str]:
        """The text of each reply, without the prompt before it."""
        own = "nodes => nodes.map(n => [...n.childNodes].slice(1).map(c => c.textContent).join(''))"
        found: list[str] = self.page.locator(".reply").evaluate_all(own)
        return found


OpenPage = Callable[..., PageUser]
