"""In a real browser: what a reply offers, and one line compared by temperatures, sampling and models."""

from __future__ import annotations

import pytest

from tests.support.browser_app import BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_reply_shows_its_actions_and_one_disclosure(user: BrowserUser) -> None:
    page = user.page
    user.send("To be", length=20)
    actions = page.locator(".reply-block .actions > button:visible")
    assert actions.all_text_contents() == ["Copy", "Retry", "Continue", "Compare", "Look inside", "More"]
    assert page.locator(".reply-block details").count() == 1 and not page.is_visible(".caption")
    page.locator(".details summary").press("Enter")
    assert page.is_visible(".caption")
    labels = page.locator(".detail-row:visible .row-label").all_text_contents()
    assert labels == ["Link", "Python", "Command line"]


def test_copy_and_share_fill_the_clipboard(user: BrowserUser) -> None:
    page = user.page
    user.context.grant_permissions(["clipboard-read", "clipboard-write"])
    user.send("To be", length=20)
    page.locator(".copy").press("Enter")
    page.wait_for_function("document.querySelector('.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == user.text
    page.locator(".more").press("Enter")
    assert page.get_by_role("menuitem").all_text_contents() == [
        "What else could have stood there",
        "Share: copy the link",
        "Edit the line",
        "Delete line and reply",
    ]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.more').textContent === 'Link copied'")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.locator(".detail-row.link pre").text_content() and link.startswith(user.url + "/?message=To+be")


def test_one_press_looks_inside_of_any_reply(user: BrowserUser) -> None:
    page = user.page
    user.send("To be", length=20)
    first = user.text
    user.send("What light", length=20)
    traced = "() => document.querySelector('#inside p.visually-hidden')?.textContent"
    page.locator(".action.look-inside").first.click()
    page.wait_for_function(f"text => ({traced})()?.endsWith(text)", arg=first[-20:])
    user.return_to_chat()
    page.locator(".action.look-inside").last.press("Enter")
    page.wait_for_function(f"text => ({traced})()?.endsWith(text)", arg=user.text[-20:])
    assert page.url.endswith("#inside")


def test_the_chat_takes_the_focus_as_soon_as_it_is_back(user: BrowserUser) -> None:
    """A transition of Gradio's kept the replies hidden for some frames: a key pressed then went to the wrong place."""
    user.send("To be", length=20)
    user.page.get_by_role("link", name="Look inside").click()
    user.page.wait_for_selector(".action.look-inside", state="hidden")
    focused = """new Promise((resolve) => {
      const column = document.getElementById("main-column");
      const observer = new MutationObserver(() => {
        const action = document.querySelector(".action.look-inside");
        action.focus();
        resolve(document.activeElement === action);
      });
      observer.observe(column, { attributes: true, attributeFilter: ["inert"] });
      location.hash = "#chat";
    })"""
    assert user.page.evaluate(focused)


def test_a_menu_is_used_by_keyboard_alone_and_escape_leaves_it(user: BrowserUser) -> None:
    page = user.page
    focused = "document.activeElement.textContent"
    page.focus("#field-message textarea")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_attribute("#compare", "aria-expanded") == "true"
    items = page.get_by_role("menuitem").all_text_contents()
    assert items == ["at temperatures 0.2, 0.8 and 1.4", "greedy against sampled at 0.8", "mute", "shipped model"]
    assert page.evaluate(focused) == items[0]
    for key, at in (("ArrowDown", 1), ("End", 3), ("ArrowDown", 0), ("ArrowUp", 3), ("Home", 0)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == items[at], key
    page.keyboard.press("Escape")
    assert page.locator(".menu").count() == 0 and page.evaluate(focused).strip() == "Compare" and user.turns == 0
    page.click("#compare")
    page.mouse.click(300, 200)
    assert page.locator(".menu").count() == 0


def test_a_menu_stays_with_its_button_until_that_is_out_of_sight(user: BrowserUser) -> None:
    """The page scrolls by itself, and any scrolling closed the menu that somebody had just opened."""
    page = user.page
    user.send("To be", length=60)
    for _ in range(5):
        user.act(lambda: page.locator(".action.continue").last.click())
    user.send("What light", length=200)
    page.set_viewport_size({"width": 1280, "height": 420})
    more = page.locator(".action.more").last
    more.click()
    beside = """() => {
        const top = (selector) => [...document.querySelectorAll(selector)].at(-1).getBoundingClientRect().top;
        return top(".menu") - top(".action.more");
    }"""
    distance = page.evaluate(beside)
    scroll = """by => {
        const view = document.querySelector("#conversation .view");
        const from = view.scrollTop;
        view.scrollTop += by;
        return view.scrollTop - from;
    }"""
    assert page.evaluate(scroll, -20) == -20
    page.wait_for_function(f"distance => Math.abs(({beside})() - distance) < 1", arg=distance)
    page.evaluate(scroll, -10000)
    page.wait_for_selector(".menu", state="detached")
    assert more.get_attribute("aria-expanded") == "false"


def test_ones_own_line_is_compared_beside_send(user: BrowserUser) -> None:
    page = user.page
    user.set("Length", 20)
    user.type("Who is there")
    page.keyboard.press("Tab")
    page.focus("#compare")
    page.keyboard.press("Enter")
    user.act(lambda: page.keyboard.press("Enter"))
    assert page.locator(".reply-temperature").all_text_contents() == ["at 0.2", "at 0.8", "at 1.4"]
    assert page.text_content(".typed") == "Who is there" and user.message == ""
    user.type("Who is there")
    page.click("#compare")
    user.act(lambda: page.get_by_role("menuitem", name="greedy against sampled").click())
    assert page.locator(".turn").last.locator(".reply-temperature").all_text_contents() == ["at 0", "at 0.8"]


def test_a_reply_is_compared_with_another_models_and_one_of_them_goes_on(user: BrowserUser) -> None:
    page = user.page
    user.send("To be", length=20)
    alone = user.text
    page.locator(".reply-block .compare").click()
    user.act(lambda: page.get_by_role("menuitem", name="mute").click())
    assert page.locator(".reply-temperature").all_text_contents() == ["tiny", "mute"]
    assert page.text_content(".version-place") == "2/2" and user.turns == 1
    captions = page.locator(".caption").all_text_contents()
    assert " tiny " in captions[0] and " mute " in captions[1]
    texts = page.locator(".reply").all_text_contents()
    user.act(lambda: page.locator(".pick").nth(1).click())
    assert page.locator(".reply").count() == 1 and page.text_content(".version-place") == "3/3"
    assert len(user.text) == len("To be") + 40 and texts[1].endswith(user.text[: len("To be") + 20])
    assert " mute " in user.caption
    page.get_by_role("button", name="Previous version").click()
    assert page.locator(".reply").all_text_contents() == texts
    page.keyboard.press("ArrowLeft")
    assert user.text == alone
    page.reload()
    page.wait_for_selector(".turn")
    assert user.text == alone and page.text_content(".version-place") == "1/3"
