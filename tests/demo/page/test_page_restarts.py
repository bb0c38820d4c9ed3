"""In a real browser: a reload and a server that dies lose nothing, and the page goes on by itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SET = {"Temperature": "1.1", "Length": "33"}


def values(user: BrowserUser) -> dict[str, str]:
    return {name: user.page.get_by_label(f"number input for {name}").input_value() for name in SET}


def test_a_reload_keeps_the_settings_the_character_and_the_unsent_line(user: BrowserUser) -> None:
    page = user.page
    for name, number in SET.items():
        user.set(name, float(number))
    user.choose_speaker("JULIET")
    page.get_by_label("Seed", exact=True).fill("7")
    page.get_by_text("More", exact=True).click()
    user.set("Top-k", 5)
    user.type("An unsent li")
    page.reload()
    page.wait_for_function("document.querySelector('#field-length input')?.value === '33'")
    user.until(lambda: values(user) == SET and user.message == "An unsent li")
    user.until(lambda: user.speaker == "JULIET")
    user.until(lambda: page.get_by_label("Seed", exact=True).input_value() == "7")
    user.until(lambda: bool(page.get_by_label("Keep").is_checked()))
    user.act(lambda: page.press("#field-message textarea", "Enter"))
    assert user.seed == "7" and "temperature 1.1 · top-k 5" in user.caption and page.text_content(".recipient")
    other = user.another_tab()  # begins where the last one was
    other.page.wait_for_function("document.querySelector('#field-length input')?.value === '33'")
    assert other.message == ""


def test_a_reload_keeps_the_model_with_its_settings(user: BrowserUser) -> None:
    page = user.page
    field = page.locator("#field-model input")
    field.click()
    field.fill("mute")
    field.press("Enter")
    page.wait_for_function("document.querySelector('.title').textContent === 'Mute, one letter at a time'")
    user.set("Length", 33)
    page.reload()
    page.wait_for_function("document.querySelector('.title')?.textContent === 'Mute, one letter at a time'")
    page.wait_for_function("document.querySelector('#field-length input')?.value === '33'")
    user.until(lambda: bool(field.input_value() == "mute"))
    user.send("To be")
    assert " mute " in user.caption and user.caption.startswith("33 characters")


def begin_a_long_reply(user: BrowserUser, length: int) -> str:
    user.page.get_by_label("Seed", exact=True).fill("7")
    user.send("To be", length=length, wait=False)
    user.page.wait_for_function("document.querySelector('.reply').textContent.length > 60")
    return user.text


def test_stop_ends_a_reply_whose_server_is_gone(app: App, browser: Any) -> None:
    """It did nothing for 90 seconds."""
    user = BrowserUser(browser, app.url)
    begin_a_long_reply(user, 2_000)
    app.kill()
    try:
        user.page.click("#stop")
        user.until_done()
        assert "stopped" in user.caption
        cut = user.text
    finally:
        app.start()
    user.open()
    user.errors.clear()  # of the time when nobody was there
    assert user.text == cut
    user.set("Length", 30)
    user.act(lambda: user.page.locator(".continue").click())
    assert user.text.startswith(cut) and len(user.text) == len(cut) + 30
    user.leave()


def test_a_reply_goes_on_by_itself_when_the_server_is_back(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    begin_a_long_reply(user, 400)
    app.kill()
    try:
        user.page.wait_for_selector(".lost")
        assert user.page.text_content(".lost").startswith("The server has not answered since ")
        user.type("My next line")
        cut = user.text
        assert len(cut) < 405
    finally:
        app.start()
    user.page.wait_for_function("n => document.querySelector('.reply')?.textContent.length > n", arg=len(cut) + 40)
    assert user.text.startswith(cut) and user.page.locator(".lost").count() == 0
    user.until_done()
    user.errors.clear()  # of the time when nobody was there
    assert len(user.text) == len("To be") + 400 and user.message == "My next line" and user.turns == 1
    whole = user.text
    user.send("To be", length=400)
    assert user.text == whole and user.seed == "7"
    user.leave()


def test_a_stop_while_the_server_is_gone_is_final(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    begin_a_long_reply(user, 2_000)
    app.kill()
    try:
        user.page.wait_for_selector(".lost")
        user.page.keyboard.press("Escape")
        user.until_done()
        assert user.page.text_content(".note-line").startswith("Stopped. The text so far is kept")
        cut = user.text
    finally:
        app.start()
    user.open()
    user.page.wait_for_timeout(1_500)
    user.errors.clear()  # of the time when nobody was there
    assert user.text == cut and user.page.locator(".reply.writing").count() == 0
    user.leave()


def test_three_replies_that_a_shutdown_cut_short_all_go_on(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    user.set("Length", 700)  # the server gives replies under way a few seconds to finish
    user.act(lambda: user.page.get_by_text("the same line at 0.2, 0.8 and 1.4").click(), wait=False)
    app.close()
    try:
        user.page.wait_for_selector(".lost")
    finally:
        app.start()
    lengths = "[...document.querySelectorAll('.reply')].map((reply) => reply.textContent.length)"
    user.page.wait_for_function(f"{lengths}.length === 3 && {lengths}.every((length) => length > 700)")
    user.until_done()
    user.errors.clear()  # of the time when nobody was there
    assert user.page.locator(".warnings").text_content() == ""
    user.leave()


def test_what_is_left_of_an_interrupted_reply_is_counted_in_characters(user: BrowserUser) -> None:
    """The page counted an emoji as two, and took the reply for a whole one."""
    reply = {
        **dict.fromkeys(("link", "python", "command", "cycle", "replay_check", "stop", "revision", "device"), ""),
        "id": "0123456789abcdef", "hash": "", "text": "😀" * 40, "seed": "7", "temperature": 0.8, "length": 60,
        "top_k": 0, "top_p": 1, "min_p": 0, "model": "tiny", "precision": "int8", "writing": False, "ending": "stopped",
    }  # fmt: skip
    turn = {
        **dict.fromkeys(("speaker", "context", "parent"), ""),
        **dict.fromkeys(("id", "slot", "request"), "fedcba9876543210"),
        **dict.fromkeys(("typed", "prompt", "shown"), "To be"),
        "order": 1, "changed": 1, "warnings": [], "replies": [reply],
    }  # fmt: skip
    user.page.goto(user.url + "/healthz")
    user.page.evaluate(
        """([turn, interrupted]) => {
          localStorage.setItem("hubcharlstm.conversation.2", JSON.stringify({ turns: [turn], gone: {}, chosen: {} }));
          sessionStorage.setItem("hubcharlstm.resume.1", JSON.stringify(interrupted));
        }""",
        [turn, {"id": turn["id"], "goals": [60]}],
    )
    with user.page.expect_request(lambda request: '"target"' in (request.post_data or "")) as asked:
        user.open()
    assert asked.value.post_data_json["event_data"]["length"] == 20
    assert user.caption.startswith("40 characters")
    user.error_message()  # no seed gives this text
    user.until_done()
