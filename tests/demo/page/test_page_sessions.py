"""In a real browser: several users, a server that restarts, a page that is closed, another model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import SECONDS, App, BrowserUser, free_port, save_model

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_two_users_at_once_never_see_each_others_text(app: App, browser: Any) -> None:
    one, other = BrowserUser(browser, app.url), BrowserUser(browser, app.url)
    other.set("Length", 600)  # before the first begins, which must still write when this one does
    one.send("Mine alone ", length=600, wait=False)
    other.send("Yours alone ", wait=False)
    assert one.page.locator(".reply.writing").count() == 1 and other.page.locator(".reply.writing").count() == 1
    one.until_done()
    other.until_done()
    for user, theirs in ((one, "Yours"), (other, "Mine")):
        assert user.turns == 1 and theirs not in user.page.text_content("body")
    assert one.text.startswith("Mine alone ") and len(one.text) == len("Mine alone ") + 600
    one.leave()
    other.leave()


def test_the_page_outlives_a_restart_of_the_server(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    user.page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=40)
    text = user.text
    app.close()
    try:
        user.type("Are you there?")
        user.page.press("#field-message textarea", "Enter")
        assert "The server did not answer" in user.error_message()
        assert user.message == "Are you there?" and user.text == text
    finally:
        app.start()
    user.open()
    user.errors.clear()  # of the time when nobody was there
    assert user.text == text
    user.act(lambda: user.page.locator(".continue").click())
    assert user.text.startswith(text) and len(user.text) == len(text) + 40
    whole = user.text
    user.page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=len(whole) - len("To be"))
    assert user.text == whole
    user.leave()


class LocalApp:
    """The page served from this process, so that a test can look at the engine behind it."""

    def __init__(self, folder: Path) -> None:
        from hubcharlstm.demo import launch
        from hubcharlstm.demo.models import ModelRegistry

        save_model(folder)
        self.registry = ModelRegistry(CharLSTM.from_pretrained(folder), str(folder), open_to_all=True)
        app = launch.build(self.registry)
        port = free_port()
        self.server = launch.create_server(app, "127.0.0.1", port)
        self.server.run_in_thread()
        self.url = f"http://127.0.0.1:{port}"

    @property
    def rows(self) -> int:
        return sum(self.registry.first.engine.load.values())

    def close(self) -> None:
        self.server.close()
        self.registry.close()


@pytest.fixture
def local_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Any) -> Iterator[LocalApp]:
    for name, value in (("MAX_CONCURRENT", "2"), ("MAX_QUEUED", "1")):
        monkeypatch.setenv(f"HUBCHARLSTM_{name}", value)
    # Long replies last longer than any step of a test, on a busy machine too; so do their rows, as the engine generates
    # two characters an update rather than all of them within a second.
    monkeypatch.setattr("hubcharlstm.demo.chat.pacing.CHARACTERS_PER_SECOND", 25)
    monkeypatch.setattr("hubcharlstm.demo.chat.replies.MAX_BUFFERED_TOKENS", 2)
    served = LocalApp(tmp_path / "tiny")
    yield served
    served.close()


def test_a_page_closed_mid_stream_frees_its_row_within_a_second(local_app: LocalApp, browser: Any) -> None:
    user = BrowserUser(browser, local_app.url)
    user.send("To be", length=2_000, wait=False)
    user.page.wait_for_function("document.querySelector('.reply').textContent.length > 30")
    assert local_app.rows == 1
    user.context.close()
    deadline = time.monotonic() + SECONDS
    while local_app.server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.02)  # the browser itself takes a while to close, where the machine is busy
    deadline = time.monotonic() + 1
    while local_app.rows and time.monotonic() < deadline:
        time.sleep(0.02)
    assert local_app.rows == 0


def test_a_busy_page_has_one_user_wait_and_refuses_the_next(local_app: LocalApp, browser: Any) -> None:
    users = [BrowserUser(browser, local_app.url) for _ in range(4)]
    first, second, third, fourth = users
    for user in (first, second):
        user.send("Mine", length=2_000, wait=False)
        user.page.wait_for_function("document.querySelector('.reply').textContent.length > 30")
    for user in (third, fourth):
        user.set("Length", 20)
        user.type("Three")
        user.page.press("#field-message textarea", "Enter")
        if user is third:
            user.page.wait_for_selector(".queue-status")
            assert user.page.text_content(".queue-status").startswith("The app is busy: you are next, in about ")
    assert fourth.error_message().startswith("The app is busy (3 requests are written or wait): try again in about ")
    assert fourth.message == "Three" and fourth.turns == 0
    first.page.keyboard.press("Escape")
    first.until_done()
    third.page.wait_for_selector(".reply")
    third.until_done()
    assert len(third.text) == len("Three") + 20 and third.page.locator(".queue-status").count() == 0
    second.page.keyboard.press("Escape")
    second.until_done()
    fourth.send("Three")
    assert len(fourth.text) == len("Three") + 20
    for user in users:
        user.leave()


def choose(user: BrowserUser, name: str) -> None:
    field = user.page.locator("#field-model input")
    field.click()
    field.fill(name)
    field.press("Enter")


def test_another_model_is_chosen_and_a_bad_one_is_refused(user: BrowserUser, app: App, tmp_path: Path) -> None:
    page = user.page
    user.send("To be", length=2_000, wait=False)
    page.get_by_text("Juliet", exact=True).click()
    choose(user, "mute")
    page.wait_for_function("document.querySelector('.title').textContent === 'Mute, one letter at a time'")
    user.until(lambda: page.get_attribute("#field-message textarea", "placeholder") == "Start a line …")
    user.until(lambda: not page.get_by_label("Go on from the text so far").is_checked())
    user.until(lambda: page.locator(".sample").count() == 0 and not page.is_visible("#field-speaker"))
    assert page.locator(".reply.writing").count() == 1  # the old one writes on
    before = user.text
    page.wait_for_function("n => document.querySelector('.reply').textContent.length > n", arg=len(before) + 40)
    page.keyboard.press("Escape")
    user.until_done()
    assert " tiny " in user.caption
    user.send("To be", length=10)
    assert " mute " in user.caption
    for bad, sentence in (
        (str(tmp_path), "expected"),
        ("no such model!", "neither a folder here nor a Hub id"),
        ("somebody/nothing", "somebody/nothing"),
    ):
        choose(user, bad)
        page.wait_for_function("s => document.querySelector('.error-message')?.textContent.includes(s)", arg=sentence)
        user.until(lambda: page.locator("#field-model + .error-message").count() == 1)
        page.wait_for_function("document.querySelector('#field-model input').value === 'mute'")
        assert user.turns == 2
        user.send("on", length=5)
        assert " mute " in user.caption
        page.click("#undo")
        user.type("")
    save_model(tmp_path / "typed", name="charlstm-typed")
    choose(user, str(tmp_path / "typed"))
    page.wait_for_function("document.querySelector('.title').textContent.startsWith('One small play')")
    page.wait_for_selector("#field-speaker", state="visible")
