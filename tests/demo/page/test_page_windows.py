"""In a real browser: phones, upright and on their side, and 400% zoom, where the composer folds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640)])
def test_on_a_phone_nothing_lies_under_the_message(app: App, browser: Any, width: int, height: int) -> None:
    user = BrowserUser(browser, app.url, viewport={"width": width, "height": height}, reduced_motion="reduce")
    page = user.page
    composer = page.locator("#composer").bounding_box()
    assert height - composer["y"] - composer["height"] < 8
    for other in ("#tools", "#field-speaker", ".starters", ".sample"):
        bounds = page.locator(other).bounding_box()
        assert bounds["y"] >= 0 and bounds["y"] + bounds["height"] <= composer["y"] + 1, other
    starters, talk = page.locator(".starters").bounding_box(), page.locator("#field-speaker").bounding_box()
    assert starters["y"] + starters["height"] <= talk["y"]  # all of the introduction is seen without scrolling
    assert not page.is_visible("footer") and page.evaluate("document.documentElement.scrollHeight") <= height
    user.leave()


@pytest.mark.parametrize("width", [390, 360])
def test_on_a_phone_the_field_says_all_of_whom_it_speaks_to(app: App, browser: Any, width: int) -> None:
    """A second button beside Send cut "Say something to Juliet" off."""
    user = BrowserUser(browser, app.url, viewport={"width": width, "height": 740})
    user.choose_speaker("JULIET")
    room = """field => {
      const style = getComputedStyle(field);
      const context = document.createElement("canvas").getContext("2d");
      context.font = style.font;
      const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
      return field.clientWidth - padding - context.measureText(field.placeholder).width;
    }"""
    field = user.page.locator("#field-message textarea")
    assert field.get_attribute("placeholder") == "Say something to Juliet" and field.evaluate(room) >= 0
    user.send("What news?")
    assert user.page.locator(".action", has_text="Compare").is_visible()
    user.leave()


@pytest.mark.parametrize(("width", "height"), [(320, 256), (844, 390)])
def test_in_a_low_window_the_composer_folds_and_the_reply_is_seen(
    app: App, browser: Any, width: int, height: int
) -> None:
    user = BrowserUser(browser, app.url, viewport={"width": width, "height": height})
    page = user.page
    user.send("To be")
    composer, view = page.locator("#composer").bounding_box(), page.locator(".view").bounding_box()
    assert composer["height"] < 56 and view["height"] > 0.75 * height
    assert page.evaluate("document.documentElement.scrollHeight") <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    reply = page.locator(".reply").last
    assert reply.evaluate("e => e.getBoundingClientRect().bottom") > 0
    assert not page.is_visible("#tools") and not page.is_visible("#field-speaker")
    tools = page.get_by_role("button", name="Tools")
    tools.press("Enter")
    assert tools.get_attribute("aria-expanded") == "true" and page.is_visible("#undo")
    page.get_by_role("radio", name="Romeo").check(force=True)
    tools.click()
    assert not page.is_visible("#tools") and tools.get_attribute("aria-expanded") == "false"
    user.send("Good morrow")
    assert page.locator(".recipient").count() == 1
    user.leave()


@pytest.mark.parametrize(("width", "height", "opener"), [(320, 256, "#fold"), (360, 640, "#toggle-settings")])
def test_in_a_small_window_the_other_views_are_reached_and_left(
    app: App, browser: Any, width: int, height: int, opener: str
) -> None:
    """No link led to "Make your own", and none led back from it."""
    user = BrowserUser(browser, app.url, viewport={"width": width, "height": height})
    page = user.page
    assert not page.is_visible(".views")
    page.locator(opener).press("Enter")
    make, chat = page.get_by_role("link", name="Make your own"), page.get_by_role("link", name="Chat", exact=True)
    make.press("Enter")
    page.wait_for_selector("#make textarea")
    chat.click()
    page.locator("#make").wait_for(state="hidden")
    page.click(opener)
    assert not page.is_visible(".views") and page.is_visible("#composer")
    user.leave()


@pytest.mark.parametrize(("width", "height"), [(320, 256), (844, 390)])
def test_in_a_low_window_the_settings_take_the_room_of_the_chat(
    app: App, browser: Any, width: int, height: int
) -> None:
    """They lay over the message, whose buttons covered them."""
    user = BrowserUser(browser, app.url, viewport={"width": width, "height": height})
    page = user.page
    page.click("#fold")
    page.locator("#toggle-settings").press("Enter")
    tools, panel = page.locator("#tools").bounding_box(), page.locator("#panel").bounding_box()
    assert tools["y"] + tools["height"] <= panel["y"] + 1 and panel["y"] + panel["height"] <= height + 1
    assert panel["height"] > 0.4 * height and not page.is_visible("#composer") and not page.is_visible(".view")
    user.set("Temperature", 1.1)
    page.click("#toggle-settings")
    page.click("#fold")
    user.send("To be")
    assert "temperature 1.1" in user.caption
    user.leave()
