"""In a real browser: the empty page says what the model is, in the first five seconds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser_app import App, BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_empty_page_says_what_this_is(user: BrowserUser) -> None:
    page = user.page
    title = "One small play, one letter at a time"
    assert page.text_content(".title") == title and page.title() == f"{title} · hubcharlstm"
    line = page.text_content(".tagline")
    assert line == "Not an assistant: a small network that has read only one small play. Start a line; it goes on."
    assert page.evaluate("document.activeElement === document.querySelector('#field-message textarea')")
    starters = page.locator(".starter").all_text_contents()
    assert starters == ["Ask Romeo: “What do you fear?”", "To be, or …", "Compare the same line at 0.2, 0.8 and 1.4"]


def test_the_facts_of_the_model_stand_once_behind_about(user: BrowserUser) -> None:
    page = user.page
    assert not page.is_visible("#about-model p")
    page.locator("#about-model summary").press("Enter")
    facts = page.locator("#about-model p").all_text_contents()
    assert page.is_visible("#about-model p") and facts[0].startswith("A network of ")
    assert facts[2].startswith("2.164 bits per character") and facts[-1] == "charlstm-tiny"
    assert page.text_content(".intro").count("network of") == 0


def test_a_starter_asks_a_character_and_the_talk_goes_on(user: BrowserUser) -> None:
    page = user.page
    user.act(lambda: page.locator(".starter").first.press("Enter"))
    assert page.text_content(".recipient") == "to ROMEO" and user.text.startswith("ROMEO:\n")
    assert (
        page.get_by_role("radio", name="Romeo").is_checked() and page.get_by_label("Go on from the text").is_checked()
    )


def test_a_recorded_passage_is_written_letter_by_letter_and_was_once_noise(user: BrowserUser) -> None:
    page = user.page
    page.get_by_role("button", name="Play again").wait_for()
    assert page.text_content(".shown") == "ROMEO:\nWhat light is this?"
    before = page.locator(".sample").bounding_box()
    slider = page.get_by_label("How it learned")
    assert slider.get_attribute("aria-valuetext") == "after 1 million characters, 2 minutes"
    slider.press("Home")
    assert page.text_content(".shown") == "ROMEO:\nqx7&zz"
    assert slider.get_attribute("aria-valuetext") == "after 4,096 characters, less than a second"
    slider.press("ArrowRight")
    assert page.text_content(".shown") == "ROMEO:\nthe te ou"
    assert page.locator(".sample").bounding_box() == before
    assert user.turns == 0


def test_a_screen_reader_is_told_the_snapshot_that_is_shown(user: BrowserUser) -> None:
    page = user.page
    accessible_text = page.locator(".sample > .visually-hidden")
    page.get_by_role("button", name="Play again").wait_for()
    page.get_by_label("How it learned").press("Home")
    assert accessible_text.text_content() == page.text_content(".shown") == "ROMEO:\nqx7&zz"
    page.get_by_role("button", name="Play again").press("Enter")
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("button", name="Play again").wait_for()
    assert accessible_text.text_content() == page.text_content(".shown") == "ROMEO:\nWhat light is this?"
    page.get_by_role("button", name="Play again").press("Enter")
    page.get_by_role("button", name="Pause").press("Enter")
    assert str(accessible_text.text_content()).startswith(str(page.text_content(".shown")))


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
    last = lengths[lengths.index(len("ROMEO:\nthe te ou")) + 1 :]  # after the noise before it
    assert len(last) > 3 and last == sorted(last)
    user.leave()


def test_the_time_lapse_plays_once_by_itself_and_again_if_wanted(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url)
    page = user.page
    page.add_init_script(
        """window.seen = [];
        new MutationObserver(() => {
          const facts = document.querySelector('.facts')?.textContent;
          if (facts && facts !== window.seen.at(-1)) window.seen.push(facts);
        }).observe(document, {childList: true, subtree: true});"""
    )
    user.open()
    page.get_by_role("button", name="Play again").wait_for()
    assert [fact.split(" characters")[0] for fact in page.evaluate("window.seen")] == [
        "after 4,096", "after 66 thousand", "after 1 million"
    ]  # fmt: skip
    card, text = page.locator(".sample").bounding_box(), page.locator(".stack").bounding_box()
    assert text["width"] > 0.9 * card["width"]
    assert page.locator(".shown").evaluate("e => e.scrollHeight <= e.clientHeight + 1 && e.clientHeight > 0")
    page.get_by_role("button", name="Play again").press("Enter")
    page.wait_for_function("document.querySelector('.shown').textContent === 'ROMEO:\\nqx7&zz'")
    page.get_by_role("button", name="Pause").press("Enter")
    paused = page.text_content(".shown")
    page.wait_for_timeout(1_500)
    assert page.text_content(".shown") == paused
    user.leave()


def test_who_wants_no_motion_sees_the_whole_passage_at_once(app: App, browser: Any) -> None:
    user = BrowserUser(browser, app.url, reduced_motion="reduce")
    assert user.page.text_content(".shown") == "ROMEO:\nWhat light is this?"
    user.leave()
