"""In a real browser: a talk with a character reads as one, and is begun by mouse or by keyboard."""

from __future__ import annotations

import pytest

from tests.support.browser_app import BrowserUser

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def placeholder(user: BrowserUser) -> str:
    return str(user.page.get_attribute("#field-message textarea", "placeholder"))


def test_a_chip_chooses_who_replies(user: BrowserUser) -> None:
    page = user.page
    assert page.locator(".chip").all_text_contents() == ["No one", "Romeo", "Juliet"]
    assert page.get_by_role("radio", name="No one").is_checked() and placeholder(user) == "Start a line …"
    page.get_by_text("Juliet", exact=True).click()
    assert placeholder(user) == "Say something to Juliet"
    page.wait_for_function("document.activeElement === document.querySelector('#field-message textarea')")
    page.keyboard.type("Good morrow")
    user.act(lambda: page.keyboard.press("Enter"))
    assert page.text_content(".recipient") == "to JULIET" and user.text.startswith("JULIET:\n")
    page.get_by_text("No one", exact=True).click()
    assert placeholder(user) == "Start a line …"
    user.send("To be", length=20)
    assert page.locator(".recipient").count() == 1


def test_chips_are_chosen_by_keyboard(user: BrowserUser) -> None:
    page = user.page
    page.get_by_role("radio", name="No one").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Romeo").is_checked() and placeholder(user) == "Say something to Romeo"
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="Juliet").is_checked()


def test_the_search_finds_a_character_or_takes_another_name(user: BrowserUser) -> None:
    page = user.page
    search = page.get_by_role("searchbox", name="Talk with")
    search.fill("jul")
    assert page.locator(".chip:visible").all_text_contents() == ["Juliet"]
    search.press("Escape")
    assert page.locator(".chip:visible").count() == 3
    search.fill("jul")
    search.press("Enter")
    assert page.get_by_role("radio", name="Juliet").is_checked() and placeholder(user) == "Say something to Juliet"
    assert page.locator(".chip:visible").count() == 3 and search.input_value() == ""
    search.fill("Nurse")
    search.press("Enter")
    assert page.get_by_role("radio", name="Nurse").is_checked() and placeholder(user) == "Say something to Nurse"
    user.send("Where is she?", length=20)
    assert user.text.startswith("Nurse:\n")


def test_a_talk_reads_the_conversation_so_far_unless_it_is_not_to(user: BrowserUser) -> None:
    page = user.page
    switch = page.get_by_label("Go on from the text so far")
    beside, below = page.locator("#composer").bounding_box(), page.locator("#field-go-on").bounding_box()
    assert abs(below["y"] - beside["y"]) < 80 and not switch.is_checked()
    page.get_by_text("Juliet", exact=True).click()
    assert switch.is_checked()
    user.send("One", length=40)
    first = user.text
    user.send("Two", length=40)
    page.locator(".details summary").last.click()
    prompt = page.locator(".detail-row.prompt pre").last.text_content()
    assert prompt.startswith(f"STRANGER:\nOne\n\n{first}".rstrip("\n")) and prompt.endswith(
        "STRANGER:\nTwo\n\nJULIET:\n"
    )
    switch.uncheck()
    user.send("Three", length=40)
    page.locator(".details summary").last.click()
    assert page.locator(".detail-row.prompt pre").last.text_content() == "STRANGER:\nThree\n\nJULIET:\n"
    page.get_by_text("Romeo", exact=True).click()
    assert not switch.is_checked()  # as it was left for a talk
    page.get_by_text("No one", exact=True).click()
    assert not switch.is_checked()


def test_a_reply_goes_on_to_the_end_of_the_turn(user: BrowserUser) -> None:
    """It ended after the model's default of 60 characters, in mid-sentence."""
    page = user.page
    page.get_by_label("As fast as it goes").check()
    page.get_by_text("Juliet", exact=True).click()
    user.send("Good morrow")
    reply = user.text.removeprefix("JULIET:\n")
    assert "ended by itself" in user.caption or (
        len(reply) > 60 and ("cut after a whole sentence" in user.caption or "1,000 characters" in user.caption)
    )
    user.set("Length", 50)
    user.send("Good morrow")
    assert len(user.text.removeprefix("JULIET:\n")) <= 50
    user.act(lambda: page.keyboard.press("Alt+Enter"))
    assert len(user.text.removeprefix("JULIET:\n")) <= 102
