"""In a real browser: Retry and Edit add versions of a line, between which one goes back and forth."""

from __future__ import annotations

import pytest

from tests.support.browser_app import BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_retry_makes_a_version_and_the_arrow_keys_go_between_them(user: BrowserUser) -> None:
    page = user.page
    user.send("To be", length=20)
    assert not page.is_visible(".versions")
    texts = [user.text]
    for _ in range(2):
        user.act(lambda: page.keyboard.press("Control+Enter"))
        texts.append(user.text)
    assert len(set(texts)) == 3 and user.turns == 1
    assert page.text_content(".version-place") == "3/3"
    page.get_by_role("button", name="Previous version").focus()
    page.keyboard.press("Enter")
    assert page.text_content(".version-place") == "2/3" and user.text == texts[1]
    page.keyboard.press("ArrowLeft")
    assert page.text_content(".version-place") == "1/3" and user.text == texts[0]
    page.keyboard.press("ArrowLeft")  # there is none before it
    assert page.text_content(".version-place") == "1/3"
    page.reload()
    page.wait_for_selector(".turn")
    assert page.text_content(".version-place") == "1/3" and user.text == texts[0]
    page.get_by_role("button", name="Next version").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.text_content(".version-place") == "3/3" and user.text == texts[2]


def test_what_follows_a_version_is_shown_with_that_version(user: BrowserUser) -> None:
    page = user.page
    typed = page.locator(".typed")
    for line in ("One", "Two", "Three"):
        user.send(line, length=5)
    page.locator(".edit").nth(1).click()
    user.send("Zwei", length=5)
    user.send("Drei", length=5)
    assert typed.all_text_contents() == ["One", "Zwei", "Drei"]
    page.locator(".turn").nth(1).get_by_role("button", name="Previous version").click()
    assert typed.all_text_contents() == ["One", "Two", "Three"]
    page.keyboard.press("ArrowRight")
    assert typed.all_text_contents() == ["One", "Zwei", "Drei"]
    page.locator(".retry").first.click()
    page.wait_for_function("document.querySelectorAll('.turn').length === 1")
    user.until_done()
    page.get_by_role("button", name="Previous version").click()
    assert typed.all_text_contents() == ["One", "Zwei", "Drei"]


def test_an_edited_line_keeps_to_whom_it_was_said(user: BrowserUser) -> None:
    page = user.page
    user.choose_speaker("JULIET")
    user.send("Good morrow", length=10)
    user.choose_speaker("ROMEO")
    page.locator(".edit").click()
    assert page.text_content(".hint").startswith("Editing a line to JULIET: Enter sends it as another version")
    user.send("Good night", length=10)
    assert page.text_content(".recipient") == "to JULIET" and user.text.startswith("JULIET:\n")


def test_an_edited_line_keeps_its_three_temperatures(user: BrowserUser) -> None:
    page = user.page
    user.act(lambda: page.get_by_text("the same line at 0.2, 0.8 and 1.4").click())
    page.locator(".edit").click()
    assert "at 0.2, at 0.8, at 1.4" in page.text_content(".hint")
    user.send("Who is there", length=10)
    assert page.locator(".reply-temperature").all_text_contents() == ["at 0.2", "at 0.8", "at 1.4"]
    assert page.text_content(".version-place") == "2/2"
    page.locator(".turn .retry").click()
    page.wait_for_function("document.querySelector('.version-place').textContent === '3/3'")
    user.until_done()
    assert page.locator(".reply-temperature").all_text_contents() == ["at 0.2", "at 0.8", "at 1.4"]


def test_retry_leaves_a_kept_seed_alone(user: BrowserUser) -> None:
    page = user.page
    seed = page.get_by_label("Seed", exact=True)
    seed.fill("7")
    user.send("To be", length=10)
    user.act(lambda: page.keyboard.press("Control+Enter"))
    assert user.seed != "7"
    page.wait_for_timeout(300)
    assert seed.input_value() == "7" and page.get_by_label("Keep").is_checked()
    user.send("To be", length=10)
    assert user.seed == "7"


def test_a_line_that_is_no_longer_shown_is_no_longer_edited(user: BrowserUser) -> None:
    """The page said that Enter replaces the line, and added one at the end."""
    page = user.page
    user.send("One", length=5)
    user.act(lambda: page.locator(".retry").click())
    page.locator(".edit").click()
    page.wait_for_selector(".to-be-replaced")
    page.get_by_role("button", name="Previous version").click()
    assert page.get_by_text("Editing a line").count() == 0 and page.locator(".is-editing").count() == 0
    assert user.message == "One"
    page.locator(".edit").click()
    page.locator(".more").click()
    page.get_by_role("menuitem", name="Delete line and reply").click()
    assert page.get_by_text("Editing a line").count() == 0 and page.locator(".is-editing").count() == 0


def test_an_unsent_line_is_there_again_after_an_edit(user: BrowserUser) -> None:
    page = user.page
    user.send("One", length=5)
    user.type("A draft")
    page.locator(".edit").click()
    assert user.message == "One"
    page.keyboard.press("Escape")
    assert user.message == "A draft"
    page.locator(".edit").click()
    user.send("Uno", length=5)
    assert page.locator(".typed").text_content() == "Uno" and user.message == "A draft"
