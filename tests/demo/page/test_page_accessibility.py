"""In a real browser: phones, keyboards, screen readers, and what axe finds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("width", [360, 390])
def test_nothing_is_cut_off_on_a_phone(app: App, browser: Any, width: int) -> None:
    user = BrowserUser(browser, app.url, viewport={"width": width, "height": 640})
    page = user.page
    user.act(lambda: page.locator(".starter").last.click())
    user.send("x" * 400)
    page.locator(".details summary").last.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".view").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    for name in ("#field-message textarea", "#send", "#toggle-settings", "#clear", "#surprise"):
        bounds = page.locator(name).bounding_box()
        assert bounds["x"] >= 0 and bounds["x"] + bounds["width"] <= width, name
        assert bounds["y"] + bounds["height"] <= 640, name
    assert not page.is_visible("#panel")
    page.click("#toggle-settings")
    assert page.is_visible("#panel") and page.get_attribute("#toggle-settings", "aria-expanded") == "true"
    assert page.locator("#panel").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    page.fill("#field-seed :is(input, textarea)", "x")
    page.click("#toggle-settings")
    user.type("To be")
    page.press("#field-message textarea", "Enter")
    page.wait_for_selector(".error-message", state="visible")  # also where its control is folded away
    user.leave()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(app: App, browser: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    user = BrowserUser(browser, app.url, reduced_motion="reduce")
    if scheme == "dark":
        user.open("?__theme=dark")
    axe = Axe()
    empty = axe.run(user.page)
    user.page.get_by_text("More", exact=True).click()
    user.send("É😀", length=20)
    user.act(lambda: user.page.locator(".starter").last.click())
    user.page.locator(".details summary").first.click()
    user.page.fill("#field-seed :is(input, textarea)", "x")
    user.type("To be")
    user.page.press("#field-message textarea", "Enter")
    user.error_message()
    user.until_done()
    full = axe.run(user.page)
    found = [
        (one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]][:4])
        for results in (empty, full)
        for one in results.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert found == []
    user.leave()


def test_everything_is_done_by_keyboard_alone(user: BrowserUser) -> None:
    page = user.page
    page.keyboard.type("To be")
    user.act(lambda: page.keyboard.press("Enter"))
    user.act(lambda: page.keyboard.press("Alt+Enter"))
    user.act(lambda: page.keyboard.press("Control+Enter"))
    name = "(e => e.id || e.closest('[id^=field-], #time-lapse')?.id || e.textContent.trim())(document.activeElement)"
    reached: list[str] = []
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(name))
    reached = reached[reached.index("time-lapse") :]
    order = [
        "time-lapse",
        "Play again",
        "To be, or …",
        "Edit",
        "Copy",
        "Retry",
        "Continue",
        "Compare",
        "More",
        "Details",
    ]
    order += [
        "field-speaker",
        "field-message",
        "compare",
        "send",
        "field-go-on",
        "surprise",
        "undo",
        "clear",
        "field-model",
        "field-temperature",
        "field-length",
        "field-seed",
        "draw-seed",
    ]
    places = [reached.index(name) for name in order]
    assert places == sorted(places), dict(zip(order, places, strict=True))
    page.locator(".edit").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement === document.querySelector('#field-message textarea')")
    assert user.message == "To be"


def test_a_screen_reader_hears_of_a_reply_but_not_of_every_letter(user: BrowserUser) -> None:
    page = user.page
    page.evaluate(
        """() => {
          window.announced = [];
          const status = document.querySelector('#conversation [role=status]');
          const observer = new MutationObserver(() => window.announced.push(status.textContent));
          observer.observe(status, { childList: true, subtree: true, characterData: true });
        }"""
    )
    user.send("To be", length=100)
    announced = page.evaluate("window.announced")
    assert (
        len(announced) == 2
        and announced[0] == "The model is writing."
        and announced[1].startswith("The model is done: 100 characters")
    )
    assert page.locator("#conversation [aria-live], #conversation [role=status]").count() == 1
    assert page.locator(".view").get_attribute("aria-label") == "Conversation"
    assert page.locator(".reply .visually-hidden").text_content() == "The model: "
