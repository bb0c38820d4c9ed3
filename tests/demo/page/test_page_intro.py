"""In a real browser: the empty page says what the model is, in the first five seconds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_empty_page_says_what_this_is(user: BrowserUser) -> None:
    page = user.page
    assert page.text_content(".title") == "charlstm-tiny" and page.title() == "charlstm-tiny · hubcharlstm"
    line = page.text_content(".tagline")
    assert line.startswith("Not an assistant. A network of ") and line.endswith("Start a line; it goes on.")
    assert "has read only one small play and guesses one letter at a time" in line
    assert page.evaluate("document.activeElement === document.querySelector('#field-message textarea')")
    starters = page.locator(".starter").all_text_contents()
    assert starters == ["ROMEO: …", "To be, or …", "What light …", "the same line at 0.2, 0.8 and 1.4"]
    assert page.locator("#about-model p").all_text_contents()[-2].startswith("2.164 bits per character")
    assert "A network of " in page.locator("#about-model p").first.text_content()


def test_a_recorded_passage_is_written_letter_by_letter_and_was_once_noise(user: BrowserUser) -> None:
    page = user.page
    page.wait_for_function("document.querySelector('.shown').textContent === 'ROMEO:\\nWhat light is this?'")
    before = page.locator(".sample").bounding_box()
    slider = page.get_by_label("How it learned")
    assert slider.get_attribute("aria-valuetext") == "after 1.0 million characters, 2 minutes"
    slider.press("Home")
    assert page.text_content(".shown") == "ROMEO:\nqx7&zz"
    assert slider.get_attribute("aria-valuetext") == "after 4,096 characters, less than a second"
    slider.press("ArrowRight")
    assert page.text_content(".shown") == "ROMEO:\nthe te ou"
    assert page.locator(".sample").bounding_box() == before
    assert user.turns == 0


def test_the_passage_grows_at_its_end(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    user.page.add_init_script(  # it has grown before a test could look, where the machine is busy
        """window.lengths = [];
        new MutationObserver(() => {
          const length = document.querySelector('.shown')?.textContent.length;
          if (length && length !== window.lengths.at(-1)) window.lengths.push(length);
        }).observe(document, {childList: true, subtree: true, characterData: true});"""
    )
    user.open()
    user.page.wait_for_function("document.querySelector('.shown').textContent.endsWith('light is this?')")
    lengths = user.page.evaluate("window.lengths")
    assert len(lengths) > 3 and lengths == sorted(lengths)
    user.leave()


def test_who_wants_no_motion_sees_the_whole_passage_at_once(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url, reduced_motion="reduce")
    assert user.page.text_content(".shown") == "ROMEO:\nWhat light is this?"
    user.leave()
