"""What a visitor writes is neither stored nor logged; a text for "Make your own" only until it is forgotten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.browser_app import App, BrowserUser, find_chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CANARY = "Xyzzy-Plugh-4711"
OWNER = {"x-hubcharlstm-owner": "c" * 32}


@pytest.fixture(scope="module")
def logging_app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An app of its own, whose caches and temporary files lie in its folder."""
    find_chromium()
    folder = tmp_path_factory.mktemp("prompts")
    running = App(folder, HF_HOME=str(folder / "hub"), XDG_CACHE_HOME=str(folder / "cache"), HOME=str(folder))
    yield running
    running.close()
    running.check_output()


def places_of(text: str, app: App) -> list[str]:
    """Where `text` stands: the files below the app's folder, and the lines that it has printed."""
    found = [str(path) for path in app.folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    return found + [line for line in app.output if text in line]


def test_what_is_typed_on_the_page(logging_app: App, browser: Any) -> None:
    user = BrowserUser(browser, logging_app.url)
    page = user.page
    user.send(CANARY, length=30)
    assert CANARY in str(page.locator(".turn").last.text_content()), "the page has it"
    user.choose_speaker("ROMEO")
    user.send(f"{CANARY}, what light", length=30)
    user.act(lambda: page.keyboard.press("Control+Enter"))
    user.open(f"?message={CANARY}&seed=7&length=20")
    user.until_done()
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    page.get_by_label("A text of your own").fill(CANARY)
    page.keyboard.press("Enter")
    page.wait_for_function(f"document.querySelectorAll('#inside .char').length === {len(CANARY)}")
    user.leave()
    assert places_of(CANARY, logging_app) == []


def test_what_a_program_sends(logging_app: App) -> None:
    """Answered or refused."""
    url = logging_app.url
    with httpx.Client(base_url=url, timeout=60) as client:
        for name, body in (
            ("complete", {"prompt": CANARY, "max_new_tokens": 5}),
            ("complete", {"prompt": CANARY, "temperature": CANARY}),
            ("score", {"text": CANARY}),
            ("alternatives", {"text": CANARY, "position": 3}),
        ):
            answer = client.post(f"/gradio_api/call/v2/{name}", json=body)
            with client.stream("GET", f"/gradio_api/call/v2/{name}/{answer.json()['event_id']}") as events:
                assert "event: " in "".join(events.iter_text())
        for body in ({"prompt": CANARY}, {"prompt": CANARY, "stream": True}, {"prompt": CANARY, CANARY: 1}):
            client.post("/v1/completions", json={"max_tokens": 5, **body})
        for name in ("trace", "write", CANARY):
            client.post(f"/inside/{name}", json={"text": CANARY})
        client.get(f"/?message={CANARY}")
        client.post("/gradio_api/queue/join", content=CANARY.encode())
        client.post("/gradio_api/queue/join", content=json.dumps({"data": [CANARY], "fn_index": 0}).encode())
    assert places_of(CANARY, logging_app) == []


def test_a_text_to_train_on_is_stored_until_it_is_forgotten(logging_app: App) -> None:
    text = f"{CANARY} is a line of a text.\n" * 200
    sent = httpx.post(f"{logging_app.url}/make/text", content=text.encode(), headers=OWNER, timeout=60)
    assert sent.status_code == 200, sent.text
    places, storage = places_of(CANARY, logging_app), logging_app.folder / f"hubcharlstm-making-{os.getuid()}"
    assert places and all(Path(place).is_relative_to(storage) for place in places)
    assert oct(storage.stat().st_mode & 0o777) == "0o700"
    httpx.post(f"{logging_app.url}/make/forget", headers=OWNER, timeout=60)
    assert places_of(CANARY, logging_app) == []
