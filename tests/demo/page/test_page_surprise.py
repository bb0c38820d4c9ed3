"""In a real browser: replies are coloured by surprise, and the keys tell what the colours show."""

from __future__ import annotations

import math

import pytest

from hubcharlstm import CharLSTM
from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def colored(user: BrowserUser) -> int:
    """How many stretches of the page are coloured."""
    sizes = "[...CSS.highlights].filter(([name]) => name.startsWith('surprise')).map(([, of]) => of.size)"
    return int(user.page.evaluate(f"{sizes}.reduce((sum, size) => sum + size, 0)"))


def test_a_switch_colours_replies_by_surprise_and_is_kept(user: BrowserUser) -> None:
    page = user.page
    user.send("To be", length=30)
    user.send("Who is there?", length=30)
    assert colored(user) == 0 and not page.is_visible(".surprise-scale")
    requests = len(user.requests)
    page.locator("#field-surprise").get_by_role("checkbox").press("Space")
    page.wait_for_selector(".surprise-scale")
    assert "1 bit is a coin toss" in page.text_content(".surprise-scale")
    page.wait_for_function("[...CSS.highlights.keys()].some(name => name.startsWith('surprise'))")
    user.until(lambda: colored(user) > 4)
    page.wait_for_timeout(1_000)
    scored = [url for url in user.requests[requests:] if url.endswith("call/v2/score")]
    assert len(scored) == 2  # one request for each reply
    page.reload()
    page.wait_for_selector(".surprise-scale")
    page.wait_for_function("[...CSS.highlights.keys()].some(name => name.startsWith('surprise'))")
    before = colored(user)
    user.send("And on?", length=30)
    user.until(lambda: colored(user) > before)
    page.locator("#field-surprise input").uncheck()
    page.wait_for_selector(".surprise-scale", state="detached")
    assert colored(user) == 0
    user.leave()


def test_the_note_of_the_scale_is_about_all_replies(user: BrowserUser) -> None:
    """It was about the reply that was scored last, which is the first one of the page."""
    page = user.page
    user.send("To be", length=20)
    user.open("?message=To+be&length=20&seed=7&clamp=0:3:2.5")
    page.wait_for_function("document.querySelectorAll('.turn').length === 2")
    user.until_done()
    page.locator("#field-surprise").get_by_role("checkbox").press("Space")
    page.wait_for_selector(".surprise-scale")
    user.until(lambda: len([url for url in user.requests if "call/v2/score/" in url]) == 2)
    page.wait_for_timeout(300)
    assert str(page.text_content(".surprise-scale")).endswith("Clamped cells are let go for it.")


def test_keys_tell_the_surprise_of_a_coloured_character(user: BrowserUser, app: App) -> None:
    page = user.page
    user.send("To be", length=20)
    reply = str(page.locator(".reply").last.evaluate("e => e.lastChild.data"))
    page.locator(".reply").focus()
    page.keyboard.press("ArrowRight")
    status = "#conversation [role=status]"
    assert not str(page.text_content(status)).endswith("surprise")
    page.locator("#field-surprise").get_by_role("checkbox").press("Space")
    user.until(lambda: colored(user) > 0)
    network = CharLSTM.from_pretrained(app.folder / "tiny")
    log_probs = network.score(reply, start_text="To be").log_probs
    page.locator(".reply").focus()
    for log_prob in log_probs[:3]:
        page.keyboard.press("ArrowRight")
        assert str(page.text_content(status)).endswith(f", {-log_prob / math.log(2):.1f} bits of surprise")
