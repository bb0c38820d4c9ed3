"""In a real browser: what a finished model of one's own is good for in the chat and beside it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import BrowserUser
from tests.support.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LABEL = "my text, made by you"


def make(user: BrowserUser) -> None:
    """Have the stub learn a text, and go to the chat with what came of it."""
    page = user.page
    page.get_by_role("link", name="Make your own").click()
    page.fill("#make textarea", "LEARN " + "a line of a text\n" * 150)
    page.get_by_role("button", name="Check the text").click()
    page.get_by_role("button", name="Train").click()
    page.get_by_role("button", name="Chat with it").click()
    page.wait_for_function("label => document.querySelector('#field-model input').value === label", arg=LABEL)


def test_it_is_talked_with_compared_and_looked_into(served: Served, browser: Any) -> None:
    user = BrowserUser(browser, served.url)
    page = user.page
    make(user)
    user.choose_speaker("JULIET")
    user.send("Who is there", length=20)
    assert f" {LABEL} " in user.caption and user.speaker == "JULIET"
    user.type("To be")
    page.click("#compare")
    user.act(lambda: page.get_by_role("menuitem", name="at temperatures").click())
    compared = page.locator(".turn").last
    assert compared.locator(".reply-temperature").all_text_contents() == ["at 0.2", "at 0.8", "at 1.4"]
    page.locator(".action.look-inside").first.press("Enter")
    page.wait_for_selector("#inside .char")
    assert LABEL in str(page.text_content("#inside"))
    user.leave()
