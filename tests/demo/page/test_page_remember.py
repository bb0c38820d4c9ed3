"""In a real browser: a copy of the model reads a pasted text, for this visitor alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MINE = "The lantern at the ferry burned low, and nobody came to trim it.\n" * 12
LABEL = "tiny, remembering your text"


def open_panel(user: BrowserUser) -> None:
    user.page.locator("#remember button").first.click()
    user.page.wait_for_selector("#field-remember textarea", state="visible")


def remember(user: BrowserUser, text: str = MINE) -> None:
    """Have a text remembered, by the mouse."""
    user.page.fill("#field-remember textarea", text)
    user.page.click("#remember-text")
    user.page.wait_for_function(
        "document.querySelector('.remember-status')?.textContent.startsWith('It has read your')"
    )
    user.page.wait_for_function("document.querySelector('#field-model input').value.endsWith('remembering your text')")


def chosen(user: BrowserUser) -> str:
    return str(user.page.input_value("#field-model input"))


def offered(user: BrowserUser) -> list[str]:
    """What the model menu lists."""
    user.page.click("#field-model input")
    user.page.wait_for_selector("#field-model [role=option]")
    labels = user.page.locator("#field-model [role=option]").all_text_contents()
    user.page.keyboard.press("Escape")
    return [label.replace("✓", "").strip() for label in labels]


def test_a_text_is_remembered_for_its_owner_alone(app: App, browser: Any) -> None:
    one, other = BrowserUser(browser, app.url), BrowserUser(browser, app.url)
    open_panel(one)
    assert not one.page.is_visible("#forget-text")
    remember(one)
    one.until(lambda: chosen(one) == LABEL and one.page.input_value("#field-remember textarea") == "")
    status = str(one.page.text_content(".remember-status"))
    assert f"your {len(MINE):,} characters" in status and "bits before" in status
    one.send("The ", length=40)
    assert f" {LABEL} " in one.caption
    text = one.text
    assert one.page.locator(".detail-row.link:not([hidden])").count() == 0, "nobody else could open the link"
    one.act(lambda: one.page.locator(".continue").click())
    assert one.text.startswith(text) and len(one.text) == len(text) + 40
    assert LABEL in offered(one) and LABEL not in offered(other)
    one.page.click("#compare")
    one.act(lambda: one.page.locator(".menu-item", has_text="mute").click())
    assert one.page.locator(".turn").last.locator(".reply-temperature").all_text_contents() == [LABEL, "mute"]
    one.open()  # a reload finds it again
    one.page.wait_for_function("label => document.querySelector('#field-model input').value === label", arg=LABEL)
    tab = one.another_tab()
    tab.until(lambda: LABEL in offered(tab))
    tab.page.close()
    other.send("Is it mine?", length=10)
    assert " tiny " in other.caption
    one.leave()
    other.leave()


def test_it_is_forgotten_when_asked_to(user: BrowserUser) -> None:
    page = user.page
    open_panel(user)
    remember(user)
    user.send("The ", length=20)
    page.click("#forget-text")
    page.wait_for_function("document.querySelector('#field-model input').value === 'tiny'")
    user.until(lambda: "Forgotten" in str(page.text_content(".remember-status")))
    user.until(lambda: not page.is_visible("#forget-text"))
    assert LABEL not in offered(user)
    page.locator(".continue").click()
    assert f"“{LABEL}” is gone" in user.error_message()


def test_the_next_text_may_be_pasted_while_one_is_read(user: BrowserUser) -> None:
    open_panel(user)
    held: list[Any] = []
    user.page.route("**/queue/join*", lambda route: held.append(route))
    user.page.fill("#field-remember textarea", MINE)
    user.page.click("#remember-text")
    user.until(lambda: len(held) == 1)
    user.page.fill("#field-remember textarea", "The next text")
    held[0].continue_()
    user.page.unroute_all(behavior="wait")
    user.page.wait_for_function(
        "document.querySelector('.remember-status')?.textContent.startsWith('It has read your')"
    )
    user.until(lambda: chosen(user) == LABEL)
    assert user.page.input_value("#field-remember textarea") == "The next text"


def test_a_text_is_counted_in_characters_as_on_the_server(user: BrowserUser) -> None:
    open_panel(user)
    user.page.fill("#field-remember textarea", "😀" * 10_001)  # more than 20,000 UTF-16 units
    user.page.click("#remember-text")
    assert "expected 30 at least" in user.error_message()


def test_by_the_keyboard_with_markup_and_errors(user: BrowserUser) -> None:
    page = user.page
    page.locator("#remember button").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#field-remember textarea", state="visible")
    page.focus("#field-remember textarea")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on the button, with nothing in the field
    assert "There is no text to remember yet" in user.error_message()
    assert page.locator("#field-remember + .error-message").count() == 1
    page.fill("#field-remember textarea", "short")
    page.focus("#remember-text")
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.error-message')?.textContent.includes('expected 30 at least')")
    page.fill("#field-remember textarea", "x" * 20_001)
    page.click("#remember-text")
    page.wait_for_function("document.querySelector('.error-message')?.textContent.includes('20,001 characters')")
    remember(user, "<img src=x onerror=alert(1)> & **bold** é 日本\n" * 12)
    assert page.locator(".error-message").count() == 0
    assert page.locator(".remember-status img").count() == 0
    assert "é read as e; 日本 skipped" in str(page.text_content(".remember-status"))


def test_a_model_that_is_gone_is_said_to_be(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    open_panel(user)
    remember(user)
    app.close()
    app.start()
    user.open()
    user.page.wait_for_function(
        "document.querySelector('.note-line')?.textContent.includes('is gone, and so is its text')"
    )
    user.until(lambda: chosen(user) == "tiny")
    user.send("To be", length=10)
    assert " tiny " in user.caption
    user.errors.clear()  # of the time when nobody was there
    user.leave()
