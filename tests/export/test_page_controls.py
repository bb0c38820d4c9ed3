"""The controls of the exported page: stop, side by side, alternatives, time-lapse, settings, a phone."""

from __future__ import annotations

import re

import pytest

from tests.support.exported_page import OpenPage, talking_model


@pytest.mark.browser
def test_three_temperatures_stand_side_by_side(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.page.check("#side-by-side")
    user.write("O ", seed=5)
    assert user.replies == [model.generate("O ", seed=5, temperature=value) for value in (0.2, 0.8, 1.4)]


@pytest.mark.browser
def test_stop_ends_a_reply_while_it_is_written(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.page.uncheck("#full-speed")
    user.page.fill("#length", "2000")
    user.page.fill("#message", "a")
    user.page.press("#message", "Enter")
    # No wait_for_function, which the page's own policy forbids: it evaluates a text.
    user.page.locator(".reply", has_text=re.compile("....")).wait_for()
    user.page.click("#stop")
    user.until_done()
    assert 3 < len(user.replies[0]) < 2000
    assert "stopped" in str(user.page.text_content(".caption"))


@pytest.mark.browser
def test_the_keyboard_finds_the_alternatives_of_a_character(open_page: OpenPage) -> None:
    model = talking_model()
    user = open_page(model)
    user.write("To be, or ", seed=7, length=30)
    before = user.replies[0]
    page = user.page
    page.focus(".reply")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.text_content("mark") == before[4]
    page.keyboard.press("Enter")
    page.wait_for_selector(".alternatives li")
    labels = page.locator(".alternatives button").evaluate_all("all => all.map(b => b.ariaLabel)")
    assert 1 < len([label for label in labels if label]) <= 8
    other = page.locator(".alternatives li button:not([aria-current])").first
    char = str(other.evaluate("b => b.ariaLabel")).rpartition(", ")[0]
    char = {"space": " ", "line break": "\n"}.get(char, char)
    other.click()
    user.until_done()
    start = before[:4] + char
    assert user.replies == [start + model.generate("To be, or " + start, seed=7, max_new_tokens=30)]


@pytest.mark.browser
def test_alternatives_that_come_late_are_not_those_of_another_character(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.write("To be, or ", seed=7, length=30)
    page, text = user.page, user.replies[0]
    page.focus(".reply")
    page.evaluate(
        """() => {
          const press = (key) => document.querySelector(".reply").dispatchEvent(new KeyboardEvent("keydown", { key }));
          for (const key of ["Home", "Enter", "ArrowRight"]) press(key);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.text_content("mark") == text[1] and not page.is_visible(".alternatives")
    page.keyboard.press("Enter")
    page.wait_for_selector(".alternatives li")


@pytest.mark.browser
def test_a_click_finds_the_character_under_it(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.write("To be, or ", seed=7, length=30)
    point = user.page.evaluate(
        """() => {
          const text = document.querySelector(".reply").lastChild, range = document.createRange();
          range.setStart(text, 12);
          range.setEnd(text, 13);
          const { left, right, top, bottom } = range.getBoundingClientRect();
          return [left + (right - left) * 0.8, (top + bottom) / 2];
        }"""
    )
    text = user.replies[0]
    user.page.mouse.click(*point)
    user.page.wait_for_selector(".alternatives li")
    assert user.page.text_content("mark") == text[12]
    assert user.replies == [text]


@pytest.mark.browser
def test_a_click_finds_an_emoji_by_either_half(open_page: OpenPage) -> None:
    user = open_page(talking_model(chars="\n .ab😀😁"))
    user.write("a", seed=7, length=30)
    halves = user.page.evaluate(
        """() => {
          const text = document.querySelector(".reply").lastChild, range = document.createRange();
          const at = text.data.search(/\\p{Emoji_Presentation}/u);
          range.setStart(text, at);
          range.setEnd(text, at + 2);
          const { left, right, top, bottom } = range.getBoundingClientRect();
          return [0.2, 0.8].map((share) => [left + (right - left) * share, (top + bottom) / 2]);
        }"""
    )
    emoji = next(char for char in user.replies[0] if ord(char) > 0xFFFF)
    for point in halves:
        user.page.mouse.click(*point)
        user.page.wait_for_selector(".alternatives li")
        assert user.page.text_content("mark") == emoji
        user.page.get_by_role("button", name="Close").click()


@pytest.mark.browser
def test_the_time_lapse_shows_each_snapshot(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    assert user.page.text_content(".sheet.shown") == "ROMEO:\nWhat light is this?"
    user.page.focus("#time-lapse")
    user.page.keyboard.press("ArrowLeft")
    assert user.page.text_content(".sheet.shown") == "ROMEO:\nqx7&zz"
    assert "after 4,096 characters" in str(user.page.text_content("figcaption output"))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seed", "seven", 'The seed is "seven"; expected a whole number'),
        ("length", "0", 'The length is "0"; expected a whole number from 1 to 2000'),
        ("top-p", "", 'The top-p is ""; expected a number from 0.01 to 1'),
    ],
)
def test_a_wrong_setting_is_told(open_page: OpenPage, field: str, value: str, message: str) -> None:
    user = open_page(talking_model())
    user.page.evaluate("document.querySelector('details').open = true")
    user.page.fill(f"#{field}", value)
    user.page.fill("#message", "a")
    user.page.press("#message", "Enter")
    user.page.wait_for_selector("#error", state="visible")
    assert message in str(user.page.text_content("#error"))
    user.until_done()
    assert user.replies == [] and user.page.input_value("#message") == "a"


@pytest.mark.browser
def test_a_sentence_about_a_wrong_setting_is_gone_once_the_reply_goes_on(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.write("a", length=5)
    page = user.page
    page.fill("#length", "0")
    page.get_by_role("button", name="Go on").click()
    assert 'The length is "0"' in str(page.text_content("#error"))
    page.fill("#length", "5")
    page.get_by_role("button", name="Go on").click()
    user.until_done()
    assert len(user.replies[0]) == 10 and not page.is_visible("#error")


@pytest.mark.browser
def test_a_browser_that_does_not_copy_says_so(open_page: OpenPage) -> None:
    user = open_page(talking_model())
    user.write("a", length=5)
    user.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")  # as without HTTPS
    user.page.get_by_role("button", name="Copy").click()
    assert user.page.text_content("#error") == "The browser refuses to copy: select the text."


@pytest.mark.browser
def test_without_a_worker_a_reply_fails_in_a_sentence(open_page: OpenPage) -> None:
    """It was written for ever, and Stop did nothing."""
    user = open_page(talking_model())
    page = user.page
    page.uncheck("#full-speed")
    page.fill("#length", "2000")
    page.fill("#message", "a")
    page.press("#message", "Enter")
    page.wait_for_selector(".reply.writing")
    page.evaluate("worker.onerror(new Event('error'))")  # as of a browser that starts none
    user.until_done()
    sentence = "The model cannot be opened: the browser starts no worker"
    assert page.text_content("#error") == sentence and "failed" in str(page.text_content(".caption"))
    user.write("b")
    assert page.text_content("#error") == sentence and "failed" in str(page.locator(".caption").last.text_content())


@pytest.mark.browser
def test_a_text_from_right_to_left_begins_on_the_right(open_page: OpenPage) -> None:
    user = open_page(talking_model(chars="\n .:()מרחבא", examples=("מרחבא (", "a")))
    page = user.page
    user.write("מרחבא (1):", seed=1, length=5)
    at_right = """(e) => {
      const [letters, box] = [e.querySelector(".prompt-text").getBoundingClientRect(), e.getBoundingClientRect()];
      return letters.left - box.left > box.right - letters.right;
    }"""
    assert page.locator(".reply").evaluate(at_right)
    page.fill("#message", "מרחבא (1):")
    assert page.locator("#message").evaluate("e => getComputedStyle(e).direction") == "rtl"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: OpenPage, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    user = open_page(talking_model(), color_scheme=scheme, bypass_csp=True)  # axe is a script of its own
    empty = Axe().run(user.page)
    user.page.check("#side-by-side")
    user.write("O ", seed=5)
    user.page.locator(".reply").first.press("End")
    user.page.keyboard.press("Enter")
    user.page.wait_for_selector(".alternatives li")
    full = Axe().run(user.page)
    for found in (empty, full):
        assert [one["id"] for one in found.response["violations"] if one["impact"] in ("serious", "critical")] == []


@pytest.mark.browser
def test_a_phone_shows_everything_in_its_width(open_page: OpenPage) -> None:
    user = open_page(talking_model(), viewport={"width": 390, "height": 844}, has_touch=True)
    page = user.page
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 390
    assert not page.is_visible("#panel")
    page.click("#toggle-settings")
    assert page.is_visible("#temperature") and page.get_attribute("#toggle-settings", "aria-expanded") == "true"
    page.click("#toggle-settings")
    page.locator(".starter").last.click()
    user.until_done()
    assert len(user.replies) == 3 and page.evaluate(width) == 390
