"""In a real browser: the page keeps to its own Content-Security-Policy, and asks no other host for anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COLLECT = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(
  [event.effectiveDirective, event.blockedURI, event.sourceFile, event.lineNumber].join(" ")));
"""
TEXT = "To be, or not to be, that is the question.\n" * 60


@pytest.fixture
def watched(app: App, browser: Any) -> Any:
    """A user whose page counts what its policy refuses, and whose requests reach the app alone."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_init_script(COLLECT)
    elsewhere: list[str] = []
    outside = lambda url: not url.startswith((app.url, "data:", "blob:"))  # noqa: E731
    context.route(outside, lambda route: (elsewhere.append(route.request.url), route.abort()))
    user = BrowserUser(browser, app.url, context=context)
    yield user
    assert user.page.evaluate("violations") == []
    assert elsewhere == []
    user.leave()  # whose console holds no refusal either


def save(user: BrowserUser, action: Any, file: Path) -> Path:
    with user.page.expect_download() as got:
        action()
    got.value.save_as(file)
    return file


def test_a_chat_with_its_menus_and_downloads_keeps_to_the_policy(watched: BrowserUser, tmp_path: Path) -> None:
    page = watched.page
    watched.send("To be", length=30)
    watched.choose_speaker("ROMEO")
    watched.send("What light", length=30)
    watched.act(lambda: page.keyboard.press("Control+Enter"))
    page.locator(".turn").last.get_by_text("Details").click()
    assert "To be" in save(watched, lambda: page.click("#save-text"), tmp_path / "chat.txt").read_text()
    saved = save(watched, lambda: page.click("#save-json"), tmp_path / "chat.json")
    with page.expect_file_chooser() as chooser:
        page.click("#load-json")
    chooser.value.set_files(saved)
    page.wait_for_selector(".note-line")
    watched.open("?message=To%20be&seed=7&length=20")
    watched.until_done()


def test_look_inside_keeps_to_the_policy(watched: BrowserUser, tmp_path: Path) -> None:
    page = watched.page
    page.get_by_role("link", name="Look inside").click()
    page.wait_for_selector("#inside .char")
    page.get_by_label("A text of your own").fill("To be, or not")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelectorAll('#inside .char').length === 13")
    page.focus("#inside-scrubber")
    page.keyboard.press("ArrowRight")
    compare, report, picture = page.locator("#inside .take .chips-row button").all()
    compare.click()
    page.wait_for_selector("#inside .scores >> visible=true")
    for number, button in enumerate((report, picture)):
        assert save(watched, button.click, tmp_path / str(number)).stat().st_size > 0


def test_make_your_own_keeps_to_the_policy(watched: BrowserUser) -> None:
    page = watched.page
    page.get_by_role("link", name="Make your own").click()
    page.wait_for_selector("#make textarea")
    page.fill("#make textarea", TEXT)
    page.get_by_role("button", name="Check the text").click()
    page.wait_for_selector("#make .findings, #make .error-message", timeout=120_000)
